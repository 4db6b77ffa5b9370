"""Two servers of one repository, and between them nothing but a file."""

from __future__ import annotations

import signal
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Self

import pytest

from gaia.model.artifact import EXPERIMENTS
from gaia.trust.operator import parcel
from gaia.trust.pin import RootPin
from support.desk import Desk
from support.follower import follow, follower
from support.hostile import man_in_the_middle
from support.server import ServerProcess

LINUX = "gaia-worker-linux"
Strict = tuple[Desk, ServerProcess]


@dataclass
class Gap:
    """Both sides.

    Attributes:
        desk: on the connected side, with the keys.
        away: on the isolated side, with none.
        file: what is carried.
    """

    desk: Desk
    connected: ServerProcess
    away: Desk
    isolated: ServerProcess
    file: Path
    program: Path

    def release(self, tag: str, *, channel: str = "stable") -> None:
        self.program.write_bytes(f"\x7fELF {tag}".encode() * 20_000)
        bundle = self.program.with_name(EXPERIMENTS)
        bundle.write_bytes(f"\x1f\x8b {tag}".encode())
        for file in (bundle, self.program):
            self.connected.upload(tag, file.name, file.read_bytes(), query=f"&channel={channel}")
        self.desk("release", "sign", tag, self.program, bundle, "--channel", channel, "--yes")

    def export(self, *tags: str) -> None:
        self.desk("release", "export", *tags, "-o", self.file)

    def name_key(self) -> None:
        """Has the root name the isolated server's key."""
        line = self.away("trust", "online-key", self.isolated.data_dir)
        key = self.file.with_name("isolated.pub")
        key.write_text(line)
        self.desk("key", "import", "isolated", key)
        self.desk("trust", "rotate", "online", "isolated", "--beside", "--yes")

    def seed(self) -> None:
        pin = f"sha256:{self.desk.status()['fingerprint']}"
        self.away("trust", "seed", self.file, self.isolated.data_dir, "--trust-root", pin)
        self.isolated.start()
        self.away.server = self.isolated

    def state(self) -> object:
        """All that the isolated server shows to anybody."""
        shown = [self.isolated.get(f"/api/{path}").json() for path in ("releases", "tuf/bundle")]
        return [*shown, self.away.status()["pending"]]


@pytest.fixture
def gap(
    strict: Strict, tmp_path: Path, program: Path, make_server: Callable[..., ServerProcess]
) -> Gap:
    """An isolated server that has begun, before anything was released."""
    desk, connected = strict
    away = Desk(tmp_path / "no-trust-folder")
    gap = Gap(desk, connected, away, make_server(), tmp_path / "releases.parcel", program)
    gap.name_key()
    gap.export()
    gap.seed()
    return gap


def entries(file: Path) -> dict[str, bytes]:
    with tarfile.open(file, "r:") as tar:
        return {m.name: f.read() for m in tar if (f := tar.extractfile(m)) is not None}


def pack(file: Path, content: dict[str, bytes]) -> None:
    blocks = [
        parcel._header(name, len(data)) + data + parcel._padding(len(data))
        for name, data in sorted(content.items())
    ]
    file.write_bytes(b"".join(blocks) + bytes(1024))


def test_releases_come_over_whole(gap: Gap, tmp_path: Path) -> None:
    gap.release("v0.5.0")
    gap.release("v0.6.0")
    gap.export()
    assert "releases/v0.5.0/" not in " ".join(entries(gap.file))
    outcome = gap.away.ask("release", "import", gap.file)
    assert [each["filename"] for each in outcome["uploaded"]] == [EXPERIMENTS, LINUX]
    for path in ("api/tuf/bundle", "api/channels"):
        assert gap.isolated.get(f"/{path}").json() == gap.connected.get(f"/{path}").json()
    latest = gap.isolated.get("/releases/latest").json()
    assert (latest["tag"], latest["channel"]) == ("v0.6.0", "stable")
    content = gap.isolated.get(f"/releases/v0.6.0/{LINUX}").body
    assert content == gap.connected.get(f"/releases/v0.6.0/{LINUX}").body
    # The same fingerprint pins workers of both sides; each side vouches for what is the newest.
    pin = RootPin.of_fingerprint(gap.desk.status()["fingerprint"])
    worker = follower(gap.isolated, tmp_path / "worker", pin)
    follow(worker, gap.isolated)
    assert str(worker.pointer("stable").current) == "v0.6.0"  # type: ignore[union-attr]
    signers = [
        {entry["keyid"] for entry in server.get("/tuf/timestamp.json").json()["signatures"]}
        for server in (gap.connected, gap.isolated)
    ]
    assert not signers[0] & signers[1]


