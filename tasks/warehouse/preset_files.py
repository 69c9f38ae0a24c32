"""Where presets stand and what they are called; light to import, for forms and the inbox."""

from __future__ import annotations

from pathlib import Path

from tasks.settings import get_settings

FOLDER = Path(__file__).resolve().parents[2] / "deployments" / "presets"


def preset_names() -> list[str]:
    """All presets, by name."""
    return sorted({path.stem for folder in folders() for path in folder.glob("*.yaml")})


def folders() -> list[Path]:
    """Where presets stand: a person's own go before ours."""
    return [get_settings().home / "presets", FOLDER]
