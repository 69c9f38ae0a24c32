"""A model type is one file and one enum member, and a file that says something unknown is refused by name."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tasks.models import ModelType, specs
from tasks.models.errors import ModelSpecError
from tasks.models.specs import FOLDER, load_spec

ROOM = Path(specs.__file__).parent
ENGAGEMENT = "engagement_predictor.yaml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(specs, "FOLDER", tmp_path)
    load_spec.cache_clear()
    yield tmp_path
    load_spec.cache_clear()


def test_every_type_has_its_file_and_every_file_its_type() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {member.value.lower() for member in ModelType}
    assert all(load_spec(member).model_type == member for member in ModelType)


def test_no_code_beyond_the_enum_names_a_type() -> None:
    named = re.compile("|".join(rf"\b{member.value}\b" for member in ModelType))
    files = [path for path in ROOM.rglob("*.py") if path.name != "records.py"]
    assert [path.name for path in files if named.search(path.read_text(encoding="utf-8"))] == []


def test_types_are_listed_without_the_libraries_that_take_seconds() -> None:
    slow = {"mlflow", "prefect", "sklearn", "skops", "matplotlib"}
    listed = f"import sys; from tasks.models import ModelType; print(len(ModelType), {slow} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [str(len(ModelType)), "set()"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"estimator": {"kind": "magic"}}, "estimator.kind"),
        ({"minimum_rows": 1}, "minimum_rows"),
        ({"color": "green"}, "color"),
        ({"gate": {"confidence": 2}}, "gate.confidence"),
        ({"model_type": "MOOD_READER"}, "model_type"),
        ({"model_type": "TONE_CLASSIFIER"}, "its model_type is TONE_CLASSIFIER"),
    ],
)
def test_file_that_says_something_unknown_is_refused_by_name(
    folder: Path, change: dict[str, object], said: str
) -> None:
    content = yaml.safe_load((FOLDER / ENGAGEMENT).read_text(encoding="utf-8"))
    (folder / ENGAGEMENT).write_text(yaml.safe_dump(content | change), encoding="utf-8")
    with pytest.raises(ModelSpecError, match=rf"{ENGAGEMENT}: .*{said}"):
        load_spec(ModelType.ENGAGEMENT_PREDICTOR)


def test_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(ModelSpecError, match=rf"{ENGAGEMENT}: is missing"):
        load_spec(ModelType.ENGAGEMENT_PREDICTOR)
