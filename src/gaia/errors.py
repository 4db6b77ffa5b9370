"""Errors, sorted by what the caller should do next.

| class            | the caller should                      |
| ---------------- | -------------------------------------- |
| `InvalidInput`   | fix the request                        |
| `Refused`        | ask again later, or with other rights  |
| `NotFound`       | look for something else                |
| `Conflict`       | reload, decide again                   |
| `TransportError` | back off, retry                        |
| `TrustError`     | stop, keep what runs, alarm            |
| `InstallError`   | keep or restore the old version        |

"No update for you" is a decision with a reason (`gaia.planning`), never one of these.
"""


class GaiaError(Exception):
    """What happened and why, with a stable machine-readable code and the next step.

    Args:
        code: stable kebab-case identifier, listed in `docs/reference/errors.md`.
        message: what happened and why, in one sentence.
        hint: what to do next; empty where the message already says it.
    """

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class InvalidInput(GaiaError):
    """The request cannot be understood or is out of bounds: fix it."""


class Refused(GaiaError):
    """Understood, but not allowed, or not now."""


class NotFound(GaiaError):
    """No such thing."""


class Conflict(GaiaError):
    """The state has moved on: reload and decide again."""


class TransportError(GaiaError):
    """The other side could not be reached or did not answer usefully: back off and retry.

    Args:
        retry_after: seconds that the server asked to wait, when it did.
    """

    def __init__(
        self, code: str, message: str, *, hint: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.retry_after = retry_after


class TrustError(GaiaError):
    """Something is not what its signature says. Means "no update", never "exit"."""


class InstallError(GaiaError):
    """A file could not be staged, swapped or started: the old version stays."""
