"""File names of a release, and the platforms that they mean."""

import pytest

from gaia.errors import InvalidInput
from gaia.model.artifact import check_filename, check_sha256, platform_of, worker_filename


@pytest.mark.parametrize(
    ("platform", "filename"),
    [
        ("linux", "gaia-worker-linux"),
        ("linux-aarch64", "gaia-worker-linux-aarch64"),
        ("windows", "gaia-worker-windows.exe"),
    ],
)
def test_a_platform_and_its_file_name_each_other(platform: str, filename: str) -> None:
    assert worker_filename(platform) == filename
    assert platform_of(filename) == platform
    assert check_filename(filename) == filename


def test_the_bundle_is_for_no_platform() -> None:
    assert check_filename("experiments.tar.gz") == "experiments.tar.gz"
    assert platform_of("experiments.tar.gz") is None


@pytest.mark.parametrize(
    "filename",
    [
        "",
        ".",
        "..",
        "gaia-worker",
        "gaia-worker-",
        "gaia-worker-linux.exe",
        "gaia-worker-windows",
        "gaia-worker-linux/../../x",
        "gaia-worker-linux\x00",
        "gaia-worker-Linux",
        "notes.txt",
        "gaia-worker-" + "x" * 100,
    ],
)
def test_other_names_are_refused(filename: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_filename(filename)
    assert caught.value.code == "invalid-filename"


def test_digests_are_lower_case_hexadecimal() -> None:
    assert check_sha256("0" * 64) == "0" * 64
    for text in ("0" * 63, "A" * 64, "g" * 64, ""):
        with pytest.raises(InvalidInput):
            check_sha256(text)