def test_the_same_again_and_an_older_one(gap: Gap) -> None:
    gap.release("v0.5.0")
    gap.export()
    older = gap.file.read_bytes()
    gap.away("release", "import", gap.file)
    again = gap.away.ask("release", "import", gap.file)
    assert again == {"uploaded": [], "sent": [], "changes": []}
    assert "nothing that is new" in gap.away("release", "import", gap.file)
    gap.release("v0.6.0")
    gap.desk("release", "withdraw", "v0.5.0", "--yes")
    gap.export()
    gap.away("release", "import", gap.file)
    before = gap.state()
    gap.file.write_bytes(older)
    refusal = gap.away.refused("release", "import", gap.file)
    assert refusal["code"] == "parcel-older"
    assert "channel-stable" in refusal["message"]
    assert gap.state() == before
    assert gap.isolated.get(f"/releases/v0.5.0/{LINUX}").status == 404


def test_one_release_at_a_time(gap: Gap) -> None:
    gap.release("v0.5.0")
    gap.release("v0.6.0")
    gap.export("v0.5.0")
    before = gap.state()
    refusal = gap.away.refused("release", "import", gap.file)
    assert refusal["code"] == "parcel-incomplete"
    assert "gaia release export v0.6.0" in refusal["hint"]
    assert gap.state() == before
    gap.export("v0.5.0", "v0.6.0")
    gap.away("release", "import", gap.file)
    tags = [release["tag"] for release in gap.isolated.get("/api/releases").json()["releases"]]
    assert tags == ["v0.6.0", "v0.5.0"]
    assert gap.desk.refused("release", "export", "v9.9.9", "-o", gap.file)["code"] == (
        "no-such-release"
    )


def test_a_new_channel_comes_along(gap: Gap) -> None:
    gap.desk("key", "new", "ci")
    gap.desk("trust", "rotate", "channel-beta", "ci", "--yes")
    gap.release("v0.7.0-rc.1", channel="beta")
    gap.export()
    gap.away("release", "import", gap.file)
    shown = gap.away.ask("channel", "show", "beta")
    assert shown["current"] == "v0.7.0-rc.1"
    release = gap.isolated.get("/releases/v0.7.0-rc.1").json()
    assert release["channel"] == "beta"


def test_a_break_publishes_nothing_and_the_rest_follows(gap: Gap) -> None:
    gap.release("v0.5.0")
    gap.export()
    uploads = []

    def broken(path: str, body: bytes) -> bytes:
        if path.startswith("/api/releases/upload"):
            uploads.append(path)
            gap.isolated.stop(signal.SIGKILL)
        return body

    with man_in_the_middle(gap.isolated.url, broken) as middle:
        refusal = gap.away.refused("release", "import", gap.file, "--server", middle)
    assert len(uploads) == 1
    assert refusal["code"]
    gap.isolated.start()
    assert gap.isolated.get("/releases/latest").status == 404
    assert [each["filename"] for each in gap.away.status()["pending"]] == [EXPERIMENTS]
    outcome = gap.away.ask("release", "import", gap.file)
    assert [each["filename"] for each in outcome["uploaded"]] == [LINUX]
    assert gap.isolated.get("/releases/latest").json()["tag"] == "v0.5.0"


@pytest.mark.parametrize(
    ("moment", "code"),
    [("/api/releases", "parcel-refused"), ("/api/releases/upload", "digest-mismatch")],
)
def test_a_medium_that_changes_while_it_is_read(gap: Gap, moment: str, code: str) -> None:
    """Before the file is verified, or after: the server is told which bytes to take."""
    gap.release("v0.5.0")
    gap.export()
    whole = gap.file.read_bytes()

    def meddle(path: str, body: bytes) -> bytes:
        if path.partition("?")[0] == moment:
            gap.file.write_bytes(whole.replace(b"\x7fELF v0.5.0", b"\x7fELF v6.6.6"))
        return body

    with man_in_the_middle(gap.isolated.url, meddle) as middle:
        refusal = gap.away.refused("release", "import", gap.file, "--server", middle)
    assert refusal["code"] == code
    assert gap.isolated.get("/releases/latest").status == 404


