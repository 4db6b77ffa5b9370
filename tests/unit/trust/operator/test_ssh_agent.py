"""ssh-agent: a real one, and one that is out to do harm."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from securesystemslib.signer import Signature, SSlibKey

from gaia.errors import GaiaError
from gaia.trust.operator import public_keys
from gaia.trust.operator.ssh_agent import LONGEST_MESSAGE, Agent
from support.openssh import RunningAgent

MakeKey = Callable[..., Path]

KEY = public_keys.from_raw(bytes(range(32)))


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4) + data


def number(value: int) -> bytes:
    return value.to_bytes(4)


def listing(*keys: SSlibKey) -> bytes:
    entries = b"".join(string(public_keys.blob(key)) + string(b"a comment") for key in keys)
    return b"\x0c" + number(len(keys)) + entries


def signature(algorithm: bytes = b"ssh-ed25519", value: bytes = b"s" * 64) -> bytes:
    return b"\x0e" + string(string(algorithm) + string(value))


Respond = Callable[[socket.socket], None]


@pytest.fixture
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Respond], Agent]]:
    """An agent of which a test writes each byte."""
    address = tmp_path_factory.mktemp("agent") / "socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen()
    threads = []

    def serve(respond: Respond) -> Agent:
        def run() -> None:
            connection, _ = listener.accept()
            # The other side may have had enough.
            with connection, contextlib.suppress(OSError):
                connection.settimeout(30)
                respond(connection)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return Agent(str(address), seconds_to_list=1, seconds_to_sign=1)

    yield serve
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    listener.close()


def answer(message: bytes) -> Respond:
    """Read the request, then send this message with its length before it."""
    return lambda connection: after_request(connection, string(message))


def after_request(connection: socket.socket, data: bytes) -> None:
    length = int.from_bytes(connection.recv(4, socket.MSG_WAITALL))
    connection.recv(length, socket.MSG_WAITALL)
    connection.sendall(data)


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(GaiaError) as refusal:
        act()
    assert refusal.value.hint
    return refusal.value.code


def test_a_real_agent_lists_and_signs(agent: RunningAgent, make_key: MakeKey) -> None:
    client = Agent.of_environment()
    assert client.identities() == []
    path = make_key("alice")
    agent.add(path)
    agent.add(make_key("ecdsa", "", "-t", "ecdsa"))
    (key,) = client.identities()
    assert key == public_keys.from_line(path.with_name("alice.pub").read_text())
    value = client.sign(key, b"payload")
    key.verify_signature(Signature(key.keyid, value.hex()), b"payload")


def test_a_locked_agent_holds_nothing(agent: RunningAgent, make_key: MakeKey) -> None:
    agent.add(make_key("alice"))
    client = Agent.of_environment()
    (key,) = client.identities()
    agent.lock()
    assert client.identities() == []
    assert code_of(lambda: client.sign(key, b"x")) == "agent-refused"
    agent.lock("-X")
    assert client.sign(key, b"x")


def test_a_key_that_the_agent_does_not_hold(agent: RunningAgent) -> None:
    assert code_of(lambda: Agent.of_environment().sign(KEY, b"x")) == "agent-refused"
    assert agent.process.poll() is None


def test_an_agent_that_was_killed(agent: RunningAgent) -> None:
    client = Agent.of_environment()
    agent.process.kill()
    agent.process.wait(30)
    assert code_of(client.identities) == "agent-not-running"


def test_no_agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert code_of(Agent.of_environment) == "agent-not-running"
    for address in (tmp_path / "nowhere", tmp_path, tmp_path / ("x" * 200)):
        monkeypatch.setenv("SSH_AUTH_SOCK", str(address))
        assert code_of(Agent.of_environment().identities) == "agent-not-running"


def test_what_an_agent_cannot_sign(agent: RunningAgent, make_key: MakeKey) -> None:
    agent.add(make_key("alice"))
    client = Agent.of_environment()
    (key,) = client.identities()
    assert code_of(lambda: client.sign(key, b"x" * LONGEST_MESSAGE)) == "too-long-for-agent"
    assert client.sign(key, b"x" * (LONGEST_MESSAGE - 100))


@pytest.mark.parametrize(
    "message",
    [
        *(b"\x05", b"\x06", b"\x0e", b"\x0c", b"\x0c\0\0\0", b"\xff" * 100),
        b"\x0c" + number(1),
        b"\x0c" + number(2**32 - 1),
        b"\x0c" + number(1) + number(2**32 - 1),
        b"\x0c" + number(1) + string(b"key"),
        listing(KEY)[:-1],
        listing(KEY) + b"more",
        b"\x0c" + number(0) + b"more",
    ],
)
def test_odd_lists(hostile: Callable[[Respond], Agent], message: bytes) -> None:
    assert code_of(hostile(answer(message)).identities) == "agent-odd-answer"


def test_odd_keys_in_a_list_are_overlooked(hostile: Callable[[Respond], Agent]) -> None:
    odd = [b"", b"x", public_keys.blob(KEY)[:-1], public_keys.blob(KEY) + b"x"]
    entries = b"".join(string(blob) + string(b"\xff\xfe") for blob in odd)
    good = string(public_keys.blob(KEY)) + string(b"")
    message = b"\x0c" + number(len(odd) + 1) + entries + good
    assert hostile(answer(message)).identities() == [KEY]


@pytest.mark.parametrize(
    "message",
    [
        *(b"\x06", b"\x0c", b"\x0e", b"\x0e" + number(2**32 - 1), b"\x0e" + string(b"")),
        *(signature(b"ssh-rsa"), signature(value=b"s" * 63), signature(value=b"s" * 65)),
        *(signature() + b"more", b"\x0e" + string(string(b"ssh-ed25519"))),
        b"\x0e" + string(string(b"ssh-ed25519") + string(b"s" * 64) + b"more"),
    ],
)
def test_odd_signatures(hostile: Callable[[Respond], Agent], message: bytes) -> None:
    agent = hostile(answer(message))
    assert code_of(lambda: agent.sign(KEY, b"x")) == "agent-odd-answer"


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\0\x05", b"\0\0\0\x05\x0c\0"])
def test_it_hangs_up(hostile: Callable[[Respond], Agent], data: bytes) -> None:
    agent = hostile(lambda connection: after_request(connection, data))
    assert code_of(agent.identities) == "agent-odd-answer"


@pytest.mark.parametrize("length", [0, LONGEST_MESSAGE + 1, 2**32 - 1])
def test_it_announces_nothing_or_far_too_much(
    hostile: Callable[[Respond], Agent], length: int
) -> None:
    agent = hostile(lambda connection: after_request(connection, number(length)))
    assert code_of(agent.identities) == "agent-odd-answer"


def test_it_never_answers(hostile: Callable[[Respond], Agent]) -> None:
    def wait(connection: socket.socket) -> None:
        after_request(connection, b"")
        while connection.recv(1):
            pass

    assert code_of(hostile(wait).identities) == "agent-timed-out"


def test_it_sends_byte_by_byte_without_end(hostile: Callable[[Respond], Agent]) -> None:
    def drip(connection: socket.socket) -> None:
        after_request(connection, number(LONGEST_MESSAGE))
        connection.settimeout(0.01)
        for _ in range(10_000):
            connection.sendall(b"x")
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                pass

    assert code_of(hostile(drip).identities) == "agent-timed-out"


def test_it_does_not_take_the_request(hostile: Callable[[Respond], Agent]) -> None:
    done = threading.Event()

    def leave_it(_: socket.socket) -> None:
        done.wait(30)

    agent = hostile(leave_it)
    assert code_of(lambda: agent.sign(KEY, b"x" * 250_000)) in (
        "agent-timed-out",
        "agent-odd-answer",
    )
    done.set()
