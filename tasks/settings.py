"""What can be configured, from the environment or `.env`; everything has a default for a laptop."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

CHECKOUT = Path(__file__).resolve().parents[1]


class Settings(BaseSettings):
    """Addresses and places. README's table says the same in words."""

    model_config = SettingsConfigDict(env_file=CHECKOUT / ".env", extra="ignore")

    home: Path = Field(default=CHECKOUT / ".raptorflow", validation_alias=AliasChoices("RAPTORFLOW_HOME"))
    warehouse_url: str | None = Field(default=None, validation_alias=AliasChoices("RAPTORFLOW_DATABASE_URL"))
    mlflow_url: str | None = Field(default=None, validation_alias=AliasChoices("MLFLOW_TRACKING_URI"))
    task_runner: Literal["threads", "dask"] = Field(
        default="threads", validation_alias=AliasChoices("RAPTORFLOW_TASK_RUNNER")
    )
    dask_address: str | None = Field(default=None, validation_alias=AliasChoices("RAPTORFLOW_DASK_ADDRESS"))
    llm_model: str | None = Field(default=None, validation_alias=AliasChoices("RAPTORFLOW_LLM_MODEL"))
    llm_base_url: str | None = Field(default=None, validation_alias=AliasChoices("OPENAI_BASE_URL"))
    llm_api_key: str | None = Field(default=None, repr=False, validation_alias=AliasChoices("OPENAI_API_KEY"))

    @property
    def database_url(self) -> str:
        """SQLAlchemy address of the warehouse; an SQLite file in the home unless configured."""
        return self.warehouse_url or f"sqlite:///{self.home.resolve() / 'warehouse.db'}"

    @property
    def mlflow_tracking_uri(self) -> str:
        """Address of the MLflow store; an SQLite file in the home unless configured."""
        return self.mlflow_url or f"sqlite:///{self.home.resolve() / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Folder of model files when MLflow is embedded."""
        return self.home.resolve() / "mlflow-artifacts"

    @property
    def snapshots(self) -> Path:
        """Folder of Parquet snapshots."""
        return self.home.resolve() / "snapshots"

    @property
    def inbox(self) -> Path:
        """Folder of files that wait to be taken in, by kind."""
        return self.home.resolve() / "inbox"

    @property
    def rejects(self) -> Path:
        """Folder of rejected rows."""
        return self.home.resolve() / "rejects"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once; tests call `get_settings.cache_clear()`."""
    return Settings()