def test_what_was_tampered_with_changes_nothing(gap: Gap) -> None:
    gap.release("v0.5.0")
    gap.export()
    good, before = entries(gap.file), gap.state()
    worker_role = next(name for name in good if name.endswith(".gaia-worker.json"))
    for name, data in (
        (f"releases/v0.5.0/{LINUX}", b"\x7fELF v6.6.6"),
        ("releases/v0.5.0/gaia-worker-windows.exe", b"MZ"),
        (worker_role, good[worker_role].replace(b"v0.5.0", b"v6.6.6")),
    ):
        pack(gap.file, {**good, name: data})
        assert gap.away.refused("release", "import", gap.file)["code"] == "parcel-refused"
        assert gap.state() == before
    pack(gap.file, {name: data for name, data in good.items() if LINUX not in name})
    assert gap.away.refused("release", "import", gap.file)["code"] == "parcel-incomplete"
    gap.file.write_bytes(gap.file.read_bytes()[:-1000])
    assert gap.away.refused("release", "import", gap.file)["code"] == "parcel-malformed"
    assert gap.state() == before


def test_another_repositorys_parcel(
    gap: Gap, tmp_path: Path, make_server: Callable[..., ServerProcess]
) -> None:
    other = make_server()
    other.start()
    other.upload("v9.0.0", LINUX, b"\x7fELF evil")
    Desk(tmp_path / "other", other)("release", "export", "-o", gap.file)
    before = gap.state()
    assert gap.away.refused("release", "import", gap.file)["code"] == "parcel-other-root"
    assert gap.state() == before
    pin = f"sha256:{gap.desk.status()['fingerprint']}"
    pinned = gap.away.refused("release", "import", gap.file, "--trust-root", pin)
    assert pinned["code"] == "other-fingerprint"
    empty = tmp_path / "empty"
    seeded = gap.away.refused("trust", "seed", gap.file, empty, "--trust-root", pin)
    assert seeded["code"] == "other-fingerprint"
    assert not empty.exists()


def test_the_trust_folder_vouches_too(gap: Gap, tmp_path: Path) -> None:
    gap.release("v0.5.0")
    gap.export()
    knows = gap.desk.colleague("knows")
    knows.server = gap.isolated
    gap.release("v0.6.0")
    newer = gap.desk.colleague("newer")
    newer.server = gap.isolated
    assert newer.refused("release", "import", gap.file)["code"] == "parcel-older"
    knows("release", "import", gap.file)
    # On the way out: a server that hides something is not what was signed.
    gap.desk.server = gap.isolated
    assert gap.desk.refused("release", "export", "-o", gap.file)["code"] == "server-older"


def test_a_server_that_signs_for_itself_takes_no_parcel(
    gap: Gap, make_server: Callable[..., ServerProcess]
) -> None:
    fresh = make_server()
    fresh.start()
    gap.away.server = fresh
    refusal = gap.away.refused("release", "import", gap.file)
    assert refusal["code"] == "parcel-other-root"
    assert "gaia trust seed" in refusal["hint"]
    own = gap.file.with_name("own.parcel")
    gap.away("release", "export", "-o", own)
    assert gap.away.refused("release", "import", own)["code"] == "not-strict-mode"


