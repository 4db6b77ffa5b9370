"""Whatever a server says, and whatever is signed: where a worker may go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gaia.model.channel import Pointer
from gaia.model.directive import Action, Directive, Reason
from gaia.model.tag import Tag
from gaia.planning.directive import admit, admit_bundle, decide

LINUX, WINDOWS, BUNDLE = "gaia-worker-linux", "gaia-worker-windows.exe", "experiments.tar.gz"

texts = st.builds("v0.{}.0{}".format, st.integers(0, 5), st.sampled_from(["", "-rc.1", "+b"]))
tags = texts.map(Tag.parse)
names = st.sets(st.sampled_from([LINUX, WINDOWS, BUNDLE]))
digests = st.builds("{}:{}".format, texts, st.sampled_from([LINUX, BUNDLE]))
maybe_digests = st.none() | digests


@st.composite
def pointers(draw: st.DrawFn) -> Pointer:
    floor, current = sorted([draw(tags), draw(tags)])
    files = draw(st.dictionaries(tags, names, max_size=8))
    withdrawn = draw(st.frozensets(tags, max_size=4)) - files.keys()
    signed = {tag: {name: f"{tag}:{name}" for name in has} for tag, has in files.items()}
    return Pointer(current, floor, signed, withdrawn)


directives = st.builds(
    Directive,
    st.sampled_from(Action),
    st.sampled_from(Reason),
    st.none() | texts | st.just("latest"),
    st.none() | st.sampled_from([LINUX, WINDOWS]),
    maybe_digests,
)
failures = st.frozensets(digests, max_size=4)


@given(directives, texts | st.just("dev"), pointers(), failures)
def test_a_worker_goes_only_where_the_pointer_lets_it(
    directive: Directive, version: str, pointer: Pointer, failed: frozenset[str]
) -> None:
    admitted = admit(directive, version=version, platform="linux", pointer=pointer, failed=failed)
    if admitted.action is Action.STAY:
        return
    target, own = Tag.parse(admitted.tag or ""), Tag.parse(version)
    assert pointer.floor <= target <= pointer.current
    assert target not in pointer.withdrawn
    assert pointer.tags[target][LINUX] == admitted.sha256
    assert admitted.sha256 not in failed
    assert admitted.action is directive.action
    if admitted.action is Action.UPDATE:
        assert target.newer_than(own)
    else:
        assert not target.newer_than(own)
        assert own in pointer.withdrawn or (own in pointer.tags and own > pointer.current)


@given(texts, pointers(), failures)
def test_what_the_server_decides_the_worker_accepts(
    version: str, pointer: Pointer, failed: frozenset[str]
) -> None:
    decision = decide(version=version, platform="linux", pointer=pointer, failed=failed)
    assert (
        admit(decision, version=version, platform="linux", pointer=pointer, failed=failed)
        == decision
    )


@given(texts, pointers())
def test_every_way_ends(version: str, pointer: Pointer) -> None:
    """Where a worker is sent it stays: no release sends it on, or back again."""
    decision = decide(version=version, platform="linux", pointer=pointer)
    if decision.tag is not None:
        there = decide(version=decision.tag, platform="linux", pointer=pointer)
        assert (there.action, there.reason) == (Action.STAY, Reason.UP_TO_DATE)


@given(texts | st.just("latest"), digests, st.none() | tags, pointers())
def test_experiments_go_only_where_the_pointer_lets_them(
    tag: str, sha256: str, own: Tag | None, pointer: Pointer
) -> None:
    admitted = admit_bundle(tag, sha256, own=own, pointer=pointer)
    if admitted.action is Action.STAY:
        return
    target = Tag.parse(admitted.tag or "")
    assert pointer.floor <= target <= pointer.current
    assert pointer.tags[target][BUNDLE] == admitted.sha256 == sha256
    if own is not None and own > target:
        assert own in pointer.withdrawn or (own in pointer.tags and own > pointer.current)
