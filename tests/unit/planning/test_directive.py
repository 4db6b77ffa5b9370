"""What a worker is told, and what it accepts."""

from collections.abc import Iterable, Mapping

import pytest

from gaia.model.channel import Pointer
from gaia.model.directive import Action, Directive, Reason
from gaia.model.tag import Tag
from gaia.planning.directive import (
    admit,
    admit_bundle,
    decide,
    decide_bundle,
    may_return,
    stranded,
)
from gaia.planning.latest import bundle, platforms, resolve

LINUX, WINDOWS, BUNDLE = "gaia-worker-linux", "gaia-worker-windows.exe", "experiments.tar.gz"


def pointer(
    tags: Mapping[str, list[str]],
    *,
    current: str | None = None,
    floor: str | None = None,
    withdrawn: Iterable[str] = (),
) -> Pointer:
    files = {
        Tag.parse(tag): {name: f"{tag}:{name}" for name in names} for tag, names in tags.items()
    }
    return Pointer(
        current=Tag.parse(current) if current else max(files),
        floor=Tag.parse(floor) if floor else min(files),
        tags=files,
        withdrawn=frozenset(map(Tag.parse, withdrawn)),
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


ALL = [LINUX, WINDOWS, BUNDLE]
THREE = {"v0.4.0": ALL, "v0.5.0": ALL, "v0.6.0": ALL}
WITHDRAWN = pointer({"v0.4.0": ALL, "v0.5.0": ALL}, floor="v0.4.0", withdrawn=["v0.6.0"])
LOWERED = pointer(THREE, current="v0.5.0")
FAILED_5 = {"v0.5.0:gaia-worker-linux"}

WAYS_BACK = {
    "away from a withdrawn release": ("v0.6.0", WITHDRAWN, "revert", "release-withdrawn", "v0.5.0"),
    "without the v": ("0.6.0", WITHDRAWN, "revert", "release-withdrawn", "v0.5.0"),
    "by a lowered pointer": ("v0.6.0", LOWERED, "revert", "pointer-lowered", "v0.5.0"),
    "withdrawn, and a higher one is there": (
        "v0.6.0",
        pointer({"v0.5.0": ALL, "v0.7.0": ALL}, withdrawn=["v0.6.0"]),
        "update",
        "newer-release",
        "v0.7.0",
    ),
    "over a release without a file for the platform": (
        "v0.6.0",
        pointer({"v0.4.0": ALL, "v0.5.0": [WINDOWS]}, withdrawn=["v0.6.0"]),
        "revert",
        "release-withdrawn",
        "v0.4.0",
    ),
    "not below the floor": (
        "v0.6.0",
        pointer(
            {"v0.4.0": ALL, "v0.5.0": [WINDOWS]},
            current="v0.5.0",
            floor="v0.5.0",
            withdrawn=["v0.6.0"],
        ),
        "stay",
        "nowhere-to-go",
        None,
    ),
    "lowered, with nothing for the platform": (
        "v0.6.0",
        pointer({"v0.5.0": [WINDOWS], "v0.6.0": ALL}, current="v0.5.0"),
        "stay",
        "nowhere-to-go",
        None,
    ),
    "never what the channel did not know": (
        "v0.6.1",
        LOWERED,
        "stay",
        "newer-than-channel",
        None,
    ),
    "nor a build of the owner's own": ("v0.6.0-dev.1", LOWERED, "stay", "newer-than-channel", None),
    "below current a worker goes up": ("v0.4.0", LOWERED, "update", "newer-release", "v0.5.0"),
    "below the floor, too": (
        "v0.4.0",
        pointer(THREE, current="v0.5.0", floor="v0.5.0"),
        "update",
        "newer-release",
        "v0.5.0",
    ),
    "another build of the same precedence": (
        "v0.6.0+b",
        pointer({"v0.6.0+a": ALL, "v0.6.0+b": ALL}, current="v0.6.0+a"),
        "revert",
        "pointer-lowered",
        "v0.6.0+a",
    ),
}


@pytest.mark.parametrize("case", WAYS_BACK)
def test_ways_back(case: str) -> None:
    version, channel, action, reason, tag = WAYS_BACK[case]
    decision = decide(version=version, platform="linux", pointer=channel)
    assert (decision.action, decision.reason, decision.tag) == (action, reason, tag)
    admitted = admit(decision, version=version, platform="linux", pointer=channel)
    assert admitted == decision


@pytest.mark.parametrize("channel", [WITHDRAWN, LOWERED])
def test_not_back_to_what_failed_here(channel: Pointer) -> None:
    decision = decide(version="v0.6.0", platform="linux", pointer=channel, failed=FAILED_5)
    assert (decision.action, decision.reason) == (Action.STAY, Reason.WAY_OUT_FAILED)
    assert "failed here before" in stranded("v0.6.0", decision.reason)
    assert stranded("v0.6.0", Reason.UP_TO_DATE) == ""
    back = decide(version="v0.6.0", platform="linux", pointer=channel)
    admitted = admit(back, version="v0.6.0", platform="linux", pointer=channel, failed=FAILED_5)
    assert admitted == decision


def test_a_withdrawn_release_whose_successor_failed_here_is_an_alarm() -> None:
    channel = pointer({"v0.4.0": ALL, "v0.5.0": ALL}, withdrawn=["v0.4.9"])
    seen = [
        decide(version="v0.4.9", platform="linux", pointer=channel, failed=FAILED_5),
        admit(told("v0.5.0"), version="v0.4.9", platform="linux", pointer=channel, failed=FAILED_5),
    ]
    assert seen == [Directive(Action.STAY, Reason.WAY_OUT_FAILED)] * 2


REFUSED = {
    "to what runs": ("v0.6.0", TWO, "v0.5.0", None, "newer-than-channel"),
    "although it is up to date": ("v0.5.0", TWO, "v0.4.9", None, "revert-not-signed"),
    "lower than the pointer says": ("v0.6.0", WITHDRAWN, "v0.4.0", None, "revert-not-signed"),
    "up": ("v0.4.0", LOWERED, "v0.5.0", None, "revert-not-signed"),
    "above the current one": ("v0.4.0", LOWERED, "v0.6.0", None, "not-on-channel"),
    "to what was withdrawn": ("v0.7.0", WITHDRAWN, "v0.6.0", None, "not-on-channel"),
    "to what nobody signed": ("v0.6.0", WITHDRAWN, "v0.3.0", None, "not-on-channel"),
    "below the floor": (
        "v0.6.0",
        pointer(THREE, current="v0.5.0", floor="v0.5.0"),
        "v0.4.0",
        None,
        "below-floor",
    ),
    "to other bytes": ("v0.6.0", LOWERED, "v0.5.0", "0" * 64, "digest-mismatch"),
    "on an empty channel": ("v0.6.0", None, "v0.5.0", None, "no-release"),
    "a version that is none": ("dev", LOWERED, "v0.5.0", None, "unknown-version"),
    "to a tag that is none": ("v0.6.0", LOWERED, "back", None, "unknown-version"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_server_that_says_revert_and_the_pointer_does_not(case: str) -> None:
    version, channel, tag, sha256, reason = REFUSED[case]
    directive = Directive(Action.REVERT, Reason.RELEASE_WITHDRAWN, tag, LINUX, sha256)
    admitted = admit(directive, version=version, platform="linux", pointer=channel)
    assert admitted == Directive(Action.STAY, Reason(reason))


def test_the_server_may_hold_a_worker_back() -> None:
    held = Directive(Action.STAY, Reason.UP_TO_DATE)
    assert admit(held, version="v0.6.0", platform="linux", pointer=WITHDRAWN) == held


V4, V5, V6 = map(Tag.parse, ("v0.4.0", "v0.5.0", "v0.6.0"))


@pytest.mark.parametrize(
    ("own", "channel", "tag", "reason"),
    [
        (None, LOWERED, "v0.5.0", Reason.NEWER_RELEASE),
        (V4, LOWERED, "v0.5.0", Reason.NEWER_RELEASE),
        (V6, LOWERED, "v0.5.0", Reason.POINTER_LOWERED),
        (V6, WITHDRAWN, "v0.5.0", Reason.RELEASE_WITHDRAWN),
        (V6, WITHDRAWN, "v0.4.0", Reason.REVERT_NOT_SIGNED),
        (V5, LOWERED, "v0.4.0", Reason.REVERT_NOT_SIGNED),
        (V5, LOWERED, "v0.6.0", Reason.NOT_ON_CHANNEL),
        (Tag.parse("v0.9.0"), LOWERED, "v0.5.0", Reason.NEWER_THAN_CHANNEL),
        (V4, pointer(THREE, floor="v0.6.0"), "v0.5.0", Reason.BELOW_FLOOR),
        (V4, None, "v0.5.0", Reason.NO_RELEASE),
        (V4, LOWERED, "latest", Reason.UNKNOWN_VERSION),
    ],
)
def test_experiments_go_the_same_ways(
    own: Tag | None, channel: Pointer | None, tag: str, reason: Reason
) -> None:
    admitted = admit_bundle(tag, f"{tag}:{BUNDLE}", own=own, pointer=channel)
    assert admitted.reason is reason
    goes = reason in (Reason.NEWER_RELEASE, Reason.POINTER_LOWERED, Reason.RELEASE_WITHDRAWN)
    assert admitted.tag == (tag if goes else None)


def test_withdrawn_experiments_without_others() -> None:
    channel = pointer({"v0.5.0": [LINUX]}, withdrawn=["v0.6.0"])
    assert decide_bundle(own=V6, pointer=channel).reason is Reason.NOWHERE_TO_GO
    assert decide_bundle(own=V6, pointer=None).reason is Reason.NO_RELEASE
    assert decide_bundle(own=None, pointer=channel).reason is Reason.NO_FILE_FOR_PLATFORM


@pytest.mark.parametrize(
    ("withdrawn", "returns"), [(frozenset(), True), (frozenset({Tag.parse("v0.5.0")}), False)]
)
def test_a_lost_backup_comes_back_unless_it_was_withdrawn(
    withdrawn: frozenset[Tag], returns: bool
) -> None:
    current = Tag.parse("v0.4.9")
    pointer = Pointer(current=current, floor=current, withdrawn=withdrawn)
    assert may_return("v0.5.0", pointer) is returns
    assert not may_return("v0.5.0", None)
