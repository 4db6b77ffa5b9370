"""Targets of repositories that are not of our making: delegations, names, files (TUF 5.6, 5.7)."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

import pytest
from tuf.api.metadata import TargetFile

from support.conformance import Client


class Step(NamedTuple):
    """`by` trusts `role` with `paths`."""

    by: str
    role: str
    paths: tuple[str, ...] = ("*",)
    terminating: bool = False


GRAPHS = {
    "one": ([Step("targets", "A")], "A"),
    "side by side": ([Step("targets", "A"), Step("targets", "B")], "AB"),
    "depth first": (
        [Step("targets", "A"), Step("targets", "B"), Step("A", "C"), Step("C", "D")],
        "ACDB",
    ),
    "a terminating one ends the search": (
        [Step("targets", "A"), Step("targets", "B"), Step("A", "C", terminating=True)],
        "AC",
    ),
    "but not below itself": (
        [
            *(Step("targets", "A"), Step("targets", "B")),
            *(Step("A", "C", terminating=True), Step("C", "D")),
        ],
        "ACD",
    ),
    "one for other paths ends nothing": (
        [Step("targets", "A", ("*.py",), terminating=True), Step("targets", "B")],
        "B",
    ),
    "paths narrow on the way down": (
        [Step("targets", "A"), Step("A", "C", ("*.py",)), Step("targets", "B")],
        "AB",
    ),
    "a star stops at a slash": ([Step("targets", "A", ("*/*",)), Step("targets", "B")], "B"),
    "a circle is walked once": (
        [Step("targets", "A"), Step("A", "B"), Step("B", "C"), Step("C", "A")],
        "ABC",
    ),
    "two ways to one role": (
        [Step("targets", "A"), Step("targets", "B"), Step("B", "C"), Step("A", "C")],
        "ACB",
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_delegations_are_searched_in_their_order(client: Client, name: str) -> None:
    steps, visited = GRAPHS[name]
    for step in steps:
        client.repository.delegate(step.by, step.role, step.paths, terminating=step.terminating)
    roles = sorted({step.role for step in steps})
    client.repository.update(*roles, "targets")
    assert client.refresh() == 0
    assert client.download("missing") == 1
    assert client.asked()[2:] == [f"1.{role}" for role in visited]
    assert set(client.trusted()) == {"root", "timestamp", "snapshot", "targets", *visited}


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (("*",), False),
        (("dir/*",), True),
        (("dir/file.?xt",), True),
        (("d*/*.txt",), True),
        (("*/*/*",), False),
        (("other/*", "dir/file.txt"), True),
        ((), False),
    ],
)
def test_a_role_speaks_for_its_paths_only(
    client: Client, paths: tuple[str, ...], found: bool
) -> None:
    client.repository.delegate("targets", "A", paths)
    client.repository.add_target("dir/file.txt", b"content", "A")
    client.repository.update("A", "targets")
    assert client.download("dir/file.txt") == (0 if found else 1)
    assert client.downloaded() == ({"dir/file.txt": b"content"} if found else {})


def test_the_first_role_that_has_it_wins(client: Client) -> None:
    for role in "AB":
        client.repository.delegate("targets", role)
        client.repository.add_target("file", role.encode(), role)
    client.repository.update("A", "B", "targets")
    assert client.download("file") == 0
    assert client.downloaded() == {"file": b"A"}


def test_roles_by_the_hash_of_the_path(client: Client) -> None:
    bins = client.repository.delegate_to_bins(3)
    for number in range(4):
        name = f"file-{number}"
        place = client.repository.targets.delegations
        assert place is not None
        role, _ = next(iter(place.get_roles_for_target(name)))
        client.repository.add_target(name, name.encode(), role)
    client.repository.update(*bins, "targets")
    for number in range(4):
        assert client.download(f"file-{number}") == 0
    assert len(client.downloaded()) == 4


def test_a_role_is_verified_by_whoever_delegates_to_it(client: Client) -> None:
    """One role below two others, of which one trusts another key for it."""
    repository = client.repository
    repository.delegate("targets", "A", ("a/*",))
    repository.delegate("targets", "B", ("b/*",))
    repository.delegate("A", "C", ("a/*",))
    repository.delegate("B", "C", ("b/*",))
    below = repository.signed["B"].delegations
    below.keys.clear()
    below.roles["C"].keyids.clear()
    repository.signed["B"].add_key(repository.make_key().public_key, "C")
    repository.add_target("a/file", b"a", "C")
    repository.add_target("b/file", b"b", "C")
    repository.update("C", "A", "B", "targets")
    assert client.download("a/file") == 0
    assert client.download("b/file") == 1
    assert client.downloaded() == {"a/file": b"a"}


def test_a_role_that_the_snapshot_lacks(client: Client) -> None:
    client.repository.delegate("targets", "A")
    client.repository.update("A", "targets")
    del client.repository.snapshot.meta["A.json"]
    client.repository.update()
    assert client.download("file") == 1


@pytest.mark.parametrize(
    "role", ["?", "#", "/above", "../above", "a b", "ü", "1.root", "timestamp.2"]
)
def test_odd_names_of_roles_are_quoted_once_and_stay_in_their_folder(
    client: Client, role: str
) -> None:
    client.repository.delegate("targets", role)
    client.repository.add_target("file", b"content", role)
    client.repository.update(role, "targets")
    assert client.download("file") == 0
    assert f"1.{quote(role, safe='')}" in client.asked()
    assert len(client.trusted()) == 5
    outside = {path.name for path in client.folder.iterdir()}
    assert outside == {"given.json", "metadata", "targets"}


@pytest.mark.parametrize(
    "name",
    ["file", "path/to/a/file.txt", "with&ampersand", "with%20quoting", "a+b=c;d,e", "..file"],
)
def test_names_of_targets(client: Client, name: str) -> None:
    client.repository.add_target(name, name.encode())
    client.repository.update("targets")
    assert client.download(name) == 0
    assert client.repository.asked[-1] == client.repository.place(
        client.repository.targets.targets[name]
    )
    assert list(client.downloaded().values()) == [name.encode()]


@pytest.mark.parametrize("name", ["..", ".", "../../up", "/abs", "what?", "a#b", "a b", "ü"])
def test_names_that_lead_elsewhere_write_nothing_elsewhere(client: Client, name: str) -> None:
    client.repository.add_target(name, b"content")
    client.repository.files[
        quote(client.repository.place(client.repository.targets.targets[name]))
    ] = b"content"
    client.repository.update("targets")
    client.download(name)
    assert {path.name for path in client.folder.iterdir()} <= {"given.json", "metadata", "targets"}
    assert set(client.downloaded().values()) <= {b"content"}


def test_a_file_that_is_there_is_not_fetched_again(client: Client) -> None:
    client.repository.add_target("file", b"content")
    client.repository.update("targets")
    assert client.download("file") == 0
    assert len([path for path in client.repository.asked if "targets/" in path]) == 1
    assert client.download("file") == 0
    assert client.asked() == ["2.root", "timestamp"]
    assert not [path for path in client.repository.asked if path.startswith("targets/")]


def test_a_new_version_takes_the_place_of_the_old(client: Client) -> None:
    for content in (b"first", b"second", b"third and longer", b""):
        client.repository.add_target("file", content)
        client.repository.update("targets")
        assert client.download("file") == 0
        assert client.downloaded() == {"file": content}


@pytest.mark.parametrize("evil", [b"CONTENT", b"longer than content", b"short", b""])
def test_other_bytes_than_signed_leave_what_was_there(client: Client, evil: bytes) -> None:
    client.repository.add_target("file", b"before!")
    client.repository.update("targets")
    assert client.download("file") == 0
    signed = client.repository.add_target("file", b"content")
    client.repository.files[client.repository.place(signed)] = evil
    client.repository.update("targets")
    assert client.download("file") == 1
    assert client.downloaded() == {"file": b"before!"}


def test_every_digest_that_is_signed_counts(client: Client) -> None:
    target = TargetFile.from_data("file", b"content", ["sha256", "sha512"])
    client.repository.add_target("file", b"content")
    client.repository.targets.targets["file"] = target
    client.repository.update("targets")
    assert client.download("file") == 0
    (client.folder / "targets" / "file").unlink()
    target.hashes["sha512"] = "0" * 128
    client.repository.update("targets")
    assert client.download("file") == 1
    assert client.downloaded() == {}


def test_a_target_without_a_sha256_is_refused(client: Client) -> None:
    client.repository.add_target("file", b"content")
    client.repository.targets.targets["file"] = TargetFile.from_data("file", b"content", ["sha512"])
    client.repository.update("targets")
    assert client.download("file") == 1


def test_a_download_refreshes_first(client: Client) -> None:
    assert client.download("missing") == 1
    assert client.asked() == ["2.root", "timestamp", "1.snapshot", "1.targets"]
