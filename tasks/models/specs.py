"""What a model is made of, read from `mlflow/models/<type>.yaml`."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.models.errors import ModelSpecError
from tasks.models.records import ModelType

FOLDER = Path(__file__).resolve().parents[2] / "mlflow" / "models"


class Features(BaseModel):
    """Columns a model reads.

    `text` is title and body as words; `by_value` are numbers of which each value counts for itself; `attributes` adds
    every attribute of the rows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    text: bool = False
    by_value: tuple[str, ...] = ()
    attributes: bool = False


class Estimator(BaseModel):
    """Which family of estimators, and its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["level_and_residual", "calibrated_gradient_boosting", "text_classifier"]
    parameters: dict[str, float | int | str] = {}


class Gate(BaseModel):
    """When a challenger may take over."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    non_inferiority_margin: float = Field(default=0.02, ge=0.0, le=0.5, description="Share of the champion's loss.")
    minimum_age_days: int = Field(default=30, ge=0)
    narrowest_at: int = Field(default=500, ge=30, description="Rows at which the bound over all looks is narrowest.")


class ServingLimits(BaseModel):
    """What a version that serves must keep to, or the one before it is put back."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    maximum_error_share: float = Field(default=0.05, ge=0.0, le=1.0, description="Of its latest batches.")
    maximum_seconds: float = Field(default=5.0, gt=0.0, description="Of 95 in 100 batches, per 1,000 rows.")


class ModelSpec(BaseModel):
    """One model type. `not_watched` are inputs no drift test covers, such as the calendar, which always moves."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    model_type: ModelType
    rows: Literal["content", "touches"]
    target: Literal["engagement", "converted", "tone", "sentiment", "topic"]
    task: Literal["regression", "classification"]
    features: Features
    not_watched: tuple[str, ...] = ()
    estimator: Estimator
    gate: Gate = Gate()
    serving: ServingLimits = ServingLimits()
    minimum_rows: int = Field(ge=20)
    minimum_pooled_rows: int = Field(default=40, ge=20, description="Where the organization's workspaces have more.")
    maximum_rows: int = Field(ge=100)

    def least_rows(self, *, pooled: bool) -> int:
        """How many labeled rows a model needs, alone or beside its organization's."""
        return min(self.minimum_rows, self.minimum_pooled_rows) if pooled else self.minimum_rows

    @property
    def sha256(self) -> str:
        """Hash of everything that makes the model: another spec is another model, another limit is not."""
        return hashlib.sha256(self.model_dump_json(exclude={"serving"}).encode()).hexdigest()


@cache
def load_spec(model_type: ModelType) -> ModelSpec:
    """The spec of a model type.

    Raises:
        ModelSpecError: if the file is missing or says something unknown.
    """
    path = FOLDER / f"{model_type.value.lower()}.yaml"
    if not path.is_file():
        raise ModelSpecError(path.name, "is missing: each model type needs its file under mlflow/models")
    try:
        content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        spec = ModelSpec.model_validate(content)
    except (ValidationError, yaml.YAMLError) as error:
        raise ModelSpecError(path.name, " ".join(str(error).split())) from error
    if spec.model_type != model_type:
        raise ModelSpecError(path.name, f"is named for {model_type.value}, but its model_type is {spec.model_type}")
    return spec
