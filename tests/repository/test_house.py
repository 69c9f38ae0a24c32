"""CONTRIBUTING's house, held: each claim fails with the places that break it and what to do about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.repository.house import House, require_none
from tests.repository.public_api import FACES, PUBLIC, WAITS_FOR_AN_ENDPOINT

ROOT = Path(__file__).resolve().parents[2]
OTHER_SPELLINGS_OF_AS_DICT = re.compile(r"(to|into)_dict|(to|as|into)_(dictionary|json|mapping|map)|(dict|json)ify")
LOCALS_THAT_SAY_NOTHING = ("found", "told", "said", "asked")


@pytest.fixture(scope="module")
def house() -> House:
    return House(ROOT)


def test_no_task_starts_an_event_loop(house: House) -> None:
    started = house.calls(r"asyncio\.(run|Runner|new_event_loop)|\w*loop\.run_until_complete|anyio\.run")
    require_none(
        (f"{module.name}:{line}" for module, line in started if module.name.startswith("tasks")),
        "Call the capability's synchronous service instead; only its face is async.",
    )


def test_only_faces_hand_work_to_a_thread(house: House) -> None:
    may = {*FACES.values(), *WAITS_FOR_AN_ENDPOINT}
    handed = house.calls(r"asyncio\.to_thread|\w*loop\.run_in_executor|(anyio\.)?to_thread\.run_sync")
    require_none(
        (
            f"{module.name}:{line}"
            for module, line in handed
            if module.name.startswith("tasks") and module.name not in may
        ),
        "Make this synchronous and let the face call it, or list it in public_api.py, with the endpoint it waits for.",
    )


def test_what_a_thread_gets_is_a_method_one_can_go_to(house: House) -> None:
    require_none(
        (f"{module.name}:{line}" for module, line in house.hidden_calls()),
        "Hand asyncio.to_thread the service's method and its arguments; no lambda, no function nested for it.",
    )


def test_every_module_has_an_importer(house: House) -> None:
    alone = [name for name, by in house.importers.items() if not by and not house.modules[name].is_package]
    require_none(
        sorted(set(alone) - house.entry_points),
        "Nothing imports this module, deploys it or starts it: use it, or delete it with its tests.",
    )


def test_nothing_public_lives_for_tests_alone(house: House) -> None:
    require_none(
        house.unused(PUBLIC),
        "Nothing in tasks/ or flows/ uses this: delete it with its tests, use it, or list it in public_api.py with the "
        "reason why people call it.",
    )


def test_what_is_listed_as_public_exists(house: House) -> None:
    classes = {node.name: (module, node) for module, node in house.classes}
    there = {f"{name}.{getattr(one, 'name', '')}" for name, (_, node) in classes.items() for one in node.body}
    require_none(sorted(PUBLIC.keys() - there - classes.keys()), "public_api.py names it, the house has it no longer.")
    require_none(
        (f"{name} in {classes[name][0].name}" for name, module in FACES.items() if classes[name][0].name != module),
        "A guide's class stands in the module named for it; see FACES in public_api.py.",
    )


def test_a_class_name_is_defined_once(house: House) -> None:
    require_none(
        (f"{name}: {', '.join(modules)}" for name, modules in house.classes_defined_twice.items()),
        "Who searches for a class finds one: give each the name of what it is in its own capability.",
    )


def test_a_result_becomes_a_dictionary_by_as_dict(house: House) -> None:
    named = ((module, one.name) for module, one in house.functions)
    require_none(
        (f"{module.name}: {name}" for module, name in named if OTHER_SPELLINGS_OF_AS_DICT.fullmatch(name)),
        "Call it as_dict.",
    )


def test_no_modules_import_each_other(house: House) -> None:
    require_none(
        (" ⇄ ".join(group) for group in house.cycles),
        "Move what both need beneath them; an import inside a function is an import.",
    )


def test_local_variables_say_what_they_hold(house: House) -> None:
    require_none(
        (
            f"{module.name}: {name} in {function}"
            for module, function, name in house.locals_named(LOCALS_THAT_SAY_NOTHING)
        ),
        "Say what it is: pattern, rows, report, matches, request, answer …",
    )
