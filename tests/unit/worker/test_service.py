"""`gaia-worker install`: a unit that systemd itself finds nothing to say against."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaia.worker.service_unit import Service, systemd_unit
from gaia.worker.service_windows import windows_service

WORKER = Path(sys.executable).with_name("gaia-worker")
TOKEN = "a-token-of-the-tests"
USUAL = ("--server", "http://127.0.0.1:7434", "--name", "gpu 1", "--auto-update")
WORKLOAD = ("--", "python3", "run all.py", "100%", "$HOME", 'say "hi"', "back\\slash")


def install(*arguments: str, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GAIA_")}
    return subprocess.run(
        [str(WORKER), "install", *arguments],
        env={**environment, "HOME": str(home), "GAIA_TOKEN": TOKEN, **more},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )


def directives(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def words(line: str) -> list[str]:
    """An ExecStart as systemd takes it apart, as far as shells do the same."""
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]


def test_the_unit_starts_what_was_given_and_never_gives_up(tmp_path: Path) -> None:
    shown = install("--print", *USUAL, *WORKLOAD, home=tmp_path)
    assert shown.returncode == 0, shown.stderr
    unit = directives(shown.stdout)
    started = words(unit["ExecStart"][0])
    assert started[0] == str(WORKER)
    assert started[1:6] == list(USUAL)
    assert started[started.index("--") :] == list(WORKLOAD)
    assert started[started.index("--experiments-dir") + 1] == str(tmp_path / "experiments")
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["KillMode"] == ["mixed"]
    assert float(unit["TimeoutStopSec"][0]) > 10
    assert str(WORKER.parent) in unit["ReadWritePaths"]
    assert TOKEN not in shown.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("user", ["root", None])
def test_systemd_finds_nothing_to_say_against_it(tmp_path: Path, user: str | None) -> None:
    service = Service(
        name="gaia-worker",
        command=["/bin/true", "--name", "gpu 1", *WORKLOAD],
        user=user,
        folders=[tmp_path, tmp_path / "with space"],
        state="gaia-worker",
        token=tmp_path / "token",
        drain=10.0,
    )
    path = tmp_path / "gaia-worker.service"
    path.write_text(systemd_unit(service))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "gaia-worker" in line]
    assert (done.returncode, complaints) == (0, [])


def for_windows(user: str | None = None) -> str:
    service = Service(
        name="it's",
        command=["C:\\gaia x\\gaia-worker.exe", "--name", 'a "b" c', "D:\\my data\\", "C:\\a\\"],
        user=user,
        folders=[Path("C:/gaia x"), Path("D:/data")],
        state=None,
        token=Path("C:/gaia x/.gaia/token"),
        drain=10.0,
    )
    return windows_service(service)


def test_a_service_of_windows_quotes_what_has_to_be() -> None:
    lines = for_windows().splitlines()
    [made] = [line for line in lines if line.startswith("New-Service ")]
    assert "-Name 'it''s' " in made
    assert made.endswith(
        r"""-BinaryPathName '"C:\gaia x\gaia-worker.service.exe" """
        r"""--name "a \"b\" c" "D:\my data\\" C:\a\'"""
    )
    copied = r"'C:\gaia x\gaia-worker.exe' -Destination 'C:\gaia x\gaia-worker.service.exe'"
    assert lines[1].endswith(copied)


@pytest.mark.parametrize("quote", "'\u2018\u2019\u201a\u201b")
def test_no_quote_ends_a_string_of_powershell(quote: str) -> None:
    text = for_windows(user=f"NT x{quote}; calc; {quote}")
    assert f"obj= 'NT x{quote}{quote}; calc; {quote}{quote}'" in text


def test_a_service_of_windows_has_an_account_of_its_own_with_few_rights() -> None:
    lines = for_windows().splitlines()
    assert r"sc.exe config 'it''s' start= delayed-auto obj= 'NT SERVICE\it''s'" in lines
    granted = [line for line in lines if line.startswith("icacls.exe ") and "NT SERVICE" in line]
    assert granted == [
        r"icacls.exe 'C:/gaia x' /grant 'NT SERVICE\it''s:(OI)(CI)M'",
        r"icacls.exe 'D:/data' /grant 'NT SERVICE\it''s:(OI)(CI)M'",
        r"icacls.exe 'C:/gaia x/.gaia/token' /inheritance:r "
        r"/grant:r 'NT SERVICE\it''s:R' '*S-1-5-18:F' '*S-1-5-32-544:F'",
    ]


def test_a_service_of_windows_is_started_again_after_failures_only() -> None:
    text = for_windows()
    assert "actions= restart/2000/restart/10000/restart/60000" in text
    assert "sc.exe failureflag 'it''s' 1" in text
    assert "PreshutdownTimeout -Type DWord -Value 40000" in text


def test_a_service_of_windows_asks_for_the_password_of_a_persons_account() -> None:
    lines = for_windows(user="LAB\\ada").splitlines()
    [made] = [line for line in lines if line.startswith("New-Service ")]
    assert made.endswith(r"-Credential (Get-Credential 'LAB\ada')")
    assert "sc.exe config 'it''s' start= delayed-auto" in lines
    assert any(r"'LAB\ada:R'" in line for line in lines)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "A", "a b"])
def test_odd_names_are_refused(tmp_path: Path, name: str) -> None:
    done = install("--service-name", name, *USUAL, home=tmp_path)
    assert done.returncode == 2
    assert "service" in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_the_worker_would_refuse_is_not_installed(tmp_path: Path) -> None:
    done = install("--print", "--server", "ftp://x", "--name", "w", home=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A home of the user `nobody`, outside of root's own folders."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with tempfile.TemporaryDirectory() as home:
        shutil.chown(home, "nobody")
        yield Path(home)


def test_without_root_it_is_a_unit_of_ones_own(ordinary_user: Path) -> None:
    """In a process of another user, with the package's own code: files land where they belong."""
    home, folder = ordinary_user, ordinary_user / "bin"
    program = (
        "import os, pwd, sys\n"
        "from gaia.worker.main import main\n"
        "os.setuid(pwd.getpwnam('nobody').pw_uid)\n"
        f"os.makedirs({str(folder)!r}, exist_ok=True)\n"
        f"sys.argv = [{str(folder / 'gaia-worker')!r}, 'install', *sys.argv[1:]]\n"
        "open(sys.argv[0], 'w').close()\n"
        "main()\n"
    )

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, *USUAL, *more],
            env={"HOME": str(home), "GAIA_TOKEN": TOKEN, "PATH": os.environ["PATH"]},
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run()
    assert done.returncode == 0, done.stderr
    unit = home / ".config" / "systemd" / "user" / "gaia-worker.service"
    assert TOKEN not in unit.read_text()
    assert "User" not in directives(unit.read_text())
    assert "systemctl --user daemon-reload" in done.stdout
    token = folder / ".gaia" / "token"
    assert token.read_text() == f"{TOKEN}\n"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert f"--token-file {token}" in unit.read_text()

    assert run().returncode == 0
    before = unit.read_bytes()
    changed = run("--label", "a=b")
    assert changed.returncode == 1
    assert "left as it is" in changed.stderr
    assert unit.read_bytes() == before
