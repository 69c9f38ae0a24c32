"""What there is to choose from in a form now: workspaces, types, experiments, versions, experts, installations."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from tasks.experiments.service import ExperimentService
from tasks.models.store import registered_versions
from tasks.swarm.default_experts import default_experts
from tasks.swarm.store import experts
from tasks.transfer.exchange.service import FORGOTTEN, ExchangeService
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import content_type_names, workspace_frame

MOST_CHOICES = 1000  # a menu is searched, not scrolled; beyond this a browser takes seconds to open it


class Menu(StrEnum):
    """What a field of a form may offer; the field names it, so that what was added since is there when it is opened."""

    WORKSPACES = "workspaces"
    CONTENT_TYPES = "content types"
    EXPERIMENTS = "experiments"
    VERSIONS = "model versions"
    EXPERTS = "experts"
    INSTALLATIONS = "installations"


def choices(menu: Menu) -> list[str]:
    """The choices of a menu as they are in the warehouse, each once.

    Returns:
        none where there are more than `MOST_CHOICES`: the field is then one to write in.
    """
    there = list(dict.fromkeys(OWNERS[menu](open_warehouse())))
    return there if len(there) <= MOST_CHOICES else []


def _workspaces(warehouse: Warehouse) -> list[str]:
    names: list[str] = workspace_frame(warehouse)["workspace_id"].to_list()
    return names


def _experiments(warehouse: Warehouse) -> list[str]:
    """Names, of the newest first."""
    return [str(row["name"]) for row in ExperimentService(warehouse=warehouse).list_experiments()]


def _experts(warehouse: Warehouse) -> list[str]:
    """Roles and, of custom experts, ids; looking writes nothing, so those of the house need not be stored yet."""
    own = [agent.agent_id for agent in experts(warehouse) if not agent.is_default]
    return [*(agent.role.value for agent in default_experts()), *own]


def _installations(warehouse: Warehouse) -> list[str]:
    """Fingerprints of those whose releases were taken in and not forgotten."""
    return [one.fingerprint for one in ExchangeService(warehouse).taken_in() if one.state != FORGOTTEN]


OWNERS: dict[Menu, Callable[[Warehouse], list[str]]] = {
    Menu.WORKSPACES: _workspaces,
    Menu.CONTENT_TYPES: content_type_names,
    Menu.EXPERIMENTS: _experiments,
    Menu.VERSIONS: registered_versions,
    Menu.EXPERTS: _experts,
    Menu.INSTALLATIONS: _installations,
}
