"""`gaia-worker install`: registers this executable with the system's service manager."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from gaia.errors import Conflict, GaiaError, InstallError, InvalidInput
from gaia.trust import files
from gaia.worker.composition import Options
from gaia.worker.options import EXIT_USAGE, parse
from gaia.worker.runtime import install_path
from gaia.worker.service_unit import Service, systemd_unit
from gaia.worker.service_windows import windows_service

_ENDS_AT_ONCE = frozenset({"only_check", "version"})
"""Options of the worker that make no sense for a service."""

_PATHS = frozenset({"token_file", "experiments_dir", "state_dir"})


def install_command(worker: click.Command) -> click.Command:
    """The command; it takes the options of `worker`, which the service is started with."""

    @click.command(
        name="gaia-worker install",
        context_settings=worker.context_settings,
        epilog="All other options, and COMMAND, are those that the service is started with.",
    )
    @click.option(
        "--service-name",
        default="gaia-worker",
        allow_from_autoenv=False,
        help="Name of the unit or service.",
    )
    @click.option(
        "--service-user",
        allow_from_autoenv=False,
        help="User that it runs as.  [default: the executable's owner; without root, "
        "you; on Windows an account of its own]",
    )
    @click.option(
        "--print",
        "only_print",
        is_flag=True,
        allow_from_autoenv=False,
        help="Print what would be written, and change nothing.",
    )
    @click.pass_context
    def install(
        context: click.Context,
        /,
        *,
        service_name: str,
        service_user: str | None,
        only_print: bool,
        **values: Any,  # noqa: ANN401 - one of each option's type
    ) -> None:
        """Have this worker started with the system: a systemd unit, or a Windows service."""
        try:
            place = _Place.find(service_name, service_user)
            if context.get_parameter_source("experiments_dir") is ParameterSource.DEFAULT:
                values["experiments_dir"] = place.experiments(values["experiments_dir"])
            options = parse(dict(values))
            arguments = [*_repeated(context, values), *place.more(values), *_workload(options)]
            service = place.service(arguments, options, values["token_file"])
            if only_print or sys.platform == "win32":
                show = windows_service if sys.platform == "win32" else systemd_unit
                click.echo(show(service), nl=False)
            if only_print:
                return
            token = None if values["token_file"] else options.token
            if sys.platform == "win32":
                # The rest is an administrator's, who runs what was printed.
                place.keep(token)
            else:
                place.write(service, token)
        except GaiaError as error:
            click.echo(f"gaia-worker: {error}", err=True)
            context.exit(EXIT_USAGE if isinstance(error, InvalidInput) else 1)

    install.params += [param for param in worker.params if param.name not in _ENDS_AT_ONCE]
    return install


class _Place:
    """Where the service and its files go: the system's units for root, one's own otherwise."""

    def __init__(self, name: str, executable: Path, user: str | None) -> None:
        self._name = name
        self._executable = executable
        self._user = user
        self._token = executable.parent / ".gaia" / "token"
        units = (
            Path.home() / ".config" / "systemd" / "user"
            if user is None
            else Path("/etc/systemd/system")
        )
        self._unit = units / f"{name}.service"

    @classmethod
    def find(cls, name: str, user: str | None) -> _Place:
        """The place for this process's executable.

        Raises:
            InvalidInput: `invalid-service`.
        """
        executable = install_path() or Path(sys.argv[0]).resolve()
        if sys.platform == "win32" and install_path() is None:
            raise InvalidInput(
                "invalid-service",
                f"{executable} is an ordinary program, which Windows does not take for a service.",
                hint="Install the single-file worker, gaia-worker-windows.exe.",
            )
        if not name or set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-_."):
            raise InvalidInput(
                "invalid-service",
                f"{name!r} is not the name of a service.",
                hint="Use lower-case letters, digits, hyphens, underscores and dots.",
            )
        if sys.platform != "win32" and os.geteuid() == 0:
            return cls(name, executable, user or executable.owner())
        if user is not None and sys.platform != "win32":
            raise InvalidInput(
                "invalid-service",
                "Only root can have a service run as somebody else.",
                hint="Leave --service-user out, or call it with sudo.",
            )
        return cls(name, executable, user)

    def experiments(self, usual: Path) -> Path:
        """Where the experiments go when nothing is said: an administrator is in System32."""
        return self._executable.parent / usual if sys.platform == "win32" else usual

    def more(self, values: dict[str, Any]) -> Iterator[str]:
        """Arguments that the service needs and that were not given as they are."""
        if values["token_file"] is None:
            yield from ("--token-file", str(self._token))
        if self._user is not None and values["state_dir"] is None and sys.platform != "win32":
            yield from ("--state-dir", f"/var/lib/{self._name}")

    def service(self, arguments: list[str], options: Options, token_file: Path | None) -> Service:
        """The service with these arguments."""
        folders = [self._executable.parent, options.experiments_dir.absolute().parent]
        if options.state_dir is not None:
            folders.append(options.state_dir.absolute())
        return Service(
            name=self._name,
            command=[str(self._executable), *arguments],
            user=self._user,
            folders=list(dict.fromkeys(folders)),
            state=self._name if options.state_dir is None and self._user is not None else None,
            token=(token_file or self._token).absolute(),
            drain=options.drain_grace,
        )

    def write(self, service: Service, token: str | None) -> None:
        """Write the unit, and `token` as `keep`; say what comes next.

        Raises:
            Conflict: `service-exists`.
            InstallError: `service-not-written`.
        """
        text = systemd_unit(service).encode()
        with _as_install_error():
            if self._unit.exists() and self._unit.read_bytes() != text:
                raise Conflict(
                    "service-exists",
                    f"{self._unit} exists and says something else. It is left as it is.",
                    hint="Remove it, or give this worker another --service-name; your own changes "
                    f"are best kept by: systemctl edit {self._name}",
                )
            self.keep(token)
            files.make_folder(self._unit.parent)
            files.write(self._unit, text)
        control = "systemctl" if self._user else "systemctl --user"
        click.echo(f"Written: {self._unit}")
        click.echo(f"  {control} daemon-reload && {control} enable --now {self._name}")
        if self._user is None:
            click.echo("  loginctl enable-linger        # so that it runs while you are away")
        self._look_at_the_owner()

    def keep(self, token: str | None) -> None:
        """Write the token where only the worker may read it, unless it is in a file already.

        Raises:
            InstallError: `service-not-written`.
        """
        if token is None:
            return
        with _as_install_error():
            files.make_folder(self._token.parent, mode=0o700)
            files.write(self._token, f"{token}\n".encode(), mode=0o600)
            if sys.platform != "win32" and os.geteuid() == 0:
                status = self._executable.stat()
                for path in (self._token.parent, self._token):
                    os.chown(path, status.st_uid, status.st_gid)

    def _look_at_the_owner(self) -> None:
        if sys.platform == "win32":
            return
        folder = self._executable.parent
        if self._user and {folder.owner(), self._executable.owner()} != {self._user}:
            click.echo(
                f"{self._user} has to own {folder} and what is in it, or the worker cannot update "
                f"itself:\n  chown -R {self._user} {folder}"
            )


@contextmanager
def _as_install_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InstallError(
            "service-not-written",
            f"The service cannot be set up: {error}.",
            hint="--print shows what it would be, to be put in place by hand.",
        ) from error


def _repeated(context: click.Context, values: dict[str, Any]) -> Iterator[str]:
    """The worker's options as they were given, on the command line or in the environment."""
    given = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    for param in context.command.params:
        name = param.name or ""
        ours = not isinstance(param, click.Option) or name in ("token", "only_print")
        # What is relative to this shell's folder would be another one for the service.
        said = context.get_parameter_source(name) in given or name == "experiments_dir"
        if ours or name.startswith("service_") or not said:
            continue
        flag, value = param.opts[0], values[name]
        if value is True:
            yield flag
        elif value is not False:
            for each in value if isinstance(value, tuple) else (value,):
                whole = name in _PATHS or (name == "trust_root" and Path(str(each)).exists())
                yield from (flag, str(Path(each).absolute()) if whole else str(each))


def _workload(options: Options) -> Iterator[str]:
    if options.command:
        yield "--"
        yield from options.command
