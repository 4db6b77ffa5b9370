"""The network between machines and whoever answers them: below the real transport, above sockets.

Each message has a fate. It follows from the faults that are in force and from how many messages
this machine has sent, and from nothing else, so that taking one fault away changes no other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import NewConnectionError, ProtocolError, ReadTimeoutError

from proofs.simulation.faults import Network
from proofs.simulation.kernel import Kernel, Thread

_USUAL = 0.02
"""Seconds that a message takes."""

_PIECE = 1024
"""Bytes of a body that come at once."""


@dataclass(frozen=True)
class Request:
    """What a machine asks."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What it is answered."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Answering = Callable[[Request], Reply | None]
"""None: nobody listens there."""


@dataclass(frozen=True)
class Fate:
    """What becomes of a request and of its answer.

    Attributes:
        there, back: seconds of delay; None when it is lost.
        again: seconds after which the request arrives once more.
        breaks_at: bytes of the answer's body after which the connection breaks.
        stalls_at: bytes after which nothing comes any more.
        flips_at: the byte of it that is changed on the way.
    """

    there: float | None = _USUAL
    back: float | None = _USUAL
    again: float | None = None
    breaks_at: int | None = None
    stalls_at: int | None = None
    flips_at: int | None = None


_UNHEARD = Fate(back=None)


class Link:
    """One machine's way to the server. Used as `gaia.protocol.pools.Pools`, and as its manager.

    Attributes:
        answering: who is at the other end.
        weather: the faults in force.
    """

    def __init__(self, kernel: Kernel, answering: Answering) -> None:
        self.answering = answering
        self.weather: list[Network] = []
        self._kernel = kernel
        self._sent = 0

    def manager(self, url: str) -> Link:  # noqa: ARG002 - as `Pools` has it
        """The same for every address."""
        return self

    def close(self) -> None:
        """There is nothing to close."""

    def urlopen(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: urllib3.Timeout,
        **_: Any,
    ) -> urllib3.HTTPResponse:
        """Send a request, and wait for the head of its answer."""
        request = Request(method, urlsplit(url).path, dict(headers), body or b"")
        fate = self._fate()
        call = _Call(self._kernel.current())
        now = self._kernel.now
        if fate.there is not None:
            self._kernel.at(now + fate.there, lambda: self._arrives(request, fate, call))
        if fate.again is not None:
            self._kernel.at(now + fate.again, lambda: self._arrives(request, _UNHEARD, call))
        patience = float(cast("float", timeout.total))
        while not call.answered and self._kernel.now < now + patience:
            self._kernel.sleep(now + patience - self._kernel.now)
        if not call.answered:
            raise ReadTimeoutError(None, url, "no answer")  # type: ignore[arg-type]
        if call.reply is None:
            raise NewConnectionError(None, "refused")  # type: ignore[arg-type]
        return urllib3.HTTPResponse(
            _Body(self._kernel, call.reply.body, fate),  # type: ignore[arg-type]
            headers=dict(call.reply.headers),
            status=call.reply.status,
            preload_content=False,
        )

    def _arrives(self, request: Request, fate: Fate, call: _Call) -> None:
        reply = self.answering(request)
        if fate.back is not None:
            self._kernel.at(self._kernel.now + fate.back, lambda: call.answer(reply, self._kernel))

    def _fate(self) -> Fate:
        self._sent += 1
        for network in self.weather:
            chance = random.Random(f"{network.key}/{self._sent}")
            if chance.random() < network.harm:
                return _draw(network, chance)
        return Fate()


def _draw(network: Network, chance: random.Random) -> Fate:
    there, back = (_USUAL + network.delay * chance.random() for _ in range(2))
    at = chance.randrange(5000)
    match chance.choice(network.kinds):
        case "request-lost":
            return Fate(there=None)
        case "answer-lost":
            return Fate(there=there, back=None)
        case "delayed":
            return Fate(there, back)
        case "duplicated":
            return Fate(there, back, again=there + network.delay * chance.random())
        case "broken":
            return Fate(there, back, breaks_at=at)
        case "stalled":
            return Fate(there, back, stalls_at=at)
        case "corrupted":
            return Fate(there, back, flips_at=at)
        case kind:
            raise ValueError(kind)


@dataclass
class _Call:
    """A request under way."""

    thread: Thread
    reply: Reply | None = None
    answered: bool = False

    def answer(self, reply: Reply | None, kernel: Kernel) -> None:
        """Its answer is here; too late, perhaps."""
        self.reply, self.answered = reply, True
        kernel.wake(self.thread)


class _Body:
    """An answer's body, as urllib3 reads it."""

    def __init__(self, kernel: Kernel, data: bytes, fate: Fate) -> None:
        self._kernel = kernel
        self._data = data
        self._fate = fate
        self._at = 0
        self.closed = False
        if fate.flips_at is not None and fate.flips_at < len(data):
            changed = bytearray(data)
            changed[fate.flips_at] ^= 1
            self._data = bytes(changed)

    def read1(self, amount: int = -1) -> bytes:
        """The next piece."""
        end = min(len(self._data), self._at + min(_PIECE, amount if amount > 0 else _PIECE))
        for limit in (self._fate.breaks_at, self._fate.stalls_at):
            if limit is not None:
                end = min(end, limit)
        if end == self._at < len(self._data):
            if end == self._fate.stalls_at:
                self._kernel.sleep(30.0)
                raise TimeoutError("timed out")
            raise ProtocolError("the connection broke")
        if self._at:
            self._kernel.sleep(_USUAL)
        piece, self._at = self._data[self._at : end], end
        return piece

    read = read1

    def flush(self) -> None:
        """As a file has it."""

    def close(self) -> None:
        """Let go of it."""
        self.closed = True
