"""Keys that ssh-agent holds (draft-ietf-sshm-ssh-agent): list them, sign with one.

A message is its length in 4 bytes, one byte of type, and fields. Strings are preceded by their
length in 4 bytes. All numbers have their highest byte first.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final, Protocol

from securesystemslib.signer import SSlibKey

from gaia.errors import InvalidInput, TrustError
from gaia.trust.operator import public_keys

LONGEST_MESSAGE = 256 * 1024
"""Bytes behind the length. OpenSSH's agent hangs up on longer ones."""

SECONDS_TO_LIST: Final = 10.0
SECONDS_TO_SIGN: Final = 60.0
"""Longer: `ssh-add -c` has a person confirm it, a token has one touch it."""

_WINDOWS_PIPE = r"\\.\pipe\openssh-ssh-agent"

_FAILURE = 5
_REQUEST_IDENTITIES = 11
_IDENTITIES_ANSWER = 12
_SIGN_REQUEST = 13
_SIGN_RESPONSE = 14

_SIGNATURE_LENGTH = 64
"""Of Ed25519, in bytes (RFC 8032)."""


class Agent:
    """The running ssh-agent; each request has its own connection.

    Args:
        address: its socket, or on Windows its named pipe.
        seconds_to_list: how long it may take to name its keys.
        seconds_to_sign: how long it may take to sign.
    """

    def __init__(
        self,
        address: str,
        *,
        seconds_to_list: float = SECONDS_TO_LIST,
        seconds_to_sign: float = SECONDS_TO_SIGN,
    ) -> None:
        self._address = address
        self._seconds_to_list = seconds_to_list
        self._seconds_to_sign = seconds_to_sign

    @classmethod
    def of_environment(cls) -> Agent:
        """The agent of this session: SSH_AUTH_SOCK, or on Windows the system's own.

        Raises:
            InvalidInput: `agent-not-running`.
        """
        address = os.environ.get("SSH_AUTH_SOCK") or (
            _WINDOWS_PIPE if sys.platform == "win32" else ""
        )
        if not address:
            raise _not_running("SSH_AUTH_SOCK is not set")
        return cls(address)

    def identities(self) -> list[SSlibKey]:
        """The Ed25519 keys that it holds; none while it is locked (`ssh-add -x`).

        Raises:
            InvalidInput: `agent-not-running` or `agent-timed-out`.
            TrustError: `agent-odd-answer`.
        """
        answer = self._ask(bytes([_REQUEST_IDENTITIES]), self._seconds_to_list)
        if answer.byte() != _IDENTITIES_ANSWER:
            raise _odd("it did not list its keys")
        found = []
        for _ in range(answer.number()):
            key = public_keys.from_blob(answer.string())
            answer.string()  # a comment
            if key is not None:
                found.append(key)
        answer.end()
        return found

    def sign(self, key: SSlibKey, payload: bytes) -> bytes:
        """The signature of `key` over `payload`, 64 bytes, not verified.

        Raises:
            InvalidInput: `agent-not-running`, `agent-timed-out`, `agent-refused` or
                `too-long-for-agent`.
            TrustError: `agent-odd-answer`.
        """
        request = b"".join(
            (bytes([_SIGN_REQUEST]), _string(public_keys.blob(key)), _string(payload), bytes(4))
        )
        if len(request) > LONGEST_MESSAGE:
            raise InvalidInput(
                "too-long-for-agent",
                f"ssh-agent signs at most {LONGEST_MESSAGE} bytes, and these are {len(payload)}.",
                hint="Sign with the key's file: gaia key import NAME FILE",
            )
        answer = self._ask(request, self._seconds_to_sign)
        kind = answer.byte()
        if kind == _FAILURE:
            raise InvalidInput(
                "agent-refused",
                f"ssh-agent did not sign with {public_keys.fingerprint(key)}: it does not hold "
                "the key now, is locked, or somebody said no.",
                hint="ssh-add -l shows its keys; ssh-add PATH adds one, ssh-add -X unlocks it.",
            )
        if kind != _SIGN_RESPONSE:
            raise _odd("it did not answer with a signature")
        signature = _Reader(answer.string())
        answer.end()
        algorithm, value = signature.string(), signature.string()
        signature.end()
        if algorithm != public_keys.ALGORITHM or len(value) != _SIGNATURE_LENGTH:
            raise _odd("its signature is not one of Ed25519")
        return value

    def _ask(self, request: bytes, seconds: float) -> _Reader:
        try:
            with _connect(self._address, seconds) as wire:
                wire.send(_string(request))
                length = int.from_bytes(wire.receive(4))
                if not 1 <= length <= LONGEST_MESSAGE:
                    raise _odd(f"it announced {length} bytes")
                return _Reader(wire.receive(length))
        except TimeoutError:
            raise InvalidInput(
                "agent-timed-out",
                f"ssh-agent did not answer within {seconds:.0f} s.",
                hint="Does it wait for your confirmation, or for a token to be touched? Repeat it.",
            ) from None
        except EOFError:
            raise _odd("it hung up") from None
        except OSError as error:
            raise _not_running(error.strerror or str(error)) from error


class _Wire(Protocol):
    def send(self, data: bytes) -> None: ...

    def receive(self, size: int) -> bytes:
        """Exactly `size` bytes, or EOFError."""
        ...


class _Socket:
    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + seconds

    def send(self, data: bytes) -> None:
        self._allow_what_is_left()
        self._connection.sendall(data)

    def receive(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            self._allow_what_is_left()
            part = self._connection.recv(size - len(received))
            if not part:
                raise EOFError
            received += part
        return bytes(received)

    def _allow_what_is_left(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)


class _Pipe:
    """Windows knows no deadline for a pipe that is opened as a file."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe

    def send(self, data: bytes) -> None:
        self._pipe.write(data)

    def receive(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            part = self._pipe.read(size - len(received))
            if not part:
                raise EOFError
            received += part
        return bytes(received)


@contextmanager
def _connect(address: str, seconds: float) -> Iterator[_Wire]:
    if sys.platform == "win32":
        with open(address, "r+b", buffering=0) as pipe:  # noqa: PTH123 - not a path
            yield _Pipe(pipe)
    else:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(address)
            yield _Socket(connection, seconds)


class _Reader:
    """Takes an answer apart; what does not fit together is `agent-odd-answer`."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def byte(self) -> int:
        return self._take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self._take(4))

    def string(self) -> bytes:
        return self._take(self.number())

    def end(self) -> None:
        if self._data:
            raise _odd("it says more than belongs there")

    def _take(self, size: int) -> bytes:
        if size > len(self._data):
            raise _odd("it breaks off")
        taken, self._data = self._data[:size], self._data[size:]
        return taken


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4) + data


def _odd(why: str) -> TrustError:
    return TrustError(
        "agent-odd-answer",
        f"What ssh-agent answered cannot be used: {why}.",
        hint="Look what SSH_AUTH_SOCK names, or start another one: eval $(ssh-agent)",
    )


def _not_running(why: str) -> InvalidInput:
    return InvalidInput(
        "agent-not-running",
        f"ssh-agent is not reached: {why}.",
        hint="Start it in this shell and give it the key: eval $(ssh-agent); ssh-add PATH",
    )
