"""What a release says of itself, as JSON that can be written in one way only.

Read back, the text has to be what these values are written as: a key that stands there twice, a NaN, a number written
otherwise, blanks, and whatever else two readers could understand differently is refused by that one comparison.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from math import isclose
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.transfer.catalogue import CATALOGUE_VERSION
from tasks.transfer.privacy import PERIOD, epsilon_after, period_of

FORMAT: Literal[1] = 1
MOST_BYTES = 8192
RELATIVE = 1e-9
SKEW = PERIOD / 30  # clocks of two installations may differ by a day

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Positive = Annotated[float, Field(gt=0.0, lt=1e9, allow_inf_nan=False)]


class Manifest(BaseModel):
    """A release's parameters. Nothing exact about who is in it: the number of contributors is one's secret too.

    Attributes:
        format: of the file.
        catalogue_version: of the patterns that its sums are about.
        period: first day of its 30 days.
        as_of: when its noise was drawn.
        epsilon, delta, rho: what it cost each contributor.
        noise_scale: standard deviation of each sum's noise, in workspaces.
        contributors_at_least: bound that its own noisy counts give, with 97.5 % confidence; 0 says nothing.
        releases_so_far, rho_so_far: of the installation, this one included; what a contributor of all of them spent.
        code_version: hash of the code that made it.
        sums_sha256: hash of the sums.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    format: Literal[1] = FORMAT
    catalogue_version: Annotated[int, Field(ge=1, le=1_000_000)]
    period: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    as_of: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?\+00:00$")]
    epsilon: Positive
    delta: Annotated[float, Field(gt=0.0, lt=0.01)]
    rho: Positive
    noise_scale: Positive
    contributors_at_least: Annotated[int, Field(ge=0, le=1_000_000_000)]
    releases_so_far: Annotated[int, Field(ge=1, le=10_000)]
    rho_so_far: Positive
    code_version: Sha256
    sums_sha256: Sha256

    @property
    def instant(self) -> datetime:
        """`as_of` as an instant."""
        return datetime.fromisoformat(self.as_of)

    def as_bytes(self) -> bytes:
        """Its one spelling."""
        return canonical(self.model_dump())


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, no blanks and no NaN: equal values are equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def read_manifest(text: bytes) -> Manifest:
    """The manifest that was written so.

    Raises:
        ValueError: with one line on what is wrong.
    """
    try:
        value = json.loads(text)
        if canonical(value) != text:
            raise ValueError(
                "its description is not written as releases are: an edited one, or a key that stands twice"
            )
    except (RecursionError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError("its description is not JSON") from error
    _require_known(value)
    try:
        manifest = Manifest.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'its description'}: {first['msg']}") from error
    _require_sense(manifest)
    return manifest


def _require_known(value: Any) -> None:
    """Versions come first: what else another version holds is not for this one to judge."""
    stated = value.get("format") if isinstance(value, dict) else None
    if type(stated) is not int or stated != FORMAT:
        raise ValueError(f"format {str(stated)[:20]!r}, where this version reads {FORMAT}; both sides need one version")
    version = value.get("catalogue_version")
    if version != CATALOGUE_VERSION:
        raise ValueError(
            f"it is about version {str(version)[:20]!r} of the catalogue, this installation knows {CATALOGUE_VERSION}; "
            "both sides need one version"
        )


def _require_sense(manifest: Manifest) -> None:
    """Numbers that contradict each other, or a calendar that nobody has."""
    try:
        first_day = datetime.combine(date.fromisoformat(manifest.period), datetime.min.time(), UTC)
        drawn = manifest.instant
    except ValueError as error:
        raise ValueError("its period or instant is no day of the calendar") from error
    if period_of(first_day) != manifest.period or period_of(drawn) != manifest.period:
        raise ValueError(f"it was drawn at {manifest.as_of}, which is not in period {manifest.period}")
    if drawn > datetime.now(UTC) + SKEW:
        raise ValueError(f"it was drawn at {manifest.as_of}, which is yet to come")
    if not isclose(epsilon_after(manifest.rho, manifest.delta), manifest.epsilon, rel_tol=1e-6):
        raise ValueError("epsilon, delta and rho do not belong together")
    if manifest.rho_so_far < manifest.rho * (1.0 - RELATIVE):
        raise ValueError("it cost more than all releases of its installation together")