def test_expired_roles_go_nowhere(gap: Gap, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(2100, 1, 1, tzinfo=tz)

    for module in ("release.carrying", "trust.elsewhere"):
        monkeypatch.setattr(f"gaia.cli.{module}.datetime", Later)
    for command in (
        ("release", "export", "-o", gap.file),
        ("release", "import", gap.file),
        ("trust", "seed", gap.file, gap.file.with_name("new"), "--trust-dir", gap.desk.folder),
    ):
        refusal = gap.away.refused(*command)
        assert refusal["code"] == "role-expired"
        assert "gaia trust renew" in refusal["hint"]


def test_a_worker_may_export_nothing_and_a_viewer_everything(gap: Gap) -> None:
    gap.release("v0.5.0")
    for server, command, role, code in (
        (gap.connected, ("export", "-o", gap.file), "worker", "forbidden"),
        (gap.connected, ("export", "-o", gap.file), "viewer", ""),
        (gap.isolated, ("import", gap.file), "viewer", "forbidden"),
        (gap.isolated, ("import", gap.file), "publisher", ""),
    ):
        arguments = ("--server", server.url, "--token", server.new_token(role))
        if code:
            assert gap.away.refused("release", *command, *arguments)["code"] == code
        else:
            gap.away("release", *command, *arguments)
    assert gap.isolated.get("/releases/latest").json()["tag"] == "v0.5.0"


def test_a_connected_server_that_lies_makes_no_parcel(gap: Gap) -> None:
    gap.release("v0.5.0")
    gap.file.unlink()
    lies: list[Callable[[str, bytes], bytes]] = [
        lambda path, body: body.replace(b"\x7fELF v0.5.0", b"\x7fELF v6.6.6"),
        lambda path, body: body + b"!" if path.startswith("/releases") else body,
        lambda path, body: body[:3] if path.startswith("/releases") else body,
    ]
    for lie in lies:
        with man_in_the_middle(gap.connected.url, lie) as middle:
            refusal = gap.desk.refused("release", "export", "-o", gap.file, "--server", middle)
        assert refusal["code"] == "parcel-refused"
        assert not gap.file.exists()

    def other_roles(path: str, body: bytes) -> bytes:
        return body.replace(b"v0.5.0", b"v6.6.6") if "bundle" in path else body

    with man_in_the_middle(gap.connected.url, other_roles) as middle:
        refusal = gap.desk.refused("release", "export", "-o", gap.file, "--server", middle)
    assert refusal["code"] == "metadata-refused"
    assert not gap.file.exists()


def test_a_server_whose_key_the_root_does_not_name_says_what_to_do(
    strict: Strict, tmp_path: Path, program: Path, make_server: Callable[..., ServerProcess]
) -> None:
    desk, connected = strict
    away = Desk(tmp_path / "no-trust-folder")
    gap = Gap(desk, connected, away, make_server(), tmp_path / "releases.parcel", program)
    gap.export()
    line = away("trust", "online-key", gap.isolated.data_dir)
    assert line == away("trust", "online-key", gap.isolated.data_dir)
    assert line.startswith("ssh-ed25519 ")
    seed = ("trust", "seed", gap.file, gap.isolated.data_dir)
    assert away.refused(*seed)["code"] == "no-anchor"
    refusal = away.refused(*seed, "--trust-dir", desk.folder)
    assert refusal["code"] == "online-key-unnamed"
    assert f"gaia trust online-key {gap.isolated.data_dir}" in refusal["hint"]
    assert not (gap.isolated.data_dir / "tuf").exists()
    # The same with the ceremony's roles carried over, and no key.
    (gap.isolated.data_dir / "tuf").mkdir()
    for path in (desk.folder / "server" / "tuf").iterdir():
        (gap.isolated.data_dir / "tuf" / path.name).write_bytes(path.read_bytes())
    assert gap.isolated.spawn().wait(60) == 1
    assert "gaia trust online-key" in gap.isolated.log()
    assert "Traceback" not in gap.isolated.log()
    # From there it goes on, over what was carried.
    gap.name_key()
    gap.release("v0.5.0")
    gap.export()
    gap.seed()
    gap.away("release", "import", gap.file)
    assert gap.isolated.get("/releases/latest").json()["tag"] == "v0.5.0"
    begun = away.refused(
        "trust", "seed", gap.file, gap.isolated.data_dir, "--trust-dir", desk.folder
    )
    assert begun["code"] == "data-dir-begun"


def test_a_seed_that_broke_off_is_taken_for_damaged_and_sown_again(gap: Gap) -> None:
    new = gap.file.with_name("new")
    keys = gap.isolated.data_dir / "keys"
    (new / "tuf").mkdir(parents=True)
    (new / "keys").mkdir()
    (new / "keys" / "online.pem").write_bytes((keys / "online.pem").read_bytes())
    content = entries(gap.file)
    for name in content:
        if "root" not in name:
            (new / "tuf" / name.removeprefix("metadata/")).write_bytes(content[name])
    half = ServerProcess(new, gap.file.with_name("half.log"))
    assert half.spawn().wait(60) == 1
    assert "1.root.json" in half.log()
    assert not (new / "keys" / "targets.pem").exists()
    gap.away("trust", "seed", gap.file, new, "--trust-dir", gap.desk.folder)
    half.start()
    half.stop()


def test_keys_for_the_online_roles(gap: Gap) -> None:
    for arguments in (("isolated",), ("isolated", "--beside", "--threshold", "2")):
        refusal = gap.desk.refused("trust", "rotate", "online", *arguments, "--yes")
        assert refusal["code"] == "online-takes-no-keys"
    roles = {role["name"]: role for role in gap.desk.status()["roles"]}
    assert len(roles["timestamp"]["keyids"]) == len(roles["snapshot"]["keyids"]) == 2
    assert "isolated" in gap.desk("trust", "status")
