"""Three versions of a file meet; names are checked against each other."""

import pytest

from gaia.errors import InstallError
from gaia.planning.bundle import File, Names, is_unmodified, is_wanted

OLD, NEW, MINE = File("old", False), File("new", False), File("mine", False)


@pytest.mark.parametrize(
    ("old", "disk", "new", "wanted"),
    [
        (None, None, NEW, True),
        (OLD, None, NEW, True),
        (NEW, None, NEW, True),
        (OLD, OLD, NEW, True),
        (OLD, NEW, NEW, False),
        (None, NEW, NEW, False),
        (None, MINE, NEW, True),
        (OLD, MINE, NEW, True),
        (NEW, MINE, NEW, False),
        (OLD, File("new", True), NEW, True),
    ],
)
def test_a_file_is_put_in_place_unless_it_is_there_or_the_change_is_the_owners(
    old: File | None, disk: File | None, new: File, wanted: bool
) -> None:
    assert is_wanted(old, disk, new) is wanted


def test_only_what_came_from_a_bundle_may_be_removed() -> None:
    assert is_unmodified(OLD, OLD, NEW)
    assert is_unmodified(File("old", True), OLD, None)
    assert not is_unmodified(MINE, OLD, NEW)
    assert not is_unmodified(MINE, None, None)
    assert not is_unmodified(None, OLD, NEW)


def test_folders_include_the_implied_ones_parents_first() -> None:
    names = Names()
    assert names.admit_folder("./") is None
    assert names.admit_file("./a/b/c") == "a/b/c"
    assert names.admit_folder("a/b/") == "a/b"
    assert names.admit_folder("z") == "z"
    assert names.folders == ["a", "a/b", "z"]


def test_the_refusal_names_the_entry_and_the_fault() -> None:
    with pytest.raises(InstallError, match=r"'\.\./x' has an empty, '\.' or '\.\.' component"):
        Names().admit_file("../x")
