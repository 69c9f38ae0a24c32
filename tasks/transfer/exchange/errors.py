"""What can be wrong with a release that another installation sent, or with what is asked of them. Nothing is written.

InputError
├── ReleaseFileError        the file is no release, was cut, edited or forged, or says what cannot be
├── UntrustedReleaseError   nobody here has said that its signer is to be trusted
├── RepeatedReleaseError    it, or another one of its installation and period, was taken in before
├── NoReleaseError          there is no such release
└── SigningKeyError         the private key of this home cannot be used
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tasks.errors import InputError


class ReleaseFileError(InputError):
    """Raised when a file cannot be taken for a release, whoever signed it."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"{path}: {problem}; nothing was taken in, ask the sender to export the release again")


class UntrustedReleaseError(InputError):
    """Raised when a file is whole, and its signer is not among those trusted here."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint
        super().__init__(
            f"{path}: signed by {fingerprint}, which is not trusted here; compare it with what the sender reads to you "
            "(`raptorflow releases list` there), then add it to RAPTORFLOW_TRUSTED_RELEASES"
        )


class RepeatedReleaseError(InputError):
    """Raised when an installation's release of a period was taken in, or forgotten, before."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}; nothing was changed")

    @classmethod
    def of_the_same(cls, path: Path, imported_at: datetime) -> RepeatedReleaseError:
        """The very release."""
        return cls(path, f"this release was taken in on {imported_at:%Y-%m-%d}")

    @classmethod
    def of_forgotten(cls, path: Path, forgotten_at: datetime) -> RepeatedReleaseError:
        """A release that somebody here wanted gone."""
        day = f"{forgotten_at:%Y-%m-%d}"
        return cls(path, f"this release was forgotten on {day}; to take it in all the same, say --again")

    @classmethod
    def of_another_draw(cls, path: Path, period: str) -> RepeatedReleaseError:
        """Other numbers for the same contributors: noise that was drawn twice protects nobody."""
        return cls(path, f"its installation has sent another release of period {period} before; a period has only one")

    @classmethod
    def of_ours(cls, path: Path) -> RepeatedReleaseError:
        """What this installation knows already."""
        return cls(path, "this installation signed it, and knows it already")


class NoReleaseError(InputError):
    """Raised when there is no release to hand out or to forget."""


class SigningKeyError(InputError):
    """Raised when the file of the private key holds something else, or cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(
            f"{path} is not this installation's private key ({reason}); restore it, or delete it to begin with a new "
            "one that receivers have to trust anew"
        )
