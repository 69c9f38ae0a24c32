"""A laptop needs no settings, and only our own names are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.settings import CHECKOUT, Settings


def test_nothing_configured_means_the_checkout_s_own_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAPTORFLOW_HOME")
    monkeypatch.setenv("HOME", "/elsewhere")  # a field called `home` must not swallow the shell's HOME
    settings = Settings()
    assert settings.home == CHECKOUT / ".raptorflow"
    assert settings.database_url == f"sqlite:///{CHECKOUT / '.raptorflow' / 'warehouse.db'}"


def test_addresses_can_be_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", "postgresql+psycopg://h/d")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    settings = Settings()
    assert (settings.database_url, settings.mlflow_tracking_uri) == (
        "postgresql+psycopg://h/d",
        "http://127.0.0.1:5000",
    )


def test_keys_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "sk-secret" not in repr(Settings())
