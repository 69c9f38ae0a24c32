"""A mapping file to begin with: the preset that fits, or the columns to be named, with what they could be.

Pure but for reading the preset.
"""

from __future__ import annotations

from tasks.plain_text import visible
from tasks.warehouse.contract import contract_of
from tasks.warehouse.inspection import Inspection
from tasks.warehouse.mapping_suggestions import fit_for_yaml, in_yaml
from tasks.warehouse.presets import preset_named

ALSO_SAID = {"workspace_id": "COLUMN   # unless --workspace says it"}
SAME_FOR_ALL = {"content_type": "{constant: social}", "channel": "{constant: NAME}"}


def mapping_draft(seen: Inspection, kind: str) -> str:
    """The text of a mapping file for an inspected file; what nobody can know is left to be filled in."""
    name = fit_for_yaml(visible(seen.path.name))
    if seen.preset is not None:
        own = preset_named(seen.preset).path.read_text(encoding="utf-8")
        return f"# How {name} is read: a copy of the preset {seen.preset}, to be changed at will.\n{own}"
    contract = contract_of(kind)
    columns = [use.column for use in seen.uses]
    ours = {use.becomes for use in seen.uses if use.role == "canonical"}
    lines = [
        f"# How {name} is read. Fill in what stands behind #, and take the # away.",
        f"kind: {kind}",
    ]
    if seen.encoding != "utf-8":
        lines.append(f"encoding: {seen.encoding}")
    if seen.header_line is not None and seen.header_line > 1:
        lines.append(f"skip_rows: {seen.header_line - 1}")
    lines += ["# timezone: Europe/Berlin   # of times that name none", "columns:"]
    for name, column in contract.columns.items():
        needed = ["needed"] if column.required else []
        if name in ours:
            lines.append(f"  # {name}: it has this column already")
        elif name in ALSO_SAID:
            lines.append(f"  # {name}: {ALSO_SAID[name]}")
        elif name in seen.suggestions:
            one = seen.suggestions[name]
            lines.append(f"  # {name}: {one.text}   # {'; '.join([*needed, f'perhaps: {one.reason}'])}")
        else:
            same = [f"or {SAME_FOR_ALL[name]} for all rows"] if name in SAME_FOR_ALL else []
            why = "; ".join([*needed, *same])
            lines.append(f"  # {name}: COLUMN" + (f"   # {why}" if why else ""))
    lines += [f"# its columns: {in_yaml(columns)}"]
    lines += ["# features: []   # those known before publication; the others are kept and are no features"]
    return "\n".join(lines) + "\n"
