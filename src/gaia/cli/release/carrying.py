"""`gaia release export` and `gaia release import`: signed releases over an air gap, in a parcel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import click
import msgspec
from rich.filesize import decimal

from gaia.cli import output
from gaia.cli.anchor import Anchor, anchored
from gaia.cli.command import Settings, Verb
from gaia.cli.connection import Connection
from gaia.cli.signing import received
from gaia.errors import Conflict, NotFound, Refused
from gaia.model.artifact import EXPERIMENTS, Artifact
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.planning.latest import offered
from gaia.protocol.release import ReleaseList
from gaia.protocol.trust import TrustStatus
from gaia.trust.bundle import Bundle
from gaia.trust.operator import parcel
from gaia.trust.operator.continuity import check_continues, check_fresh
from gaia.trust.operator.differences import differences
from gaia.trust.operator.parcel import Enclosed, Parcel
from gaia.trust.roles import artifact_path

Wanted = list[tuple[Tag, Artifact]]


@click.command("export", cls=Verb)
@click.argument("tags", nargs=-1, metavar="[TAG]…")
@click.option(
    "-o",
    "--output",
    "file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.",
)
@anchored
@click.pass_obj
def export(settings: Settings, anchor: Anchor, tags: tuple[str, ...], file: Path) -> None:
    """Write signed releases and their metadata to one file, a parcel, for a server elsewhere.

    Without TAGs: all files that channels send workers to. Everything is verified before the file
    is there; no key is needed.
    """
    connection = settings.connect()
    roles = received(connection)
    anchor.check_server(roles)
    check_fresh(roles, datetime.now(UTC))
    publication = roles.publication()
    wanted = _named(publication, [Tag.parse(tag) for tag in tags]) or _offers(publication)
    with _bars(wanted) as advance:
        parcel.write(
            file,
            roles,
            wanted,
            lambda tag, artifact, sink: connection.download(
                f"/releases/{quote(str(tag), safe='')}/{artifact.filename}", artifact.size, sink
            ),
            advance,
        )
    if settings.json:
        output.json(
            {
                "file": str(file),
                "fingerprint": f"sha256:{roles.fingerprint}",
                "roles": roles.versions,
                "files": [_described(tag, artifact) for tag, artifact in wanted],
            }
        )
        return
    output.facts([("file", file), ("root fingerprint", f"sha256:{roles.fingerprint}")])
    click.echo()
    output.table(
        ["release", "file", "size", "SHA-256"],
        ((tag, a.filename, decimal(a.size), a.sha256) for tag, a in wanted),
        empty="No channel has a release yet: it holds the signed roles alone.",
    )
    first = min(roles.newest(), key=lambda document: document.signed.expires)
    click.echo(
        f"\nBring it before {first.signed.expires:%Y-%m-%d}, when the first signature in it "
        "expires:\n  gaia release import FILE"
    )


@click.command("import", cls=Verb)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@anchored
@click.pass_obj
def import_(settings: Settings, anchor: Anchor, file: Path) -> None:
    """Bring the parcel FILE to a server: what it lacks is uploaded, then published as a whole.

    Everything is verified first, up to the root that the server has. After a break, repeat it:
    what is there already is not sent again.
    """
    with Parcel.open(file) as brought:
        anchor.check_parcel(brought.roles)
        check_fresh(brought.roles, datetime.now(UTC))
        connection = settings.connect()
        shown = received(connection)
        check_continues(brought.roles, shown, "the server")
        stock = _Stock.of(connection)
        stock.check_offers(brought)
        with _bars([(each.tag, each.artifact) for each in brought.enclosed]) as advance:
            brought.verify(advance)
        lacking = [each for each in brought.enclosed if not stock.holds(each.tag, each.artifact)]
        _upload(connection, brought, lacking, stock)
    bundle = Bundle.between(shown, brought.roles)
    changes = differences(shown, bundle, anchor.folder.keyring().called()) if bundle else []
    if bundle:
        connection.put("/api/tuf/bundle", bundle.encode())
    if settings.json:
        output.json(
            {
                "uploaded": [_described(each.tag, each.artifact) for each in lacking],
                "sent": [document.name for document in bundle.documents()],
                "changes": changes,
            }
        )
        return
    for each in lacking:
        click.echo(f"  uploaded {each.path}, {decimal(each.artifact.size)}")
    for change in changes:
        click.echo(f"  {change}")
    click.echo(
        "The server has it." if bundle or lacking else "The parcel has nothing that is new here."
    )


@dataclass(frozen=True)
class _Stock:
    """The files that a server has, published or waiting for their signatures, by path."""

    digests: Mapping[str, str]
    tags: frozenset[str]

    @classmethod
    def of(cls, connection: Connection) -> _Stock:
        """What the server says that it has.

        Raises:
            Refused: `not-strict-mode`.
            GaiaError: as `Connection.get`.
        """
        status = msgspec.convert(connection.get("/api/trust"), TrustStatus)
        if status.mode != "strict":
            raise Refused(
                "not-strict-mode",
                "This server signs uploads by itself (convenience mode). Nothing was changed.",
                hint="A parcel goes to a server that holds no signing keys: gaia trust seed begins "
                "one.",
            )
        published = msgspec.convert(connection.get("/api/releases"), ReleaseList).releases
        found = {f"{p.tag}/{p.filename}": p.sha256 for p in status.pending} | {
            f"{release.tag}/{file.filename}": file.sha256
            for release in published
            for file in release.files
        }
        return cls(found, frozenset(path.partition("/")[0] for path in found))

    def holds(self, tag: Tag, artifact: Artifact) -> bool:
        """Whether just these bytes are there."""
        return self.digests.get(artifact_path(tag, artifact.filename)) == artifact.sha256

    def check_offers(self, brought: Parcel) -> None:
        """Look whether workers would find everything that they are sent to.

        Raises:
            Conflict: `parcel-incomplete`.
        """
        enclosed = {each.path for each in brought.enclosed}
        missing = [
            artifact_path(tag, artifact.filename)
            for tag, artifact in _offers(brought.roles.publication())
            if artifact_path(tag, artifact.filename) not in enclosed
            and not self.holds(tag, artifact)
        ]
        if missing:
            tags = " ".join(sorted({path.partition("/")[0] for path in missing}))
            raise Conflict(
                "parcel-incomplete",
                f"By this parcel workers would be sent to {', '.join(missing)}, which neither the "
                "parcel nor the server has. Nothing was changed.",
                hint=f"Export these, too: gaia release export {tags} -o FILE, or without tags all "
                "that channels offer.",
            )


def _upload(
    connection: Connection, brought: Parcel, lacking: Sequence[Enclosed], stock: _Stock
) -> None:
    publication = brought.roles.publication()
    ordered = sorted(lacking, key=lambda each: each.artifact.filename != EXPERIMENTS)
    with _bars([(each.tag, each.artifact) for each in ordered]) as advance:
        known = set(stock.tags)
        for each in ordered:
            tag, artifact = str(each.tag), each.artifact
            query = {"tag": tag, "filename": artifact.filename, "sha256": artifact.sha256}
            channel = _channel(publication, each.tag)
            if channel and tag not in known:
                query["channel"] = channel
            connection.upload(
                query,
                brought.at(each),
                artifact.size,
                lambda sent, path=each.path: advance(path, sent),  # type: ignore[misc]
            )
            known.add(tag)


def _named(publication: Publication, tags: Sequence[Tag]) -> Wanted:
    found = []
    for tag in tags:
        files = publication.artifacts.get(tag)
        if not files:
            raise NotFound(
                "no-such-release",
                f"There is no signed release {tag}.",
                hint="gaia release list shows them.",
            )
        found += [(tag, files[name]) for name in sorted(files)]
    return found


def _offers(publication: Publication) -> Wanted:
    """The files that workers of any channel are sent to."""
    paths = {
        (tag, filename)
        for pointer in publication.pointers.values()
        if pointer is not None
        for filename, tag in offered(pointer).items()
    }
    found = [(tag, publication.artifact(tag, filename)) for tag, filename in sorted(paths)]
    return [(tag, artifact) for tag, artifact in found if artifact is not None]


def _channel(publication: Publication, tag: Tag) -> str | None:
    """The first channel that the release is on."""
    channels = (
        name
        for name, pointer in publication.pointers.items()
        if pointer is not None and tag in pointer.tags
    )
    return min(channels, default=None)


@contextmanager
def _bars(files: Wanted) -> Iterator[parcel.Progress]:
    """A bar for each file, and what moves it."""
    with output.progress() as shown:
        tasks = {
            path: shown.add_task(path, total=artifact.size)
            for tag, artifact in files
            for path in [artifact_path(tag, artifact.filename)]
        }
        yield lambda path, done: shown.advance(tasks[path], done)


def _described(tag: Tag, artifact: Artifact) -> dict[str, object]:
    return {
        "tag": str(tag),
        "filename": artifact.filename,
        "size": artifact.size,
        "sha256": artifact.sha256,
    }
