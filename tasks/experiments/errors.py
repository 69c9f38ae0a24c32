"""What can be wrong with a request to an experiment; nothing was written when one of these is raised.

InputError
├── DamagedExperimentError     what is stored of it is no design
├── InvalidDesignError         the experiment cannot be run as described
├── UnassignedUnitError        an outcome of a unit that was never given an arm
├── InvalidOutcomeError        the value is not one the metric can take
├── UnstorableTextError        a text with a sign that no database keeps
├── OutcomeOutsideWindowError  before the start or the unit's exposure, in the future, or too late
└── WrongTimeError
    ├── WrongStateError        not started, already completed, design frozen
    └── OutcomeConflictError   the same key came back with another value
"""

from __future__ import annotations

from tasks.errors import InputError, UnknownNameError, WrongTimeError


class DamagedExperimentError(InputError):
    """Raised where what is stored of an experiment cannot be read as its design."""

    def __init__(self, name: str, experiment_id: str, problem: Exception) -> None:
        self.name, self.experiment_id = name, experiment_id
        lacks = f"it lacks {problem}" if isinstance(problem, KeyError) else str(problem)
        super().__init__(
            f"experiment '{name}' ({experiment_id}): its stored design is damaged, {lacks}; bring the warehouse back "
            "with `raptorflow restore`, or create the experiment again under another name"
        )


class InvalidDesignError(InputError):
    """Raised when an experiment cannot be run as it is described."""


class WrongStateError(WrongTimeError):
    """Raised when the experiment is not in the state that the request needs."""

    def __init__(self, experiment_id: str, status: str, wanted: str, fix: str) -> None:
        self.experiment_id, self.status = experiment_id, status
        super().__init__(f"experiment '{experiment_id}' is {status}, {wanted}; {fix}")


class UnassignedUnitError(InputError):
    """Raised for an outcome of a unit that was never given an arm."""

    def __init__(self, unit_id: str) -> None:
        self.unit_id = unit_id
        super().__init__(f"unit '{unit_id}' has no arm in this experiment; assign it first")

    @classmethod
    def none_waiting(cls, variant_id: str) -> UnassignedUnitError:
        """No unit id was given, and no unnamed unit of that arm still lacks its outcome."""
        error = cls("")
        error.args = (f"no unnamed unit of arm '{variant_id}' lacks its outcome; name the unit, or assign one first",)
        return error


class InvalidOutcomeError(InputError):
    """Raised when a value is not one that the metric can take."""


class UnstorableTextError(InputError):
    """Raised for a text that PostgreSQL refuses and SQLite mangles: it holds NUL, or half of a surrogate pair."""

    def __init__(self, what: str, text: str) -> None:
        self.what, self.text = what, text
        sign = "a NUL character" if "\x00" in text else "half of a surrogate pair, which is no character"
        super().__init__(f"{what} holds {sign}: {text!a}; no database keeps it, leave it out")


class OutcomeOutsideWindowError(InputError):
    """Raised for an outcome before the start or its unit's exposure, in the future, or after the end or its window."""


class OutcomeConflictError(WrongTimeError):
    """Raised when an outcome that is already recorded comes back with another value."""

    def __init__(self, unit_id: str, key: str, recorded: float, given: float) -> None:
        self.unit_id, self.key, self.recorded, self.given = unit_id, key, recorded, given
        super().__init__(
            f"unit '{unit_id}' already has outcome '{key}' = {recorded!r}, not {given!r}; "
            "send it with `amend` to replace it, or with a key of its own if it is another outcome"
        )


def start_it(experiment_id: str) -> str:
    """How an experiment that is a draft is started, in Python or on the command line."""
    return f"call start_experiment, or `raptorflow experiment start {experiment_id}`"


def unknown_experiment(experiment_id: object) -> UnknownNameError:
    """Name no other experiment: it may be another tenant's."""
    return UnknownNameError("experiment", experiment_id, fix="list yours with `raptorflow experiment`")
