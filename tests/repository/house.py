"""What the source of a checkout says about itself: its modules, who imports whom, and who uses what."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
import yaml

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

# Decorators that only wrap: what carries another one is registered somewhere, and called from there.
TRANSPARENT = {"property", "cached_property", "staticmethod", "classmethod", "dataclass", "total_ordering", "override"}
TRANSPARENT |= {"task", "flow", "contextmanager", "asynccontextmanager", "cache", "lru_cache", "overload"}

# Bases that call none of our methods; where a class has another library's base, that library may call its methods.
SILENT_BASES = {"BaseModel", "BaseSettings", "Exception", "ValueError", "Enum", "StrEnum", "str", "NamedTuple"}
SILENT_BASES |= {"Generic", "RuntimeError", "KeyError", "Mapping", "dict", "TypedDict"}


@dataclass(frozen=True)
class Module:
    """One Python file under tasks/, service/ or flows/."""

    name: str
    path: Path
    source: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def room(self) -> str:
        top, _, below = self.name.partition(".")
        return ".".join(self.name.split(".")[:2]) if top == "tasks" and below else top


@dataclass(frozen=True)
class Unused:
    """A public function, class or method that nothing in the house calls."""

    module: str
    qualified: str
    kind: str

    def __str__(self) -> str:
        return f"{self.module}: {self.qualified}"


class House:
    """All modules under tasks/, service/ and flows/ of a checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._bound: dict[str, set[str]] = {}
        files = sorted(path for top in ("flows", "service", "tasks") for path in (root / top).rglob("*.py"))
        self.modules = {module.name: module for module in map(self._read, files)}

    def _read(self, path: Path) -> Module:
        source = path.read_text(encoding="utf-8")
        relative = path.relative_to(self.root).with_suffix("")
        parts = relative.parts[:-1] if relative.name == "__init__" else relative.parts
        return Module(".".join(parts), path, source, ast.parse(source))

    # -- who imports whom ------------------------------------------------------------------------------------------

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """By module, the modules of the house that it imports anywhere in it, in functions too."""
        return {name: {one for one, _, _ in self._imported(module)} - {name} for name, module in self.modules.items()}

    @cached_property
    def importers(self) -> dict[str, set[str]]:
        """By module, those that import it, or name it as text: what a process is started with, what Prefect loads."""
        importers: dict[str, set[str]] = {name: set() for name in self.modules}
        for name, module in self.modules.items():
            for imported in self.imports[name] | self._named_in_text(module):
                importers[imported].add(name)
        return importers

    @cached_property
    def entry_points(self) -> set[str]:
        """Modules that something outside the house loads: the command, Prefect's deployments, Alembic."""
        scripts = re.findall(r'^\w+ = "([\w.]+):\w+"$', (self.root / "pyproject.toml").read_text(), re.MULTILINE)
        deployments = yaml.safe_load((self.root / "deployments" / "prefect.yaml").read_text())["deployments"]
        deployed = {one["entrypoint"].rpartition(".")[0] for one in deployments}
        migrations = {name for name in self.modules if name.startswith("tasks.warehouse.migrations.")}
        return {*scripts, *deployed, *migrations}

    @cached_property
    def cycles(self) -> list[list[str]]:
        """Groups of modules that import each other, whether at once or when called."""
        order: dict[str, int] = {}
        low: dict[str, int] = {}
        stack: list[str] = []
        groups: list[list[str]] = []

        def visit(name: str) -> None:  # Tarjan's strongly connected components
            order[name] = low[name] = len(order)
            stack.append(name)
            for other in sorted(self.imports[name]):
                if other not in order:
                    visit(other)
                    low[name] = min(low[name], low[other])
                elif other in stack:
                    low[name] = min(low[name], order[other])
            if low[name] == order[name]:
                at = stack.index(name)
                groups.append(sorted(stack[at:]))
                del stack[at:]

        for name in self.modules:
            if name not in order:
                visit(name)
        return sorted(group for group in groups if len(group) > 1)

    def _imported(self, module: Module) -> Iterator[tuple[str, str, str]]:
        """Module of the house, name taken from it ("" for the module itself), and the local name it gets."""
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                names = ((alias.name, "", alias.asname or alias.name) for alias in node.names)
                yield from (one for one in names if one[0] in self.modules)
            elif isinstance(node, ast.ImportFrom):
                yield from self._taken_from(self._absolute(module, node), node)

    def _taken_from(self, source: str, node: ast.ImportFrom) -> Iterator[tuple[str, str, str]]:
        for alias in node.names:
            local = alias.asname or alias.name
            if f"{source}.{alias.name}" in self.modules and alias.name not in self._bound_by(source):
                yield f"{source}.{alias.name}", "", local
            elif source in self.modules:
                yield source, alias.name, local

    def _bound_by(self, package: str) -> set[str]:
        """Names that a package takes from its modules: where one is called like a module, it hides it."""
        if package not in self._bound:
            nodes = [node for node in self.modules[package].tree.body if isinstance(node, ast.ImportFrom)]
            within = [node for node in nodes if self._absolute(self.modules[package], node) != package]
            self._bound[package] = {alias.asname or alias.name for node in within for alias in node.names}
        return self._bound[package]

    @staticmethod
    def _absolute(module: Module, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = module.name.split(".")
        kept = len(parts) - node.level + module.is_package
        return ".".join([*parts[:kept], *([node.module] if node.module else [])])

    def _named_in_text(self, module: Module) -> set[str]:
        texts = {node.value for node in _constants(module.tree)}
        named = {part for text in texts for part in (text, text.rpartition(".")[0]) if "." in part}
        return (named & self.modules.keys()) - {module.name}

    # -- who uses what ---------------------------------------------------------------------------------------------

    def unused(self, public: Iterable[str] = ()) -> list[Unused]:
        """Public functions, classes and methods that nothing in the house uses, or only what is itself unused.

        Args:
            public: what people use, as `Class`, `Class.method` or `function`.
        """
        known = set(public)
        definitions = {key: one for key, one in self._definitions().items() if one.qualified not in known}
        uses = self._uses()
        unused: set[str] = set()
        while True:
            living = Counter(target for target, user in uses if not _inside(user, unused))
            newly = {key for key in definitions if key not in unused and not living[key] and not living[_method(key)]}
            if not newly:
                return sorted((definitions[key] for key in unused), key=str)
            unused |= newly
            # a class that is unused says enough; its methods need no line of their own
            unused -= {key for key in unused if key.rpartition(".")[0] in unused}
            for key in [key for key in definitions if key.rpartition(".")[0] in unused]:
                del definitions[key]

    def _definitions(self) -> dict[str, Unused]:
        definitions = {}
        for module in self.modules.values():
            if module.name.startswith("tasks.warehouse.migrations."):
                continue
            for node in module.tree.body:
                if not isinstance(node, Definition) or node.name.startswith("_") or _is_registered(node):
                    continue
                kind = "class" if isinstance(node, ast.ClassDef) else "function"
                definitions[f"{module.name}.{node.name}"] = Unused(module.name, node.name, kind)
                if isinstance(node, ast.ClassDef) and not self._is_called_from_elsewhere(node):
                    for method in _methods(node):
                        key = f"{module.name}.{node.name}.{method.name}"
                        definitions[key] = Unused(module.name, f"{node.name}.{method.name}", "method")
        return definitions

    @cached_property
    def _class_names(self) -> set[str]:
        return {node.name for _, node in self.classes}

    def _is_called_from_elsewhere(self, node: ast.ClassDef) -> bool:
        bases = {_last_name(base) for base in node.bases}
        return bool(bases - SILENT_BASES - self._class_names)

    def _uses(self) -> list[tuple[str, str]]:
        """(what is used, by which definition): a function by its full name, a method by its name alone."""
        uses: list[tuple[str, str]] = []
        for module in self.modules.values():
            bound = {local: (source, name) for source, name, local in self._imported(module)}
            for user, node in _walk_named(module):
                uses += [(target, user) for target in self._targets(module, bound, node) if target != user]
        return uses

    def _targets(self, module: Module, bound: dict[str, tuple[str, str]], node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            source, name = bound.get(node.id, (module.name, node.id))
            yield self._origin(source, name)
        elif isinstance(node, ast.Attribute):
            yield f"*.{node.attr}"
            if (text := _dotted(node.value)) in bound and not bound[text][1]:
                yield self._origin(bound[text][0], node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield f"*.{node.value}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.replace(":", ".")  # flows.meta_learning.meta_learning for Prefect, module:name for uvicorn

    def _origin(self, source: str, name: str) -> str:
        """Where a name is defined that a module may only hand on."""
        taken = self._hands_on.get((source, name))
        return f"{source}.{name}" if taken is None else self._origin(*taken)

    @cached_property
    def _hands_on(self) -> dict[tuple[str, str], tuple[str, str]]:
        return {
            (module.name, local): (source, name)
            for module in self.modules.values()
            for source, name, local in self._imported(module)
            if name and source != module.name
        }

    # -- names -----------------------------------------------------------------------------------------------------

    @property
    def classes(self) -> Iterator[tuple[Module, ast.ClassDef]]:
        """Every class of the house with its module."""
        for module in self.modules.values():
            for node in ast.walk(module.tree):
                if isinstance(node, ast.ClassDef):
                    yield module, node

    @property
    def functions(self) -> Iterator[tuple[Module, ast.FunctionDef | ast.AsyncFunctionDef]]:
        """Every function and method of the house with its module."""
        for module in self.modules.values():
            for node in ast.walk(module.tree):
                if isinstance(node, FUNCTIONS):
                    yield module, node

    @cached_property
    def classes_defined_twice(self) -> dict[str, list[str]]:
        """By class name, the modules that define it, where those are several."""
        where: dict[str, list[str]] = defaultdict(list)
        for module, node in self.classes:
            where[node.name].append(module.name)
        return {name: modules for name, modules in sorted(where.items()) if len(modules) > 1}

    def calls(self, pattern: str) -> Iterator[tuple[Module, int]]:
        """Module and line of every call, or handing on, of a name that fits the pattern whole."""
        fits = re.compile(pattern)
        for module in self.modules.values():
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Attribute) and fits.fullmatch(_dotted(node)):
                    yield module, node.lineno

    def hidden_calls(self) -> Iterator[tuple[Module, int]]:
        """Module and line of each lambda, or function nested for it, that is handed to another thread."""
        for module, function in self.functions:
            nested = {one.name for one in ast.walk(function) if isinstance(one, FUNCTIONS) and one is not function}
            for node in _own_nodes(function):
                if isinstance(node, ast.Call) and _dotted(node.func) == "asyncio.to_thread" and node.args:
                    work = node.args[0]
                    if isinstance(work, ast.Lambda) or (isinstance(work, ast.Name) and work.id in nested):
                        yield module, node.lineno

    def locals_named(self, names: Iterable[str]) -> Iterator[tuple[Module, str, str]]:
        """Module, function and name of each local variable called so."""
        wanted = set(names)
        for module, function in self.functions:
            stored = {node.id for node in _own_nodes(function) if _is_stored(node)} & wanted
            yield from ((module, function.name, name) for name in sorted(stored))


def require_none(offenders: Iterable[object], what_to_do: str) -> None:
    """Fail with what to do, then every place."""
    places = [str(offender) for offender in offenders]
    if places:
        pytest.fail("\n  ".join([f"{len(places)} to change. {what_to_do}", *places]), pytrace=False)


def _constants(tree: ast.AST) -> Iterator[ast.Constant]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _methods(node: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    own = [one for one in node.body if isinstance(one, FUNCTIONS)]
    return [one for one in own if not one.name.startswith("_") and not _is_registered(one)]


def _is_registered(node: Definition) -> bool:
    names = {_last_name(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list}
    return bool(names - TRANSPARENT) and not any(name in {"setter", "getter"} for name in names)


def _last_name(node: ast.expr) -> str:
    return _dotted(node.value if isinstance(node, ast.Subscript) else node).rpartition(".")[2]


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return f"{_dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Nodes of a function without those of the functions in it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, Definition):
            yield child
            yield from _own_nodes(child)


def _walk_named(module: Module) -> Iterator[tuple[str, ast.AST]]:
    """Every node with the full name of the top-level definition, or method, that it stands in."""

    def walk(node: ast.AST, user: str, depth: int) -> Iterator[tuple[str, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Assign) and any(_dotted(target) == "__all__" for target in child.targets):
                continue
            yield user, child
            deeper = isinstance(child, Definition) and depth < 2
            yield from walk(child, f"{user}.{child.name}" if deeper else user, depth + deeper)  # type: ignore[attr-defined]

    return walk(module.tree, module.name, 0)


def _method(key: str) -> str:
    """A method is known by its name alone; a function is not, which the second dot tells."""
    module, _, name = key.rpartition(".")
    return f"*.{name}" if module.rpartition(".")[2][:1].isupper() else key


def _inside(user: str, unused: set[str]) -> bool:
    return user in unused or user.rpartition(".")[0] in unused
