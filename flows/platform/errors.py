"""Errors of the platform, beneath those of `tasks.errors`.

InputError
├── PortInUseError            another program listens where a server should
├── OpenAddressError          an address beyond this machine without a password
├── NoKeysError               a service beyond this machine that nobody has a key to
└── DeploymentFileError       deployments/*.yaml says something that cannot be applied
RaptorflowError
├── StartFailedError          a server or a worker did not come up
├── EmptySecretError          the home's secret is there and says nothing
└── PlatformNotRunningError   no Prefect server answers
"""

from __future__ import annotations

from pathlib import Path

from tasks.errors import InputError, RaptorflowError


class PortInUseError(InputError):
    """Raised when another program listens on a port that is wanted."""

    def __init__(self, what: str, port: int, option: str) -> None:
        self.port = port
        super().__init__(f"port {port}, wanted by {what}, is in use; choose another with `{option} {port + 100}`")


class OpenAddressError(InputError):
    """Raised when the platform would listen beyond this machine without a password."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} is open to other machines: set RAPTORFLOW_AUTH=user:password (12 characters or more), "
            "or leave --host out to stay on 127.0.0.1"
        )


class NoKeysError(InputError):
    """Raised when the service would listen beyond this machine and there is no key that opens anything."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} is open to other machines, and the service has no keys: make one with `raptorflow keys create "
            "NAME --workspace ID --scope read`, or leave --host out to stay on 127.0.0.1"
        )


class DeploymentFileError(InputError):
    """Raised when a file under deployments/ cannot be applied; nothing after it was changed."""

    def __init__(self, about: str, reason: object) -> None:
        super().__init__(f"{about}: {reason}; correct it under deployments/ and run `raptorflow deploy` again")


class StartFailedError(RaptorflowError):
    """Raised when a server or a worker ends, or does not answer in time."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        super().__init__(f"{name} {reason}; its log: {log}")


class EmptySecretError(RaptorflowError):
    """Raised when the file with the platform's password is empty: nobody shall sign in with nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is empty; delete it, and the next start makes another")


class PlatformNotRunningError(RaptorflowError):
    """Raised when a command needs a Prefect server and none answers."""

    def __init__(self, address: str | None) -> None:
        where = f" at {address}" if address else ""
        super().__init__(f"no Prefect server answers{where}; start one with `raptorflow up`, or set PREFECT_API_URL")
