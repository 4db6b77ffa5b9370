"""What the command line of `gaia-worker` takes, and how it says no."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gaia.worker.composition import Options
from gaia.worker.options import EXIT_USAGE, command

LEAST = ("--server", "http://localhost", "--name", "w")


class Program:
    """The command, with what it did noted instead of done."""

    def __init__(self) -> None:
        self.ran: list[Options] = []
        self.checked = 0

    def __call__(self, *arguments: str, **environment: str) -> Result:
        program = command(self.ran.append, self._check)
        return CliRunner().invoke(program, arguments, env={"GAIA_TOKEN": None, **environment})

    def _check(self) -> None:
        self.checked += 1


@pytest.fixture
def program() -> Program:
    return Program()


def test_the_briefs_flags(program: Program) -> None:
    flags = ("--token", "t", "--auto-update", "--label", "a=1", "--", "python3", "run.py", "--fast")
    assert program(*LEAST, *flags).exit_code == 0
    (options,) = program.ran
    assert (options.token, options.labels) == ("t", {"a": "1"})
    assert options.auto_update
    assert options.sync_experiments, "implied by --auto-update"
    assert options.command == ("python3", "run.py", "--fast")


def test_everything_from_the_environment(program: Program) -> None:
    done = program(
        GAIA_SERVER="http://localhost",
        GAIA_WORKER_NAME="w",
        GAIA_TOKEN="t",
        GAIA_SYNC_EXPERIMENTS="1",
        GAIA_LABEL="a=1 b=2",
    )
    assert done.exit_code == 0
    (options,) = program.ran
    assert (options.server, options.name, options.labels) == (
        "http://localhost",
        "w",
        {"a": "1", "b": "2"},
    )
    assert options.sync_experiments
    assert not options.auto_update


def test_a_variable_that_is_named_like_a_question_asks_nothing(program: Program) -> None:
    done = program(*LEAST, "--token", "t", GAIA_VERSION="v0.5.0", GAIA_ONLY_CHECK="1")
    assert done.exit_code == 0
    assert len(program.ran) == 1
    assert program.checked == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--name", "w", "--token", "t"), "--server is missing"),
        (LEAST, "no access token"),
        ((*LEAST, "--token", "t", "--label", "x"), "'x' is not a label"),
        ((*LEAST, "--token", "t", "--channel", "No!"), "not a channel name"),
        ((*LEAST, "--token", "t", "--trust-root", "/no/such/root.json"), "cannot be read"),
        ((*LEAST, "--token", "t", "--no-such-flag"), "No such option"),
        (("--server", "ftp://x", "--name", "w", "--token", "t"), "not the address of a server"),
    ],
)
def test_wrong_options_are_told_and_nothing_runs(
    program: Program, arguments: tuple[str, ...], told: str
) -> None:
    done = program(*arguments)
    assert done.exit_code == EXIT_USAGE
    assert told in done.output
    assert program.ran == []


def test_a_token_file(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("secret\n")
    assert program(*LEAST, "--token-file", str(path), GAIA_TOKEN="other").exit_code == 0
    assert program.ran[0].token == "secret"
    path.write_bytes(b"\xff\xfe")
    done = program(*LEAST, "--token-file", str(path))
    assert done.exit_code == EXIT_USAGE
    assert "cannot be read" in done.output


def test_the_self_check_alone_needs_no_options(program: Program) -> None:
    assert program("--self-check", GAIA_SERVER="http://localhost").exit_code == 0
    assert (program.checked, program.ran) == (1, [])


def test_the_self_check_looks_at_the_options_beside_it(program: Program) -> None:
    assert program("--self-check", *LEAST, "--token", "t", "--", "job").exit_code == 0
    assert (program.checked, program.ran) == (1, [])
    for wrong in ("--flag-of-a-former-version", "--trust-root=/gone/root.json"):
        assert program("--self-check", *LEAST, "--token", "t", wrong).exit_code == EXIT_USAGE
    assert program.checked == 1
