"""Row 16: what cannot run here is caught before the swap."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from support.machine import Machine

ELF = Path("/proc/self/exe").read_bytes()
OTHER_MACHINE = ELF[:18] + bytes(byte ^ 0xFF for byte in ELF[18:20]) + ELF[20:4096]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"MZ\x90\x00" + bytes(4096), "wrong-platform", id="windows"),
        pytest.param(OTHER_MACHINE, "wrong-platform", id="other-processor"),
        pytest.param(bytes(range(256)) * 16, "wrong-platform", id="garbage"),
        pytest.param(b"", "wrong-platform", id="empty"),
        pytest.param(ELF[:4096], "preflight", id="truncated-when-built"),
        pytest.param(b"#!/nowhere/interpreter\n", "preflight", id="no-interpreter"),
    ],
)
def test_refused_before_the_swap(machine: Machine, content: bytes, reason: str) -> None:
    old = machine.release("v0.4.9")
    machine.install(old)
    process = machine.start()
    digest = machine.offer("v0.5.0", content)
    machine.eventually("the refusal", lambda: machine.status().get("failure"))
    status = machine.status()
    assert status["failure"]["reason"] == reason, status
    assert status["failed"] == [digest]
    assert machine.live() == old
    assert not machine.backup.exists()
    assert process.poll() is None
    assert not machine.events("swapping")


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ("exit-check", "exit code 3"),
        ("segfault-check", "SIGSEGV"),
        ("hang-check", "within 5 s"),
    ],
)
def test_self_check_fails(machine: Machine, behaviour: str, told: str) -> None:
    machine.install(machine.release("v0.4.9"))
    process = machine.start()
    digest = machine.offer("v0.5.0", machine.release("v0.5.0", behaviour))
    machine.eventually("the refusal", lambda: machine.status().get("failure"))
    status = machine.status()
    assert status["failure"]["reason"] == "preflight"
    assert told in status["failure"]["detail"]
    assert "checking" in status["failure"]["log_tail"]
    assert status["failed"] == [digest]
    assert machine.running() == [process.pid]
    for grandchild in machine.folder.glob("*.grandchild"):
        left = Path("/proc") / grandchild.read_text()
        machine.eventually("the end of its child", partial(_is_gone, left))


def _is_gone(path: Path) -> bool:
    return not path.exists()
