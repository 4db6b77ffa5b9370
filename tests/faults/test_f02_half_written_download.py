"""Row 2: a half-written download is never taken for whole."""

from __future__ import annotations

from support.machine import Machine, sha256


def test_truncated_download(machine: Machine) -> None:
    old, new = machine.release("v0.4.9"), machine.release("v0.5.0")
    machine.install(old)
    process = machine.start()
    digest = machine.offer("v0.5.0", new)
    (machine.releases / "v0.5.0").write_bytes(new[:-1])
    machine.eventually("the refusal", lambda: machine.status().get("failure"))
    status = machine.status()
    assert status["failure"]["reason"] == "trust"
    assert status["failure"]["sha256"] == digest == sha256(new)
    assert status["state"] == "idle"
    assert machine.live() == old
    assert not (machine.folder / "gaia-worker.new").exists()
    assert process.poll() is None
