"""What a worker is told, and what it accepts."""

from collections.abc import Mapping

import pytest

from gaia.model.channel import Pointer
from gaia.model.directive import Action, Directive, Reason
from gaia.model.tag import Tag
from gaia.planning.directive import admit, decide
from gaia.planning.latest import bundle, platforms, resolve

LINUX, WINDOWS, BUNDLE = "gaia-worker-linux", "gaia-worker-windows.exe", "experiments.tar.gz"


def pointer(
    tags: Mapping[str, list[str]], *, current: str | None = None, floor: str | None = None
) -> Pointer:
    files = {
        Tag.parse(tag): {name: f"{tag}:{name}" for name in names} for tag, names in tags.items()
    }
    return Pointer(
        current=Tag.parse(current) if current else max(files),
        floor=Tag.parse(floor) if floor else min(files),
        tags=files,
    )


TWO = pointer({"v0.4.9": [LINUX, WINDOWS, BUNDLE], "v0.5.0": [LINUX, WINDOWS]})


@pytest.mark.parametrize(
    ("version", "channel", "action", "reason"),
    [
        ("v0.4.9", None, Action.STAY, Reason.NO_RELEASE),
        ("v0.4.9", TWO, Action.UPDATE, Reason.NEWER_RELEASE),
        ("0.4.9", TWO, Action.UPDATE, Reason.NEWER_RELEASE),
        ("v0.5.0-rc.1", TWO, Action.UPDATE, Reason.NEWER_RELEASE),
        ("v0.5.0", TWO, Action.STAY, Reason.UP_TO_DATE),
        ("v0.5.0+local", TWO, Action.STAY, Reason.UP_TO_DATE),
        ("v0.6.0", TWO, Action.STAY, Reason.NEWER_THAN_CHANNEL),
        ("dev", TWO, Action.STAY, Reason.UNKNOWN_VERSION),
        ("v0.4.9", pointer({"v0.5.0": [WINDOWS]}), Action.STAY, Reason.NO_FILE_FOR_PLATFORM),
    ],
)
def test_decide(version: str, channel: Pointer | None, action: Action, reason: Reason) -> None:
    told = decide(version=version, platform="linux", pointer=channel)
    assert (told.action, told.reason) == (action, reason)


def test_a_release_for_windows_alone_leaves_linux_where_it_is() -> None:
    channel = pointer({"v0.4.9": [LINUX, WINDOWS], "v0.5.0": [WINDOWS]})
    assert decide(version="v0.4.9", platform="linux", pointer=channel).reason is Reason.UP_TO_DATE
    assert decide(version="v0.4.9", platform="windows", pointer=channel).tag == "v0.5.0"
    assert platforms(channel) == {"linux": Tag.parse("v0.4.9"), "windows": Tag.parse("v0.5.0")}


def test_bytes_that_were_reverted_are_not_offered_again() -> None:
    told = decide(
        version="v0.4.9", platform="linux", pointer=TWO, failed={"v0.5.0:gaia-worker-linux"}
    )
    assert (told.action, told.reason) == (Action.STAY, Reason.FAILED_BEFORE)


def test_the_bundle_of_an_older_tag_stays_current_until_a_newer_one_has_its_own() -> None:
    assert bundle(TWO) == Tag.parse("v0.4.9")


def test_resolve_keeps_between_floor_and_current() -> None:
    tags = {"v1.0.0": [LINUX], "v2.0.0": [LINUX], "v3.0.0": [LINUX]}
    assert resolve(pointer(tags, current="v2.0.0"), LINUX) == Tag.parse("v2.0.0")
    assert resolve(pointer(tags, current="v1.0.0", floor="v2.0.0"), LINUX) is None


def told(tag: str, sha256: str | None = None) -> Directive:
    return Directive(Action.UPDATE, Reason.NEWER_RELEASE, tag, LINUX, sha256)


@pytest.mark.parametrize(
    ("directive", "channel", "reason"),
    [
        (told("v0.5.0"), TWO, Reason.NEWER_RELEASE),
        (told("v0.5.0"), None, Reason.NO_RELEASE),
        (told("v0.9.0"), TWO, Reason.NOT_ON_CHANNEL),
        (told("latest"), TWO, Reason.UNKNOWN_VERSION),
        (told("v0.5.0", "0" * 64), TWO, Reason.DIGEST_MISMATCH),
        (told("v0.4.9"), TWO, Reason.NEWER_THAN_CHANNEL),
        (
            told("v0.5.0"),
            pointer({"v0.5.0": [LINUX], "v0.6.0": [LINUX]}, floor="v0.6.0"),
            Reason.BELOW_FLOOR,
        ),
        (
            told("v0.6.0"),
            pointer({"v0.5.0": [LINUX], "v0.6.0": [LINUX]}, current="v0.5.0"),
            Reason.NOT_ON_CHANNEL,
        ),
    ],
)
def test_the_worker_takes_only_what_the_signed_pointer_names(
    directive: Directive, channel: Pointer | None, reason: Reason
) -> None:
    admitted = admit(directive, version="v0.4.9", platform="linux", pointer=channel)
    assert admitted.reason is reason
    assert (admitted.action is Action.UPDATE) == (reason is Reason.NEWER_RELEASE)


def test_the_worker_does_not_take_what_it_reverted() -> None:
    admitted = admit(
        told("v0.5.0"),
        version="v0.4.9",
        platform="linux",
        pointer=TWO,
        failed={"v0.5.0:gaia-worker-linux"},
    )
    assert admitted == Directive(Action.STAY, Reason.FAILED_BEFORE)
