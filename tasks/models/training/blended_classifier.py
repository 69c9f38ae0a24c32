"""A workspace's own classifier and its organization's, mixed as the workspace's own later rows say. Pure.

Probabilities are mixed, by the share that made the latest labels likeliest beside a few rows of a prior. The siblings
know texts that this workspace has not seen; how common each label is here, its own rows say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.models.training.blending import BLEND, LITTLE, OWN, POOLED
from tasks.models.training.calibration import calibrated
from tasks.models.training.conversion_model import ConversionModel, decisions_after
from tasks.models.training.organization import WORKSPACE, PooledModels, inputs_of_both
from tasks.models.training.origins import origin
from tasks.models.training.text_columns import TextCounts, TextWeights
from tasks.models.training.text_model import TOWARD_RARE, TextModel

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Labels = NDArray[Any]
PRIOR_SHARE, PRIOR_ROWS = 0.6, 20.0
OWN_LABELS = 20.0  # rows of the organization's shares of labels, beside the workspace's own
SHARES = np.linspace(0.02, 0.98, 49)
FLOOR = 1e-6


@dataclass
class BlendedClassifier:
    """(1 − share) · own probabilities + share · the organization's.

    Attributes:
        inputs: as those of the two models, of both.
        own: None where it has no share; likewise `pooled`.
        workspace: whose rows are predicted, as a pooled model of touches knows it.
        shift: (classes,) how much commoner each label is here than in the organization.
    """

    inputs: dict[str, Any]
    own: Any
    pooled: Any
    workspace: str
    pooled_share: float
    shift: Floats
    classes_: list[str]
    label_weights: Floats
    recipe: dict[str, Any]

    @property
    def words(self) -> TextWeights:
        """Weights of words; of the model that also counts pieces of words, where one does."""
        weights: list[TextWeights] = [one.words for one in (self.pooled, self.own) if one is not None]
        return next((one for one in weights if one.pieces is not None), weights[0])

    def predict_proba(self, given: Any) -> Floats:
        """(n, classes) probabilities of a table of touches, or of the counts of texts."""
        mixed: Floats = np.zeros((1, len(self.classes_)))
        if self.own is not None:
            mixed = (1 - self.pooled_share) * spread(self.own.predict_proba(given), self.own.classes_, self.classes_)
        if self.pooled is not None:
            pooled = pooled_probabilities(self.pooled, self.workspace, given, self.classes_, self.shift)
            mixed = mixed + self.pooled_share * pooled
        probabilities: Floats = mixed / mixed.sum(axis=1, keepdims=True)
        return probabilities

    def word_contributions(self, texts: list[str], counts: TextCounts) -> tuple[list[str], Floats]:
        """Words of texts and what they contribute to each label's score, by the model with the larger share."""
        model = self.pooled if self.own is None or (self.pooled is not None and self.pooled_share > 0.5) else self.own
        words, weights = model.word_contributions(texts, counts)
        return words, spread(weights.T, model.classes_, self.classes_).T


def pooled_probabilities(pooled: Any, workspace: str, given: Any, classes: Sequence[str], shift: Floats) -> Floats:
    """(n, classes) probabilities of the organization's model, with labels as common as they are in the workspace."""
    if isinstance(pooled, ConversionModel):
        given = _as_pooled(pooled.inputs, workspace, given)
    shifted = spread(pooled.predict_proba(given), pooled.classes_, classes) * shift + FLOOR
    probabilities: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return probabilities


def _as_pooled(inputs: Mapping[str, Any], workspace: str, table: pd.DataFrame) -> pd.DataFrame:
    """A workspace's touches as the organization's model reads them; what is no number here is a missing one."""
    import pandas as pd

    numbers = {
        name: pd.to_numeric(table[name], errors="coerce") if name in table else np.nan for name in inputs["numbers"]
    }
    labels = {name: "" for name in inputs["labels"] if name not in table}
    return table.assign(**numbers, **labels | {WORKSPACE: workspace})


def spread(values: Floats, classes: Sequence[str], wanted: Sequence[str]) -> Floats:
    """(n, wanted) from columns (n, classes); zeros for a label that is not among them."""
    place = {name: i for i, name in enumerate(wanted)}
    both = [(i, place[name]) for i, name in enumerate(classes) if name in place]
    result = np.zeros((len(values), len(wanted)))
    result[:, [there for _, there in both]] = values[:, [here for here, _ in both]]
    return result


