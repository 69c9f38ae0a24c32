"""What can go wrong when workspaces learn from each other.

RaptorflowError
├── PrivacyInvariantError   a number that the privacy proof rests on does not hold; nothing is released
├── NobodySharesError       there is nobody whose knowledge could be released; nothing is charged
├── BudgetSpentError        the period's budget is spent; the last release keeps being served
└── BrokenChainError        a release or its ledger is not what was published; nothing is drawn
"""

from __future__ import annotations

from tasks.errors import RaptorflowError


class PrivacyInvariantError(RaptorflowError):
    """Raised before a release whose contributions are larger or more than the noise was made for."""

    def __init__(self, bound: str) -> None:
        # The contribution is somebody's: it is not for a message.
        super().__init__(f"no release: a contribution exceeds {bound}, which the noise is made for; report this bug")


class NobodySharesError(RaptorflowError):
    """Raised when no workspace shares its insights: a period's only release must not be spent on nobody."""

    def __init__(self, period: str) -> None:
        self.period = period
        super().__init__(f"no release in period {period}: no workspace shares its insights")


class BudgetSpentError(RaptorflowError):
    """Raised when units were already charged in a period that has no release: a second draw is not paid for."""

    def __init__(self, period: str) -> None:
        self.period = period
        super().__init__(
            f"the privacy budget of period {period} is spent and its release is gone; "
            "the last release is served until the next period"
        )


class BrokenChainError(RaptorflowError):
    """Raised where a release, or the charges that paid for it, are not what their hashes say: nothing is drawn."""

    def __init__(self, period: str) -> None:
        self.period = period
        super().__init__(
            f"no release: that of period {period}, or its ledger, was changed after it was written; "
            "restore a backup from before with `raptorflow restore FILE`"
        )
