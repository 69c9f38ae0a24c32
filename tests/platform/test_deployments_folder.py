"""deployments/ says what can be done: every entrypoint loads, every form can be filled in."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.utilities.schema_tools import validate

from flows.platform.catalogue import FOLDER, form, load, read_yaml, wanted_deployments
from flows.platform.errors import DeploymentFileError
from flows.runtime import ENTRYPOINTS

ENTRIES = {entry["name"]: entry for entry in read_yaml("prefect.yaml")["deployments"]}


def test_the_command_line_and_prefect_know_the_same_flows() -> None:
    assert {name: entry["entrypoint"] for name, entry in ENTRIES.items()} == ENTRYPOINTS


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entrypoint_loads_and_its_form_explains_itself(name: str) -> None:
    flow = load(ENTRIES[name]["entrypoint"])
    schema = form(flow)
    assert flow.name == name
    assert flow.description, "the docstring is what the UI shows"
    assert set(schema["properties"]) <= {"options"}, "only what a person fills in"
    for model in schema["definitions"].values():
        for field, shown in model.get("properties", {}).items():
            assert shown.get("title"), f"{name}.{field} has no title"
            assert shown.get("description") or shown.get("enum"), f"{name}.{field} has no description"


@pytest.mark.parametrize("name", ENTRIES)
def test_every_flow_starts_with_nothing_but_defaults(name: str) -> None:
    flow = load(ENTRIES[name]["entrypoint"])
    flow.validate_parameters({})
    assert form(flow).get("required", []) == []


@pytest.mark.parametrize("name", ENTRIES)
def test_a_form_as_it_is_shown_is_accepted_and_asks_nobody_for_null(name: str) -> None:
    schema = form(load(ENTRIES[name]["entrypoint"]))
    assert '"null"' not in json.dumps(schema), "the first UI would show a choice between a type and None"
    shown = {parameter: field["default"] for parameter, field in schema["properties"].items()}
    validate(shown, schema, raise_on_error=True)


def test_a_run_that_may_pause_for_a_person_holds_no_slot_it_would_lose() -> None:
    files = {name: inspect.getsourcefile(load(entry["entrypoint"]).fn) for name, entry in ENTRIES.items()}
    pausing = {name for name, file in files.items() if "from flows.approvals import" in Path(str(file)).read_text()}
    assert pausing == {"model-promotion", "debate-synthesis", "experiment-analysis", "experiment-orchestration"}
    assert [name for name in pausing if "concurrency_limit" in ENTRIES[name]] == []


def test_schedules_and_pools_are_real() -> None:
    from prefect.client.schemas.schedules import construct_schedule

    pools = {pool["name"] for pool in read_yaml("work-pools.yaml")["work_pools"]}
    for wanted in wanted_deployments():
        assert wanted.fields["work_pool_name"] in pools
        for schedule in wanted.schedules.values():
            construct_schedule(cron=schedule["cron"], timezone=schedule["timezone"])
            wanted.flow.validate_parameters(schedule.get("parameters", {}))


def test_automations_start_deployments_that_exist() -> None:
    actions = [action for entry in read_yaml("automations.yaml")["automations"] for action in entry["actions"]]
    started = [action["deployment"] for action in actions if "deployment" in action]
    assert set(started) <= {f"{name}/{name}" for name in ENTRIES}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"entrypoint": "flows.meta_lerning.meta_learning"}, "entrypoint flows.meta_lerning.meta_learning: ModuleNot"),
        ({"work_pool": None}, "deployment one: 'work_pool' is missing"),
    ],
)
def test_a_wrong_file_is_one_line_that_says_where(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    entry = {"name": "one", "entrypoint": "tests.platform.probes.no_op", "work_pool": {"name": "light"}} | change
    kept = {name: value for name, value in entry.items() if value}
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump({"deployments": [kept]}))
    with pytest.raises(DeploymentFileError) as raised:
        wanted_deployments(tmp_path)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_folder_holds_nothing_that_is_not_applied() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} >= {"prefect.yaml", "work-pools.yaml", "automations.yaml"}


def test_the_kubernetes_pools_are_ours_and_explain_every_word_of_their_jobs() -> None:
    ours = {pool["name"]: pool["concurrency_limit"] for pool in read_yaml("work-pools.yaml")["work_pools"]}
    pools = read_yaml("work-pools.yaml", FOLDER / "kubernetes")["work_pools"]
    assert {pool["name"]: pool["concurrency_limit"] for pool in pools} == ours
    for pool in pools:
        template = pool["base_job_template"]
        words = re.findall(r"{{ (\w+) }}", json.dumps(template["job_configuration"]))
        assert set(words) == set(template["variables"]["properties"])
