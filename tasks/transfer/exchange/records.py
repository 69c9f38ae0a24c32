"""What the exchange of releases returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


def at_least(number: int) -> str:
    """A bound on organizations in words."""
    return f"at least {number}" if number else "unknown, too few for its noise"


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One release, written to a file.

    Attributes:
        file: where.
        fingerprint: of this installation; what receivers trust.
        period, epsilon, delta: of the release.
        epsilon_so_far: what a contributor of all this installation's releases so far has spent in all, at that delta.
        contributors_at_least: bound on organizations behind it, from its own noisy counts.
        is_new: false where this very file was handed out before; nothing is spent either way.
    """

    file: str
    fingerprint: str
    period: str
    epsilon: float
    delta: float
    epsilon_so_far: float
    contributors_at_least: int
    is_new: bool

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class HeldRelease:
    """A release that is known here: this installation's own, or one that was taken in.

    Attributes:
        fingerprint: of the installation that signed it; empty for own releases where nothing was signed yet.
        period: first day of its 30 days.
        state: `own`, `in use`, `not trusted` or `forgotten`.
        age_days: since its noise was drawn.
        epsilon, delta: what it cost each contributor.
        epsilon_so_far: what all releases of its installation up to it cost together, at that delta.
        contributors_at_least: with 97.5 % confidence; 0 where its noise leaves nothing to say.
        gain: mean over this installation's workspaces of the AUC that its installation's releases added on held-out
            posts; None where none has enough of them, and for own releases.
        gain_error: its standard error.
        measured, refusing: workspaces it was measured for, and those of them that leave it alone.
        handed_out: how often an own release was exported as another file.
    """

    fingerprint: str
    period: str
    state: str
    age_days: float
    epsilon: float
    delta: float
    epsilon_so_far: float
    contributors_at_least: int
    gain: float | None
    gain_error: float | None
    measured: int
    refusing: int
    handed_out: int

    @property
    def benefit_in_words(self) -> str:
        """What it was measured to bring here."""
        if self.gain is None:
            return "not enough data: no workspace has 50 posts older than a week"
        refusing = f", {self.refusing} refuse it" if self.refusing else ""
        workspaces = f"{self.measured} workspace{'s' if self.measured != 1 else ''}"
        return f"AUC {self.gain:+.3f} ± {self.gain_error or 0.0:.3f}, held-out posts of {workspaces}{refusing}"

    @property
    def contributors_in_words(self) -> str:
        """How many organizations are behind it."""
        return at_least(self.contributors_at_least)

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What one contributor paid in one period.

    Attributes:
        period: first day of its 30 days.
        rho: what was paid.
        epsilon_so_far: at `delta`, over all periods up to it.
        delta: probability that the bound does not hold.
        exported_at: when the release was first handed to others; None where it never was. That costs nothing more.
        files: as how many different files.
    """

    period: str
    rho: float
    epsilon_so_far: float
    delta: float
    exported_at: datetime | None
    files: int

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)
