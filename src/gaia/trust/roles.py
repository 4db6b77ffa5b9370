"""The roles of the trust repository: names, paths, lifetimes, versions.

Clauses are those of the TUF specification, version 1.0.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gaia.errors import NotFound
from gaia.model.tag import Tag

ROOT = "root"
TARGETS = "targets"
SNAPSHOT = "snapshot"
TIMESTAMP = "timestamp"
FIRST_ROOT = f"1.{ROOT}.json"
"""The file whose SHA-256 is the repository's fingerprint."""

GAIA_WORKER = "gaia-worker"
"""The role that signs what a release holds."""

_CHANNEL_PREFIX = "channel-"

GAIA_WORKER_PATHS = ("*/gaia-worker-*", "*/experiments.tar.gz")

_LIFETIMES = {
    ROOT: timedelta(days=365),
    TARGETS: timedelta(days=365),
    GAIA_WORKER: timedelta(days=180),
    SNAPSHOT: timedelta(days=30),
    TIMESTAMP: timedelta(hours=24),
}
_CHANNEL_LIFETIME = timedelta(days=180)
_TIMESTAMP_RENEWAL = timedelta(hours=1)


_LONGEST_ROOT = 512_000
_LONGEST_TIMESTAMP = 16_384
_LONGEST = 5_000_000


def longest(role: str) -> int:
    """Bytes of a file of `role` that workers read, and so that may be published (5.3.3 to 5.6.1).

    What python-tuf's own client allows where no length is signed.
    """
    return {ROOT: _LONGEST_ROOT, TIMESTAMP: _LONGEST_TIMESTAMP}.get(role, _LONGEST)


def channel_role(channel: str) -> str:
    """The role that signs the pointer of `channel`."""
    return _CHANNEL_PREFIX + channel


def channel_of(role: str) -> str | None:
    """The channel whose pointer `role` signs, or None for any other role."""
    return role.removeprefix(_CHANNEL_PREFIX) if role.startswith(_CHANNEL_PREFIX) else None


def spoken(role: str) -> str:
    """What people call a role: `release` for the worker role, any other by its own name."""
    return "release" if role == GAIA_WORKER else role


def role_named(name: str) -> str:
    """The role that people sign and call `name`.

    Raises:
        NotFound: `no-such-role`.
    """
    role = GAIA_WORKER if name == spoken(GAIA_WORKER) else name
    if role not in (ROOT, TARGETS, GAIA_WORKER) and channel_of(role) is None:
        raise NotFound(
            "no-such-role",
            f"There is no role {name!r} that people sign.",
            hint="root, targets, release, or channel-NAME such as channel-stable.",
        )
    return role


def paths_of(role: str) -> tuple[str, ...]:
    """Target paths that `role`, delegated by targets, may sign (4.5, `paths`)."""
    channel = channel_of(role)
    return GAIA_WORKER_PATHS if channel is None else (f"channels/{channel}/*",)


def pointer_path(channel: str) -> str:
    """Target path of a channel's pointer."""
    return f"channels/{channel}/pointer.json"


def artifact_path(tag: Tag, filename: str) -> str:
    """Target path of a release's file."""
    return f"{tag}/{filename}"


def lifetime(role: str) -> timedelta:
    """How long a signature of `role` is good for."""
    return _LIFETIMES.get(role, _CHANNEL_LIFETIME)


def due(role: str, expires: datetime, now: datetime) -> bool:
    """Whether `role` should be signed anew: the timestamp hourly, others at half their life."""
    life = lifetime(role)
    age = life - (expires - now)
    return age >= (_TIMESTAMP_RENEWAL if role == TIMESTAMP else life / 2)


def next_version(last: int, now: datetime) -> int:
    """The version of the next signature of any role but root, which counts 1, 2, 3 (5.3.5).

    Clients refuse a version below one that they have seen (5.4.3, 5.5.5). With the time as its
    least value, a server restored from a backup is still ahead of everything that it signed before.
    """
    return max(last + 1, int(now.timestamp()))
