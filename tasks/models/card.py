"""The model card: what a registered version is, in Markdown, beside it in MLflow."""

from __future__ import annotations

import math

from tasks.models.importance import Importance
from tasks.models.records import ModelKey
from tasks.models.specs import ModelSpec
from tasks.models.training import Evaluation
from tasks.plain_text import code, markdown

MAX_CHARACTERS = 5_000  # MLflow's limit
WHAT = {
    "engagement": "the expected engagement of a post before it goes out",
    "converted": "the probability that a contact converts",
}
MOST_IMPORTANT = 5


def model_card(
    key: ModelKey, spec: ModelSpec, found: Evaluation, weights: Importance | None, tags: dict[str, str]
) -> str:
    """What it predicts, how well on later rows, what it listens to, its limits and where it is from."""
    what = WHAT.get(spec.target, f"the {spec.target} of a text")
    rows = f"Learnt from {tags['n_train']} rows, {tags['train_from'][:10]} to {tags['train_to'][:10]}."
    parts = [
        f"**{key.model_type.value} of {markdown(key.workspace_id)}** predicts {what}. {rows}",
        f"**Held-out performance.** On {found.n} later rows its recipe loses {found.loss:.4g} a row, the better "
        f"trivial predictor {found.baseline_loss:.4g} (gain at least {found.gain_lower:.2g}, 95 %). "
        f"On the latest of them: {_figures(found)}.",
        _listens(weights),
        "**Limits.** Associations in this workspace's past, not causes; rows unlike those it learnt from are guesses. "
        "`detect_drift` says when it no longer fits.",
        f"**From.** {_provenance(tags)}. Plots: the source run, *Artifacts*, `figures/`.",
    ]
    return "\n\n".join(part for part in parts if part)[:MAX_CHARACTERS]


def _figures(found: Evaluation) -> str:
    known = {name: value for name, value in found.metrics.items() if math.isfinite(value)}
    return ", ".join(f"{name} {value:.3g}" for name, value in known.items()) or "none defined"


def _listens(weights: Importance | None) -> str:
    if weights is None or not len(weights.names):
        return ""
    named = zip(weights.names[:MOST_IMPORTANT], weights.values.tolist(), strict=False)
    return f"**Listens most to** {', '.join(f'{code(name)} ({value:.2g})' for name, value in named)}: {weights.unit}."


def _provenance(tags: dict[str, str]) -> str:
    known = {"data sha256": "data_sha256", "git commit": "git_commit", "flow run": "flow_run_id"}
    return ", ".join(f"{what} {code(tags[name])}" for what, name in known.items() if tags.get(name))
