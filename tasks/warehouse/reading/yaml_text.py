"""YAML that a person wrote: safe, without anchors, no key twice, and every complaint names its line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

LARGEST_BYTES = 1 << 20
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(ValueError):
    """Raised when a text is no YAML for us; its message says where."""


class YamlText:
    """A YAML document: its plain value, and the line of each key."""

    def __init__(self, text: str) -> None:
        if len(text) > LARGEST_BYTES:
            raise YamlError("is longer than 1 MiB, no mapping is")
        try:
            self._refuse_anchors(text)
            self._root, self.value = self._parsed(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            raise YamlError("is not YAML" + (f" (line {mark.line + 1})" if mark is not None else "")) from error
        except RecursionError as error:
            raise YamlError("is nested too deeply") from error

    def line_of(self, place: Sequence[int | str]) -> int | None:
        """The line, from 1, of a key or of the deepest part of it that exists."""
        node, line = self._root, None
        for part in place:
            child = self._child(node, part)
            if child is None:
                continue
            line, node = child
        return line

    @staticmethod
    def _child(node: Any, part: int | str) -> tuple[int, Any] | None:
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                if name.value == str(part):
                    return name.start_mark.line + 1, value
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            value = node.value[part]
            return value.start_mark.line + 1, value
        return None

    def _parsed(self, text: str) -> tuple[Any, Any]:
        """The document's nodes and its plain value, from one pass over the text."""
        loader = Loader(text)  # a safe one, see above
        try:
            root = loader.get_single_node()
            self._refuse_repetition(root)
            return root, None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()

    @staticmethod
    def _refuse_anchors(text: str) -> None:
        if not {"&", "*"} & set(text):
            return
        for token in yaml.scan(text, Loader=Loader):
            if isinstance(token, yaml.AnchorToken | yaml.AliasToken):
                raise YamlError(f"line {token.start_mark.line + 1}: anchors (& and *) are not taken; write it out")

    def _refuse_repetition(self, node: Any) -> None:
        if isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for name, value in node.value:
                line = name.start_mark.line + 1
                if name.value in lines:
                    raise YamlError(f"line {line}: '{name.value}' stands already in line {lines[name.value]}")
                lines[name.value] = line
                self._refuse_repetition(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                self._refuse_repetition(value)