def blended_classifier(
    own: TextModel | ConversionModel, part_of: Callable[[int], Any], given: Any, target: Labels, siblings: PooledModels
) -> BlendedClassifier:
    """Mix a workspace's model of rows (n) in time order with its organization's, as the latest of the rows say.

    Args:
        own: fitted on all of them.
        part_of: what is learned from so many of the first rows.
        given: the table of touches, or the counts of texts.
        target: (n,) labels.
        siblings: the organization's model of the rows before those latest ones, and the one that is served.
    """
    n, start = len(target), origin(len(target))
    classes = sorted({*own.classes_, *siblings.before.classes_, *siblings.served.classes_})
    late = given.iloc[start:] if isinstance(own, ConversionModel) else given[slice(start, n)]
    truth = np.searchsorted(classes, target[start:])
    mine = _held_out(own, part_of(start), late, target[start:], classes)
    then, now = (_shift(own, target[:count], siblings.label_shares, classes) for count in (start, n))
    theirs = pooled_probabilities(siblings.before, siblings.workspace, late, classes, then)
    rows = np.arange(n - start)
    share = likeliest_share(mine[rows, truth], theirs[rows, truth])
    serves = OWN if share < LITTLE else POOLED if share > 1 - LITTLE else BLEND
    recipe = own.recipe | {"recipe": f"{own.recipe['recipe']}, with the organization's", "serves": serves}
    counts = np.array([(target == name).sum() for name in classes]) + 0.5
    is_text = isinstance(own, TextModel)
    return BlendedClassifier(
        inputs=inputs_of_both(own.inputs, siblings.served.inputs),
        own=None if serves == POOLED else own,
        pooled=None if serves == OWN else siblings.served,
        workspace=siblings.workspace,
        pooled_share=share,
        shift=now,
        classes_=classes,
        label_weights=(counts / counts.sum()) ** -TOWARD_RARE if is_text else np.ones(len(classes)),
        recipe=recipe | {"own_share": 1 - share, "organization_share": share},
    )


def likeliest_share(own: Floats, pooled: Floats) -> float:
    """Share of the second model in a mixture, by the probabilities (n,) that both gave to what came true."""
    mixed = np.log(np.clip((1 - SHARES) * own[:, None] + SHARES * pooled[:, None], FLOOR, 1.0)).sum(axis=0)
    prior = PRIOR_ROWS * (PRIOR_SHARE * np.log(SHARES) + (1 - PRIOR_SHARE) * np.log(1 - SHARES))
    return float(SHARES[np.argmax(mixed + prior)])


def _held_out(own: TextModel | ConversionModel, part: Any, late: Any, target: Labels, classes: list[str]) -> Floats:
    """(m, classes) own probabilities of rows not learned from, each calibrated on the other half of them."""
    if len(part.classes) < 2:
        return spread(np.ones((len(target), len(part.classes))), list(part.classes), classes)
    decisions = (
        part.decisions(late, own.recipe["C"])
        if isinstance(own, TextModel)
        else decisions_after(part, late, own.recipe["trees"])
    )
    truth = np.searchsorted(part.classes, target).clip(max=len(part.classes) - 1)
    is_known = part.classes[truth] == target
    odd, everyone = np.arange(len(target)) % 2 == 1, np.ones(len(part.classes), dtype=bool)
    probabilities = np.zeros_like(decisions)
    for half in (odd, ~odd):
        learned = ~half & is_known
        probabilities[half] = calibrated(decisions[learned], truth[learned], everyone).probabilities(decisions[half])
    return spread(probabilities, list(part.classes), classes)


def _shift(own: Any, target: Labels, usual: Mapping[str, float], classes: Sequence[str]) -> Floats:
    """(classes,) how much commoner each label is among rows (n,) than usual; ones where the model knows whose."""
    if isinstance(own, ConversionModel):
        return np.ones(len(classes))
    expected = np.array([usual.get(name, 0.0) for name in classes])
    counts = np.array([(target == name).sum() for name in classes])
    here = (counts + OWN_LABELS * expected) / (len(target) + OWN_LABELS)
    shift: Floats = np.divide(here, expected, out=np.zeros(len(classes)), where=expected > 0)
    return shift
