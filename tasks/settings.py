"""What can be configured, from the environment or `.env`; everything has a default for a laptop."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

# Scheme and user, password, and the last `@` with what follows: a host has none, a password may.
WITH_PASSWORD = re.compile(r"^([\w+]+://[^:/@]*:)(.*)(@[^@]*)$", re.DOTALL)
CHECKOUT = Path(__file__).resolve().parents[1]


class Settings(BaseSettings):
    """Addresses and places. README's table says the same in words."""

    model_config = SettingsConfigDict(env_file=CHECKOUT / ".env", extra="ignore")

    home: Path = Field(default=CHECKOUT / ".raptorflow", validation_alias=AliasChoices("RAPTORFLOW_HOME"))
    # Addresses may hold passwords, and a repr ends in logs.
    warehouse_url: str | None = Field(
        default=None, repr=False, validation_alias=AliasChoices("RAPTORFLOW_DATABASE_URL")
    )
    mlflow_url: str | None = Field(default=None, repr=False, validation_alias=AliasChoices("MLFLOW_TRACKING_URI"))
    auth: str | None = Field(default=None, repr=False, validation_alias=AliasChoices("RAPTORFLOW_AUTH"))
    allowed_hosts: str = Field(default="", validation_alias=AliasChoices("RAPTORFLOW_ALLOWED_HOSTS"))
    trusted_proxies: str = Field(default="", validation_alias=AliasChoices("RAPTORFLOW_TRUSTED_PROXIES"))
    allowed_origins: str = Field(default="", validation_alias=AliasChoices("RAPTORFLOW_ALLOWED_ORIGINS"))
    input_folders: str = Field(default="", validation_alias=AliasChoices("RAPTORFLOW_INPUT_FOLDERS"))
    trusted_releases: str = Field(default="", validation_alias=AliasChoices("RAPTORFLOW_TRUSTED_RELEASES"))
    hook_networks: str = Field(default="", validation_alias=AliasChoices("RAPTORFLOW_HOOK_NETWORKS"))
    log_format: Literal["text", "json"] = Field(default="text", validation_alias=AliasChoices("RAPTORFLOW_LOG_FORMAT"))
    task_runner: Literal["threads", "dask"] = Field(
        default="threads", validation_alias=AliasChoices("RAPTORFLOW_TASK_RUNNER")
    )
    dask_address: str | None = Field(default=None, validation_alias=AliasChoices("RAPTORFLOW_DASK_ADDRESS"))
    llm_model: str | None = Field(default=None, validation_alias=AliasChoices("RAPTORFLOW_LLM_MODEL"))
    llm_base_url: str | None = Field(default=None, validation_alias=AliasChoices("OPENAI_BASE_URL"))
    llm_api_key: str | None = Field(default=None, repr=False, validation_alias=AliasChoices("OPENAI_API_KEY"))
    llm_api_version: str | None = Field(default=None, validation_alias=AliasChoices("OPENAI_API_VERSION"))
    # Of one answer; for a million tokens; of a debate. Nobody's price list is built in: prices are what you pay. Texts,
    # so that a wrong one stops debates and nothing else; `tasks.swarm.limits` reads them.
    llm_max_completion_tokens: str = Field(
        default="", validation_alias=AliasChoices("RAPTORFLOW_LLM_MAX_COMPLETION_TOKENS")
    )
    llm_prompt_price: str = Field(default="", validation_alias=AliasChoices("RAPTORFLOW_LLM_PROMPT_PRICE"))
    llm_completion_price: str = Field(default="", validation_alias=AliasChoices("RAPTORFLOW_LLM_COMPLETION_PRICE"))
    llm_lookups: str = Field(default="", validation_alias=AliasChoices("RAPTORFLOW_LLM_LOOKUPS"))
    llm_max_cost: str = Field(default="", validation_alias=AliasChoices("RAPTORFLOW_LLM_MAX_COST"))

    @property
    def database_url(self) -> str:
        """SQLAlchemy address of the warehouse; an SQLite file in the home unless configured."""
        return encoded(self.warehouse_url or "") or f"sqlite:///{self.home.resolve() / 'warehouse.db'}"

    @property
    def mlflow_tracking_uri(self) -> str:
        """Address of the MLflow store; an SQLite file in the home unless configured."""
        return encoded(self.mlflow_url or "") or f"sqlite:///{self.home.resolve() / 'mlflow.db'}"

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
    def public_names(self) -> list[str]:
        """Names under which the servers are reached through a proxy."""
        return [name.strip().lower() for name in self.allowed_hosts.split(",") if name.strip()]

    @property
    def proxies(self) -> list[IPv4Network | IPv6Network]:
        """Networks of proxies that may say for which person a program asks.

        Raises:
            ValueError: if one is no address and no network.
        """
        return _networks("RAPTORFLOW_TRUSTED_PROXIES", self.trusted_proxies)

    @property
    def hook_targets(self) -> list[IPv4Network | IPv6Network]:
        """Networks that webhooks may lead to besides the public internet, over plain HTTP too.

        Raises:
            ValueError: if one is no address and no network.
        """
        return _networks("RAPTORFLOW_HOOK_NETWORKS", self.hook_networks)

    @property
    def foreign_pages(self) -> list[str]:
        """Origins of pages, such as a shop's, whose scripts may ask the service if they bring a key."""
        return [origin.strip() for origin in self.allowed_origins.split(",") if origin.strip()]

    @property
    def trusted_fingerprints(self) -> list[str]:
        """Fingerprints of the installations whose releases are taken in, as they are set, in lower case."""
        return [one.strip().lower() for one in self.trusted_releases.split(",") if one.strip()]

    @property
    def readable_folders(self) -> list[Path]:
        """Folders that forms may name files of: the inbox, and those declared."""
        declared = [Path(folder.strip()) for folder in self.input_folders.split(os.pathsep) if folder.strip()]
        return [self.inbox.resolve(), *(folder.expanduser().resolve() for folder in declared)]

    @property
    def rejects(self) -> Path:
        """Folder of rejected rows."""
        return self.home.resolve() / "rejects"


def _networks(name: str, texts: str) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(text.strip(), strict=False) for text in texts.split(",") if text.strip()]
    except ValueError as error:
        raise ValueError(f"{name}: {error}; write addresses or networks, with commas") from error


def without_password(address: str) -> str:
    """The address as it may be shown."""
    return WITH_PASSWORD.sub(r"\1***\3", address)


def hidden(message: str, address: str) -> str:
    """A message that may quote an address, without its password, as it was written or as it was meant."""
    match = WITH_PASSWORD.match(address)
    if match is None or not match[2]:
        return message
    return message.replace(match[2], "***").replace(unquote(match[2]), "***")


def encoded(address: str) -> str:
    """The address of a database with its password as addresses have to write it; percent signs are left as they are.

    A password may be written as it is: what it holds of `@`, `/`, `?`, `#` and `:` is not taken for the address's own.
    """
    return WITH_PASSWORD.sub(lambda match: f"{match[1]}{quote(match[2], safe='%')}{match[3]}", address)


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once; tests call `get_settings.cache_clear()`."""
    return Settings()


def mlflow_model_page(registered_name: str) -> str | None:
    """Where an MLflow server shows a registered model, without a login; None where no server is known.

    MLflow's pages stand beside its menu for prompts and traces unless an address says that it is about training.
    """
    scheme, _, rest = get_settings().mlflow_tracking_uri.partition("://")
    address = f"{scheme}://{rest.rpartition('@')[2].rstrip('/')}/#/models/{quote(registered_name, safe='')}"
    return f"{address}?workflowType=machine_learning" if scheme.startswith("http") else None
