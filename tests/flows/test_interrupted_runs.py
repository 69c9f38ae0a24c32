"""What was under way when the platform ended is marked before any worker starts; what had not begun is not."""

from __future__ import annotations

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Completed, Paused, Pending, Running, Scheduled, Suspended

from flows.platform.interrupted import mark_interrupted

pytestmark = pytest.mark.usefixtures("at_prefect_api")


@flow(name="interrupted")
def nothing() -> None:
    """Never run."""


def test_a_run_whose_process_is_gone_is_crashed_also_one_that_waited_for_a_person() -> None:
    states = [Running(), Pending(), Paused(), Suspended(), Scheduled(), Completed()]
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(nothing), name="interrupted")
        runs = [client.create_flow_run_from_deployment(deployment).id for _ in states]
        by_hand = client.create_flow_run(nothing, state=Running()).id
        for run_id, state in zip(runs, states, strict=True):
            client.set_flow_run_state(run_id, state, force=True)
        assert mark_interrupted() == 3
        assert [client.read_flow_run(run_id).state_name for run_id in runs] == [
            *["Crashed"] * 3,
            "Suspended",
            "Scheduled",
            "Completed",
        ]
        assert client.read_flow_run(by_hand).state_name == "Running"
        assert mark_interrupted() == 0
        client.set_flow_run_state(by_hand, Completed(), force=True)
        client.delete_deployment(deployment)
