"""Figures of a checkout's house, to compare two states: `python tests/repository/house_figures.py [ROOT]`."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[2]))

from tests.repository.house import House  # noqa: E402 - found through the line above
from tests.repository.public_api import PUBLIC  # noqa: E402


def main(root: Path) -> None:
    house = House(root)
    rooms = Counter(module.room for module in house.modules.values())
    lines: Counter[str] = Counter()
    for module in house.modules.values():
        lines[module.room] += len(module.source.splitlines())
    print("| room | files | lines |\n|---|---:|---:|")
    for room in sorted(rooms):
        print(f"| {room} | {rooms[room]} | {lines[room]} |")
    print(f"| all | {rooms.total()} | {lines.total()} |\n")
    modules = {name: by for name, by in house.importers.items() if not house.modules[name].is_package}
    without = sorted(name for name, by in modules.items() if not by and name not in house.entry_points)
    runs, threads = (
        sum(module.name.startswith("tasks") for module, _ in house.calls(rf"asyncio\.{name}"))
        for name in ("run", "to_thread")
    )
    unused = house.unused(PUBLIC)
    twice = house.classes_defined_twice
    print("| what | count | which |\n|---|---:|---|")
    print(f"| modules with exactly one importer | {sum(len(by) == 1 for by in modules.values())} | |")
    print(f"| modules without an importer | {len(without)} | {', '.join(without)} |")
    print(f"| groups of modules that import each other | {len(house.cycles)} | {house.cycles or ''} |")
    print(f"| asyncio.run under tasks/ | {runs} | |")
    print(f"| asyncio.to_thread under tasks/ | {threads} | |")
    print(f"| class names defined twice | {len(twice)} | {', '.join(twice)} |")
    print(f"| public functions, classes, methods for tests alone | {len(unused)} | {'; '.join(map(str, unused))} |")
    print(f"| functions with a local variable `found` | {len(list(house.locals_named(['found'])))} | |")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else HERE.parents[2])
