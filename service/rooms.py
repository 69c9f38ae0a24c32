"""The capabilities as routes call them: one service of each a process, imported when first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from service.first_imports import ONE_AT_A_TIME
from service.warehouse_access import WarehouseAccess

if TYPE_CHECKING:
    from tasks.access import AccessService
    from tasks.effects.loop.service import LoopService
    from tasks.experiments.orchestration_service import OrchestrationService
    from tasks.experiments.service import ExperimentService
    from tasks.learnings.service import LearningService
    from tasks.models.service import ModelService
    from tasks.patterns.service import PatternService
    from tasks.swarm.debate_service import DebateService
    from tasks.transfer.service import TransferService


class Rooms:
    """Services of one warehouse. Polars, numpy and scipy come with them, so that they are imported in use."""

    def __init__(self, warehouse: WarehouseAccess) -> None:
        self.warehouse = warehouse
        self.owners: dict[str, str] = {}  # workspaces by experiment; it never changes

    @cached_property
    def access(self) -> AccessService:
        """Keys and the audit log."""
        with ONE_AT_A_TIME:
            from tasks.access import AccessService

        return AccessService(self.warehouse.open())

    @cached_property
    def experiments(self) -> ExperimentService:
        """Experiments."""
        with ONE_AT_A_TIME:
            from tasks.experiments.service import ExperimentService

        return ExperimentService(warehouse=self.warehouse.open())

    @cached_property
    def orchestration(self) -> OrchestrationService:
        """What the loop asked and made of the answers."""
        with ONE_AT_A_TIME:
            from tasks.experiments.orchestration_service import OrchestrationService

        return OrchestrationService(warehouse=self.warehouse.open())

    @cached_property
    def loop(self) -> LoopService:
        """What to try next, and what was proven."""
        with ONE_AT_A_TIME:
            from tasks.effects.loop.service import LoopService

        return LoopService(self.warehouse.open())

    @cached_property
    def patterns(self) -> PatternService:
        """Patterns and recommendations."""
        with ONE_AT_A_TIME:
            from tasks.patterns.service import PatternService

        return PatternService(warehouse=self.warehouse.open())

    @cached_property
    def transfer(self) -> TransferService:
        """What similar workspaces know."""
        with ONE_AT_A_TIME:
            from tasks.transfer.service import TransferService

        return TransferService(warehouse=self.warehouse.open())

    @cached_property
    def learnings(self) -> LearningService:
        """What was learned, by words."""
        with ONE_AT_A_TIME:
            from tasks.learnings.service import LearningService

        return LearningService(self.warehouse.open())

    @cached_property
    def models(self) -> ModelService:
        """Models; MLflow is imported by what needs their files."""
        with ONE_AT_A_TIME:
            from tasks.models.service import ModelService

        return ModelService(warehouse=self.warehouse.open())

    @cached_property
    def debates(self) -> DebateService:
        """Debates."""
        with ONE_AT_A_TIME:
            from tasks.swarm.debate_service import DebateService
            from tasks.swarm.registry_service import RegistryService

        return DebateService(RegistryService(self.warehouse.open()))


async def rooms_of(request: Request) -> Rooms:
    """The rooms of the application that answers; for `Depends`."""
    rooms: Rooms = request.app.state.rooms
    return rooms


AllRooms = Annotated[Rooms, Depends(rooms_of)]
