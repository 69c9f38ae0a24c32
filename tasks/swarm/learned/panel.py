"""The panel's own models of which text does better, one for each kind of skill, and how much each is worth.

Each model says something of every text that was compared, while that text was held out. A probit on that gives the
weights; what models say together, again held out, is compared with the best of them alone and with the findings alone.
Where nothing is won, nothing is learned, and the findings decide as they do elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.effects.arms import text_features
from tasks.swarm.evidence import CHANNEL, LEAST_RELEVANT, TIMING
from tasks.swarm.learned.comparisons import Comparisons, shown_by
from tasks.swarm.learned.history import findings_say
from tasks.swarm.learned.models import FOLDS, Lesson, Predicted, by_likeness, by_ridge, predicted
from tasks.swarm.learned.stacking import PairsOfTexts, losses, stacked
from tasks.swarm.learned.text_columns import of_attributes, of_form, of_one_length, of_pieces
from tasks.swarm.posterior import OWN_SD
from tasks.swarm.records import EvidenceRef, LearnedModel, LearnedPanel, Option
from tasks.swarm.skills import SkillTag

ENOUGH_COMPARISONS = 20
WINS_BY = 1.6449  # standard errors by which what was learned must beat what the findings say without it
HISTORY = "history"
LONGER_SAYS_MORE = 0.5
NEARLY = 0.85
NATURAL_SCALE = math.sqrt(2.0) * OWN_SD  # by which a log ratio between two texts is divided to be a probit

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_T = SkillTag
# Which skills hold which model; a model is what its holder knows of a text. Everybody shares the findings.
SKILLS_OF_MODEL: dict[str, frozenset[SkillTag]] = {
    "wording": frozenset(
        {_T.PERSUASIVE_WRITING, _T.HEADLINE_WRITING, _T.STORYTELLING, _T.CTA_OPTIMIZATION, _T.EMOTIONAL_TRIGGERS}
        | {_T.BRAND_VOICE, _T.MEME_CULTURE}
    ),
    "form": frozenset(
        {_T.KEYWORD_RESEARCH, _T.SEMANTIC_SEO, _T.TECHNICAL_SEO, _T.STYLE_GUIDELINES, _T.TONE_CONSISTENCY}
        | {_T.TECHNICAL_WRITING, _T.DOCUMENTATION, _T.SIMPLIFICATION, _T.COGNITIVE_BIASES}
    ),
    "timing": frozenset({_T.TREND_ANALYSIS}),
    "medium": frozenset({_T.VIRAL_MECHANICS, _T.SHAREABILITY}),
    "examples": frozenset({_T.DATA_ANALYSIS, _T.DATA_VISUALIZATION, _T.INSIGHT_GENERATION, _T.BEHAVIORAL_PSYCHOLOGY}),
}
IN_WORDS = {
    "wording": "wording",
    "form": "length and form",
    "timing": "timing",
    "medium": "medium",
    "examples": "earlier texts like these",
    HISTORY: "what findings say of their features",
}


def models_held(skills: Mapping[str, float]) -> tuple[str, ...]:
    """Models that an expert holds: of what it can do nearly as well as what it can do best.

    Args:
        skills: effective levels.
    """
    able = {name: max(skills.get(skill, 0.0) for skill in of) for name, of in SKILLS_OF_MODEL.items()}
    best = max(able.values())
    return tuple(name for name, level in able.items() if level >= max(LEAST_RELEVANT, NEARLY * best))


@dataclass(frozen=True, slots=True)
class _Known:
    """P pairs of texts, and what each of K models says of them.

    Attributes:
        pairs: differences, held out, in units of `scale` (K,).
        comparison, fold: (P,) where each pair is from.
        prior: (K,) weights before anything was learned: what findings say counts as it stands.
        others: (m, K) what the models say of the options, in the same units.
    """

    names: tuple[str, ...]
    pairs: PairsOfTexts
    comparison: Codes
    fold: Codes
    scale: Floats
    prior: Floats
    others: Floats

    def of(self, names: Iterable[str]) -> _Known:
        """Some of the models alone."""
        chosen = [place for place, name in enumerate(self.names) if name in set(names)]
        pairs = PairsOfTexts(self.pairs.differences[:, chosen], self.pairs.weight)
        kept = tuple(self.names[place] for place in chosen)
        arrays = (self.scale[chosen], self.prior[chosen], self.others[:, chosen])
        return _Known(kept, pairs, self.comparison, self.fold, *arrays)

    def weights(self) -> Floats:
        """(K,) from all pairs."""
        return stacked(self.pairs, self.prior)

    def sure(self) -> Floats:
        """(P,) how sure the models together are of what did better, while its fold was held out; a probit."""
        sure = np.zeros(len(self.fold))
        for fold in range(FOLDS):
            out = self.fold == fold
            if out.any():
                sure[out] = self.pairs.differences[out] @ stacked(self.pairs.only(~out), self.prior)
        return sure

    def right(self, sure: Floats) -> float:
        """Share of pairs told right; a half of those that nothing is said of."""
        right = np.where(np.abs(sure) < 1e-12, 0.5, sure > 0.0)
        return float(self.pairs.weight @ right / self.pairs.weight.sum())


def learned_panel(
    compared: Comparisons,
    options: Sequence[Option],
    skills: Mapping[str, Mapping[str, float]],
    evidence: Sequence[EvidenceRef],
    prior_sd: float,
) -> LearnedPanel | None:
    """What the experts' models say of texts to choose from; None where too little was compared, or nothing is won.

    Args:
        compared: of the workspace.
        options: texts.
        skills: effective levels by expert.
        evidence: findings, of which those with conditions count as much as they have proved to.
        prior_sd: of effects.
    """
    if len(np.unique(compared.group)) < ENOUGH_COMPARISONS:
        return None
    held = {agent: models_held(levels) for agent, levels in skills.items()}
    models = [name for name in SKILLS_OF_MODEL if any(name in own for own in held.values())]
    all_known = _known(compared, options, models, evidence, prior_sd)
    if not len(all_known.fold):
        return None
    alone = {name: all_known.of([name]) for name in all_known.names}
    sure_alone = {name: one.sure() for name, one in alone.items()}
    sure = all_known.sure()
    loss_alone = {name: _loss(all_known, one) for name, one in sure_alone.items()}
    best = min(sorted(loss_alone), key=loss_alone.__getitem__)
    is_together = _loss(all_known, sure) < loss_alone[best]
    decides = all_known if is_together else alone[best]
    before = all_known.pairs.differences @ all_known.prior
    if not _wins(all_known, sure if is_together else sure_alone[best], before):
        return None
    weights = decides.weights()
    return LearnedPanel(
        experiments=compared.experiments,
        debates=int(compared.group.max()) + 1 - compared.experiments,
        pairs=len(all_known.fold),
        right=all_known.right(sure if is_together else sure_alone[best]),
        best=best,
        best_right=all_known.right(sure_alone[best]),
        is_together=is_together,
        models=tuple(
            LearnedModel(name=name, share=share, right=all_known.right(sure_alone[name]))
            for name, share in zip(decides.names, _shares(decides, weights), strict=True)
            if name != HISTORY or share > 0.0
        ),
        held={agent: tuple(name for name in own if name in decides.names) for agent, own in held.items()},
        scores=_scores(decides, weights, options),
        of_experts={agent: _scores_of(all_known.of([*own, HISTORY]), options) for agent, own in held.items()},
        findings_count=_findings_count(all_known, decides, weights),
    )


def _known(
    compared: Comparisons,
    options: Sequence[Option],
    models: Sequence[str],
    evidence: Sequence[EvidenceRef],
    prior_sd: float,
) -> _Known:
    """What each model says; models that say the same of everything are left out, but for the findings."""
    lesson = Lesson.by(compared)
    predictions = _all_said(lesson, options, models, evidence, prior_sd)
    better, worse = compared.pairs()
    size = np.bincount(compared.group)[compared.group[better]]
    weight = 2.0 / size  # of k texts there are k (k - 1) / 2 pairs, and k - 1 that are independent
    gaps = {name: one.held_out[better] - one.held_out[worse] for name, one in predictions.items()}
    scale = {name: math.sqrt(float(weight @ gap**2) / max(float(weight.sum()), 1.0)) for name, gap in gaps.items()}
    kept = [name for name in predictions if scale[name] > 1e-9 or name == HISTORY]
    units = np.array([scale[name] if scale[name] > 1e-9 else NATURAL_SCALE for name in kept])
    return _Known(
        names=tuple(kept),
        pairs=PairsOfTexts(np.column_stack([gaps[name] for name in kept]) / units, weight),
        comparison=compared.group[better],
        fold=lesson.fold[better],
        scale=units,
        prior=np.where([name == HISTORY for name in kept], units / NATURAL_SCALE, 0.0),
        others=np.column_stack([predictions[name].others for name in kept]) / units,
    )


def _all_said(
    lesson: Lesson,
    options: Sequence[Option],
    models: Sequence[str],
    evidence: Sequence[EvidenceRef],
    prior_sd: float,
) -> dict[str, Predicted]:
    texts = [*lesson.of.texts, *(shown_by(option) for option in options)]
    u = len(lesson.of.texts)
    features = text_features([{"title": text.title, "body": text.body} for text in texts])
    predictions: dict[str, Predicted] = {}
    pieces = of_pieces(texts, u, LONGER_SAYS_MORE) if {"wording", "examples"} & set(models) else None
    if "wording" in models and pieces is not None:
        predictions["wording"] = predicted(by_ridge, lesson, pieces)
    if "form" in models:
        predictions["form"] = predicted(by_ridge, lesson, of_form(texts, features, u))
    for name, declared in (("timing", TIMING), ("medium", CHANNEL)):
        if name in models:
            predictions[name] = predicted(by_ridge, lesson, of_attributes(texts, declared, u))
    if "examples" in models and pieces is not None:
        predictions["examples"] = predicted(by_likeness, lesson, of_one_length(pieces))
    history = findings_say(features, evidence, prior_sd)
    predictions[HISTORY] = Predicted(history[lesson.of.text], history[u:])
    return predictions


def _loss(known: _Known, sure: Floats) -> float:
    return float(known.pairs.weight @ losses(sure))


def _wins(known: _Known, sure: Floats, before: Floats) -> bool:
    """Whether it tells what did better better than the findings alone do, beyond what chance explains."""
    gained = np.bincount(known.comparison, known.pairs.weight * (losses(before) - losses(sure)))
    gained = gained[np.unique(known.comparison)]
    error = float(gained.std(ddof=1)) * math.sqrt(len(gained)) if len(gained) > 1 else math.inf
    return float(gained.sum()) > WINS_BY * error


def _shares(known: _Known, weights: Floats) -> list[float]:
    """How much of a usual difference each model makes, together 1."""
    spread = weights * np.sqrt((known.pairs.differences**2).mean(axis=0))
    return [round(float(one), 4) for one in spread / max(float(spread.sum()), 1e-12)]


def _scores(known: _Known, weights: Floats, options: Sequence[Option]) -> dict[str, float]:
    """What all but the findings say of each option, as it counts; the findings are counted where they stand."""
    counted = np.array([name != HISTORY for name in known.names]) * weights
    log_ratios = NATURAL_SCALE * (known.others @ counted)
    return {option.id: round(float(one), 9) for option, one in zip(options, log_ratios, strict=True)}


def _scores_of(known: _Known, options: Sequence[Option]) -> dict[str, float]:
    return _scores(known, known.weights(), options)


def _findings_count(known: _Known, decides: _Known, weights: Floats) -> float:
    """By how much findings about conditions count more or less than elsewhere; as much where they were silent."""
    place = known.names.index(HISTORY)
    if not known.pairs.differences[:, place].any():
        return 1.0
    if HISTORY not in decides.names:
        return 0.0
    return round(float(weights[decides.names.index(HISTORY)] / known.prior[place]), 6)
