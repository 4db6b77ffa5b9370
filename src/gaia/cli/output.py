"""What the operator sees. Text that came from elsewhere is stripped of terminal escapes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from gaia.errors import GaiaError
from gaia.protocol.failure import plain

_WIDTH_OF_A_PIPE = 200


def json(value: object) -> None:
    """Print `value` as JSON on standard output."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows below `columns`, or the sentence `empty` when there are none."""
    shown = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*(_cell(value) for value in row))
    if shown.row_count:
        _console().print(shown)
    else:
        click.echo(empty)


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Print names with their values; those without a value are left out."""
    shown = Table(box=None, pad_edge=False, show_header=False)
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, "", [], {}):
            shown.add_row(name, _cell(value))
    _console().print(shown)


def text(lines: str) -> None:
    """Print text of several lines that came from elsewhere."""
    for line in lines.splitlines():
        click.echo(f"  {plain(line)}")


def say(sentence: str) -> None:
    """Tell the operator something beside the result, on standard error."""
    click.echo(sentence, err=True)


def complain(error: GaiaError, *, as_json: bool) -> None:
    """Tell what went wrong, on standard error."""
    if as_json:
        document = {"code": error.code, "message": error.message, "hint": error.hint}
        click.echo(msgspec.json.encode(document), err=True)
        return
    click.echo(f"gaia: {error.message}", err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)


def progress() -> Progress:
    """A bar on standard error; nothing where that is no terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


def ago(unix_seconds: float | None) -> str:
    """How long ago, in words."""
    if not unix_seconds:
        return "never"
    return f"{span(max(0.0, time.time() - unix_seconds))} ago"


def until(moment: str) -> str:
    """How long it is until an RFC 3339 time, in words."""
    left = (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()
    return f"in {span(left)}" if left > 0 else f"EXPIRED {span(-left)} ago"


def span(seconds: float) -> str:
    """A length of time, in words."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _cell(value: Any) -> Text:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    if isinstance(value, dict):
        value = ", ".join(f"{key}={item}" for key, item in value.items())
    return Text("-" if value in (None, "") else plain(str(value)))


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE)
