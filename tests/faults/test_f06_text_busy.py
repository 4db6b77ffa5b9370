"""Row 6: ETXTBSY while a forked child still holds the staged file open for writing."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from gaia.errors import InstallError
from gaia.worker.preflight import self_check
from gaia.worker.relaunch import Launch

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows knows no ETXTBSY")


@pytest.fixture
def busy(tmp_path: Path) -> tuple[Path, int]:
    """A real binary and a descriptor that has it open for writing."""
    path = tmp_path / "staged"
    path.write_bytes(Path("/bin/true").read_bytes())
    path.chmod(0o755)
    return path, os.open(path, os.O_WRONLY)


def test_self_check_waits_for_the_descriptor(busy: tuple[Path, int]) -> None:
    path, descriptor = busy
    with pytest.raises(OSError, match="busy"):
        os.posix_spawn(path, [str(path)], {})
    closer = threading.Timer(0.1, os.close, [descriptor])
    closer.start()
    self_check(path, (), dict(os.environ), cancelled=threading.Event())
    closer.join()


def test_exec_gives_up_in_the_end(busy: tuple[Path, int]) -> None:
    path, descriptor = busy
    with pytest.raises(InstallError) as caught:
        Launch.here(path, {}, [str(path)]).execute({})
    assert caught.value.code == "busy"
    assert "busy" in str(caught.value)
    os.close(descriptor)
