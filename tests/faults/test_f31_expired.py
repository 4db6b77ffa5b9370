"""Fault 31: expired roles. The worker keeps what it has, installs nothing, and says which role."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from gaia.errors import TrustError
from gaia.model.tag import Tag
from gaia.trust import roles
from gaia.trust.expiry import warning
from support import server_elsewhen
from support.fleet import eventually
from support.server import ServerProcess
from support.trust import LINUX, World, current


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", "gaia-worker"])
@pytest.mark.parametrize("known", [True, False])
def test_an_expired_role_is_named(
    world: World, role: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each role in turn has a life of three hours, with the server renewing nothing."""
    monkeypatch.setitem(roles._LIFETIMES, role, timedelta(hours=3))
    world.folder.joinpath("short").mkdir()
    world = World(world.folder / "short", world.clock)
    world.publish("v0.5.0")
    client = world.client()
    if known:
        world.beat(client)
    world.clock.forward(hours=4)
    with pytest.raises(TrustError) as refusal:
        world.beat(client)
    assert refusal.value.code == "metadata-expired"
    assert f"role {role} " in refusal.value.message
    command = (
        "rotate online" if role in ("timestamp", "snapshot") else f"renew {roles.spoken(role)}"
    )
    assert f"gaia trust {command}" in refusal.value.hint
    assert current(client) == ("v0.5.0" if known else None)
    with pytest.raises(TrustError):
        client.target(Tag.parse("v0.5.0"), LINUX)


def test_renewed_in_time_nothing_ever_expires(world: World) -> None:
    """Two years of hourly renewal, a look every three days; the root by its operator."""
    world.publish("v0.5.0")
    client = world.client()
    for day in range(0, 730, 3):
        world.repository.renew()
        if day % 180 == 0:
            world.renew_root()
        world.beat(client)
        assert client.target(Tag.parse("v0.5.0"), LINUX).size == 5
        world.clock.forward(days=3)


def test_a_server_that_was_off_for_weeks(world: World) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    world.clock.forward(days=200)
    world.reopen()
    with pytest.raises(TrustError):
        world.beat(client)
    assert world.repository.renew()
    world.beat(client)
    assert current(client) == "v0.5.0"


def test_the_operator_is_told_when_each_role_expires(world: World) -> None:
    expiries = world.repository.expiries()
    left = {role: (at - world.clock.now).total_seconds() / 86400 for role, at in expiries.items()}
    assert left == {
        "root": 365,
        "targets": 365,
        "gaia-worker": 180,
        "snapshot": 30,
        "timestamp": 1,
    }


def test_without_a_timestamp_key_there_is_an_alarm_long_before_the_end(world: World) -> None:
    world.publish("v0.5.0")
    for key in world.keys.glob("online*"):
        key.unlink()
    world.reopen()
    world.clock.forward(hours=2, minutes=1)
    with pytest.raises(TrustError):
        world.repository.renew()
    expires = world.repository.expiries()["timestamp"]
    assert warning("timestamp", expires, world.clock.now) == "not-renewed"


def later(server: ServerProcess, hours: float) -> None:
    """The server is off for so long, and then started again."""
    assert server.stop() == 0
    server.program = (sys.executable, "-P", str(Path(server_elsewhen.__file__)))
    server.environment["TEST_HOURS"] = str(hours)
    server.start()


def said(server: ServerProcess) -> dict[str, Any]:
    """The warning of each role."""
    return {role["name"]: role["warning"] for role in server.get("/api/trust").json()["roles"]}


def dashboard(server: ServerProcess) -> str:
    form = urlencode({"token": server.token}).encode()
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    cookie = server.ask("POST", "/login", form, token=None, headers=sent).headers["set-cookie"]
    page = server.ask("GET", "/", token=None, headers={"Cookie": cookie.partition(";")[0]})
    return page.body.decode()


def beat(server: ServerProcess) -> dict[str, Any]:
    """The answer to a worker's heartbeat."""
    register = server.ask("POST", "/api/workers/register", b'{"name": "w"}').json()
    body = json.dumps({"version": "v0.4.0", "platform": "linux"}).encode()
    answer: dict[str, Any] = server.ask(
        "POST", f"/api/workers/heartbeat/{register['worker_id']}", body
    ).json()
    return answer


def test_a_server_whose_root_has_expired_runs_on_and_says_what_to_do(
    server: ServerProcess,
) -> None:
    server.upload("v0.5.0", LINUX, b"x")
    assert set(said(server).values()) == {""}
    later(server, 24 * 366)
    eventually("the root alone", lambda: [k for k, v in said(server).items() if v] == ["root"])
    assert said(server)["root"] == "expired"
    assert "gaia trust renew root" in dashboard(server)
    eventually("the log's word", lambda: "gaia trust renew root" in server.log())
    assert beat(server)["directive"]["tag"] == "v0.5.0"
    # It signs on all that it can, and takes what is uploaded.
    assert server.upload("v0.5.1", LINUX, b"y").status == 200
    assert beat(server)["directive"]["tag"] == "v0.5.1"


def test_a_server_that_lost_its_online_key_says_so(server: ServerProcess) -> None:
    server.upload("v0.5.0", LINUX, b"x")
    for key in (server.data_dir / "keys").glob("online*"):
        key.unlink()
    later(server, 3)
    assert said(server)["timestamp"] == "not-renewed"
    eventually("the log's word", lambda: "gaia trust rotate online" in server.log())
    assert "gaia trust rotate online" in dashboard(server)
    assert beat(server)["directive"]["tag"] == "v0.5.0"
    text = server.get("/metrics").body.decode()
    days = {
        line.split('"')[1]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("gaia_trust_days_to_expiry{")
    }
    assert days.keys() == said(server).keys()
    assert 0 < days["timestamp"] < 0.9
