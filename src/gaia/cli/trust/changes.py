"""`gaia trust renew`, `rotate` and `sign`: other keys, later expiry, more signatures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from securesystemslib.signer import Key

from gaia.cli import output
from gaia.cli.command import Settings, Verb
from gaia.cli.connection import Connection
from gaia.cli.signing import SigningSession
from gaia.cli.signing_options import Signing, signs
from gaia.errors import Conflict, InvalidInput
from gaia.trust.bundle import Bundle
from gaia.trust.drafting import Drafter, Holders
from gaia.trust.operator import public_keys
from gaia.trust.roles import ROOT, SNAPSHOT, TIMESTAMP, due, role_named
from gaia.trust.signed_roles import SignedRoles

_ONLINE = "online"
"""What commands call the key of snapshot and timestamp, and the two roles themselves."""


@click.command("renew", cls=Verb)
@click.argument("roles", nargs=-1, metavar="[ROLE]…")
@signs
@click.pass_obj
def renew(settings: Settings, signing: Signing, roles: tuple[str, ...]) -> None:
    """Sign ROLES again, unchanged, for another lifetime; without any, those past half of theirs.

    ROLE is root, targets, release, channel-NAME; or online, for what the server signs itself. In
    convenience mode the server signs all but the root.
    """
    session = signing.session(settings)
    named = [role if role == _ONLINE else role_named(role) for role in roles]
    by_server = session.connection.get("/api/trust")["mode"] == "convenience"
    online = [role for role in named if role == _ONLINE or (by_server and role != ROOT)]
    if online or (by_server and not named):
        session.connection.post("/api/trust/renew", {})
        output.say("The server has signed anew what it holds the keys of.")
    signed = [role for role in named if role not in online]
    if not signed and (online or by_server):
        return

    def draft(drafter: Drafter, present: SignedRoles) -> None:
        for role in signed or _past_half(present):
            drafter.renew(role)

    session.change(draft).tell(as_json=settings.json)


@click.command("rotate", cls=Verb)
@click.argument("role")
@click.argument("keys_", nargs=-1, metavar="[KEY]…")
@click.option(
    "--threshold",
    type=click.IntRange(1),
    help="How many of the keys must sign.  [default: as many as now; 1 for a new channel]",
)
@click.option(
    "--beside",
    is_flag=True,
    help="With online: leave the keys trusted that the root names now, those of other servers.",
)
@signs
@click.pass_obj
def rotate(
    settings: Settings,
    signing: Signing,
    role: str,
    keys_: tuple[str, ...],
    threshold: int | None,
    *,
    beside: bool,
) -> None:
    """Give ROLE to other keys: root, targets, release, channel-NAME (a new one, too), or online.

    KEYS are names of the keyring; those that are not named are not trusted any more. For online the
    server makes a new one, and the root names it; with --beside and KEYS, the root names other
    servers' keys, and this server goes on with its own.
    """
    session = signing.session(settings)
    if role == _ONLINE:
        if threshold or (keys_ and not beside):
            raise InvalidInput(
                "online-takes-no-keys",
                "The server makes its online key itself, and one of them signs.",
                hint="gaia trust rotate online; for another server's key: gaia trust rotate online "
                "KEY --beside",
            )
        fresh = _chosen(session, keys_) if keys_ else (_new_online_key(session.connection),)

        def draft(drafter: Drafter, present: SignedRoles) -> None:
            for each in (SNAPSHOT, TIMESTAMP):
                others = tuple(present.keys(each).values()) if beside else ()
                drafter.hand_over(each, Holders((*others, *fresh)))
    else:
        name = role_named(role)
        chosen = _chosen(session, keys_)

        def draft(drafter: Drafter, present: SignedRoles) -> None:
            known = name in present.versions
            drafter.hand_over(
                name, Holders(chosen, threshold or (present.threshold(name) if known else 1))
            )

    session.change(draft).tell(as_json=settings.json)


@click.command("sign", cls=Verb)
@click.argument("draft", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@signs
@click.pass_obj
def sign(settings: Settings, signing: Signing, draft: Path) -> None:
    """Add your signatures to DRAFT, which somebody else began; complete, it goes to the server."""
    session = signing.session(settings)
    bundle = Bundle.parse(draft.read_bytes())
    roles = session.signed()
    _check_current(bundle, roles)
    session.sign(bundle, roles).tell(as_json=settings.json)


def _past_half(present: SignedRoles) -> list[str]:
    now = datetime.now(UTC)
    return [
        document.role
        for document in present.newest()
        if due(document.role, document.signed.expires, now)
    ]


def _chosen(session: SigningSession, names: Sequence[str]) -> tuple[Key, ...]:
    if not names:
        raise InvalidInput(
            "no-keys-named",
            "No key is named for the role.",
            hint="Name all that are to be trusted: gaia trust rotate ROLE KEY… "
            "(gaia key new NAME makes one, gaia key list shows them).",
        )
    return tuple(session.keyring.find(name).key for name in names)


def _new_online_key(connection: Connection) -> Key:
    before = {key["keyid"] for key in connection.get("/api/trust")["online_keys"]}
    after = connection.post("/api/trust/online-key", {})["online_keys"]
    made = next(key for key in after if key["keyid"] not in before)
    return public_keys.from_raw(bytes.fromhex(made["public"]))


def _check_current(bundle: Bundle, roles: SignedRoles) -> None:
    present = roles.versions
    for document in bundle.documents():
        base = bundle.based_on.get(document.role)
        if base != present.get(document.role, 0):
            raise Conflict(
                "draft-outdated",
                f"The draft changes version {base} of {document.role}, but the server has version "
                f"{present.get(document.role, 0)}: it was accepted already, or someone was faster. "
                "Nothing was signed.",
                hint="Have the change drafted anew if it is still wanted.",
            )
