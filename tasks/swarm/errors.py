"""What can go wrong in the swarm.

RaptorflowError
└── DebateFailedError      a debate ended without a decision because its model did not answer
InputError
├── TeamInfeasibleError    no team of the allowed size covers the required skills
├── DebateMismatchError    a debate id that belongs to another question
├── ModelNotReachableError a model is named, but nothing says where it answers
├── EndpointUnusableError  the model's address or key cannot be used as it is written
└── DebateHeldError        another run holds this debate, and has not ended in time
"""

from __future__ import annotations

from collections.abc import Mapping

from tasks.errors import InputError, RaptorflowError


class DebateFailedError(RaptorflowError):
    """Raised by the flow, after its report, so that a failed debate is a failed run; the record is kept."""

    def __init__(self, debate_id: str, reason: str | None) -> None:
        self.debate_id, self.reason = debate_id, reason
        super().__init__(
            f"debate '{debate_id}' came to no decision ({reason}); run it again to ask only what is missing"
        )


class TeamInfeasibleError(InputError):
    """Raised when the required skills cannot all be covered; a partial team is never returned."""

    def __init__(self, uncovered: Mapping[str, float], min_level: float, max_team_size: int) -> None:
        self.uncovered = dict(uncovered)
        if uncovered:
            best = ", ".join(f"{skill} (best {level:.2f})" for skill, level in sorted(uncovered.items()))
            message = f"no agent reaches effective level {min_level:.2f} in: {best}; register one or lower `min_level`"
        else:
            message = f"no team of at most {max_team_size} covers all required skills; raise `max_team_size`"
        super().__init__(message)


class DebateMismatchError(InputError):
    """Raised when a debate is resumed with another question than it was begun with."""

    def __init__(self, debate_id: str) -> None:
        self.debate_id = debate_id
        super().__init__(
            f"debate '{debate_id}' was begun with another problem, experts, options or context; "
            "leave `debate_id` out to begin a new one"
        )


class ModelNotReachableError(InputError):
    """Raised when a model is configured without a key or an address."""

    def __init__(self, model: str) -> None:
        self.model = model
        super().__init__(
            f"model '{model}' is configured, but neither OPENAI_API_KEY nor OPENAI_BASE_URL is set; "
            "set one, or unset RAPTORFLOW_LLM_MODEL to let the evidence panel decide"
        )


class EndpointUnusableError(InputError):
    """Raised when the address or the key of a model cannot be one; neither is quoted whole."""

    @classmethod
    def for_address(cls, shown: str) -> EndpointUnusableError:
        """The address is none."""
        return cls(f"OPENAI_BASE_URL '{shown}' is no address; write it as https://host/v1")

    @classmethod
    def for_key(cls) -> EndpointUnusableError:
        """The key holds signs that cannot be sent."""
        return cls("OPENAI_API_KEY holds a line break or a sign beyond ASCII; copy it again, as one line")


class DebateOvertakenError(InputError):
    """Raised where a run stood still for so long that another one has taken its debate over."""

    def __init__(self, debate_id: str) -> None:
        self.debate_id = debate_id
        super().__init__(
            f"debate '{debate_id}' was taken over by another run, because this one stood still for too long; ask again "
            "when that one is over, to read its result"
        )


class DebateHeldError(InputError):
    """Raised when another run has held the same debate for longer than this one may wait."""

    def __init__(self, debate_id: str, seconds: float) -> None:
        self.debate_id = debate_id
        super().__init__(
            f"debate '{debate_id}' is being held by another run and was not over after {seconds:g} s; "
            "ask again when it is, to read its result"
        )
