"""What doing it would bring: patterns' associations, handed to where experiments say what associations are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

from tasks.conditions import in_a_sentence
from tasks.effects.arms import ShownArms
from tasks.effects.families import family_of
from tasks.effects.other_organizations import ReleasedExperiments
from tasks.effects.records import Association, CalibratedEffect
from tasks.effects.service import CalibratedEffects, EffectService, RuleAssociation
from tasks.effects.wording import AboutCalibration, SeenPattern, as_effect
from tasks.patterns.adjustment import ONE_PER_FEATURE, log_rate_contrasts
from tasks.patterns.associations import SeenAssociations
from tasks.patterns.condition_table import ConditionTable
from tasks.patterns.evidence import RuleEvidence
from tasks.patterns.negative_controls import negative_controls
from tasks.patterns.preparation import Posts
from tasks.patterns.records import ContentAnalysis, Pattern, rule_key
from tasks.patterns.search import RuleCandidate
from tasks.statistics.contrast import Contrast
from tasks.statistics.group_codes import groups
from tasks.statistics.sensitivity import robustness_value
from tasks.statistics.shrinkage import prior_variance, shrink

LEVEL = 0.9
Z = float(ndtri(0.5 + LEVEL / 2))
LEAST_VARIANCE = 0.05**2  # of log lifts
NOTHING = "negative_control"
LEAST_ERROR = 1e-4
DECIMALS = 4


def associations_seen(
    posts: Posts, table: ConditionTable, found: Sequence[RuleEvidence], *, with_comparable: bool
) -> SeenAssociations:
    """Associations of one analysis: of its patterns' rules, of single conditions, and of what cannot matter.

    Args:
        posts: usable ones.
        table: their conditions.
        found: what the posts show of the patterns' rules.
        with_comparable: whether there are experiments that conditions can be held against.
    """
    controls = negative_controls(posts)
    known = np.isfinite(controls.standard_error)
    reach = stdtrit(controls.degrees_of_freedom, 0.5 + LEVEL / 2) * controls.standard_error
    placebo = _associations([f"control_{k}" for k in range(len(known))], [NOTHING] * len(known), controls)
    return SeenAssociations(
        robustness=_robustness(posts, table, found),
        comparable=_comparable(posts, table) if with_comparable else (),
        controls=tuple(one for one, is_known in zip(placebo, known, strict=True) if is_known),
        claimed=int((np.abs(controls.estimate[known]) > reach[known]).sum()),
        spread=float(np.std(posts.within_channels.within)),
    )


def with_effects(
    analysis: ContentAnalysis,
    effects: EffectService,
    arms: ShownArms | None,
    run_id: str,
    released: ReleasedExperiments,
) -> ContentAnalysis:
    """The analysis with an `effect` for each pattern, and with what its negative controls came to."""
    seen = analysis.seen
    if seen is None:
        return analysis
    rules = [RuleAssociation(pattern.rule, _association(pattern)) for pattern in analysis.patterns]
    nothing = [RuleAssociation((), one) for one in seen.controls]
    query = analysis.query
    calibration = effects.calibrate(
        query.workspace_id, query.content_type, [*rules, *nothing], arms, seen.comparable, run_id, released
    )
    of_patterns, of_nothing = calibration.effects[: len(rules)], calibration.effects[len(rules) :]
    patterns = tuple(
        replace(pattern, effect=_effect(pattern, effect, calibration, seen))
        for pattern, effect in zip(analysis.patterns, of_patterns, strict=True)
    )
    counts = {
        "tried": len(nothing),
        "claimed_by_association": seen.claimed,
        "claimed_by_effect": sum(effect.is_claim for effect in of_nothing),
    }
    return replace(analysis, patterns=patterns, statistics=analysis.statistics | {"negative_controls": counts})


def _effect(
    pattern: Pattern, effect: CalibratedEffect, calibration: CalibratedEffects, seen: SeenAssociations
) -> dict[str, Any]:
    about = SeenPattern(
        words=in_a_sentence(pattern.rule),
        lift_pct=pattern.lift_pct,
        wins=pattern.pattern_type == "winning",
        baseline=pattern.baseline_rate,
        posts_spread=seen.spread,
    )
    robustness = round(seen.robustness.get(pattern.pattern_key, 0.0), DECIMALS)
    return as_effect(effect, about, AboutCalibration(calibration.outcome, calibration.from_others, robustness))


def _association(pattern: Pattern) -> Association:
    """From the shrunken lift and its interval, both in per cent."""
    middle, low, high = np.log1p(np.maximum([pattern.lift_pct, *pattern.lift_interval_pct], -99.99) / 100.0)
    error = max(float(high - low) / (2.0 * Z), LEAST_ERROR)
    return Association(pattern.pattern_key, family_of(pattern.rule), float(middle), error)


def _comparable(posts: Posts, table: ConditionTable) -> tuple[RuleAssociation, ...]:
    """One condition for each yes or no and each number, each label, and each word."""
    chosen = [i for i in range(len(table.conditions)) if _is_comparable(table, i)]
    candidates = [RuleCandidate((i,), 0.0, 0) for i in chosen]
    if not candidates:
        return ()
    rules = [table.rule(candidate.members) for candidate in candidates]
    contrast = log_rate_contrasts(posts, table, candidates)
    made = _associations([rule_key(rule) for rule in rules], [family_of(rule) for rule in rules], contrast)
    known = np.isfinite(contrast.standard_error)
    return tuple(RuleAssociation(rule, one) for rule, one, is_known in zip(rules, made, known, strict=True) if is_known)


def _is_comparable(table: ConditionTable, index: int) -> bool:
    return (
        bool(table.of_words[index])
        or table.about[index].kind == "category"
        or table.conditions[index].level in ONE_PER_FEATURE
    )


def _associations(keys: Sequence[str], families: Sequence[str], contrast: Contrast) -> list[Association]:
    """Shrunken towards zero, as patterns' lifts are."""
    error = contrast.standard_error
    variance = prior_variance(contrast.estimate, error, minimum=LEAST_VARIANCE)
    shrunken = shrink(contrast.estimate, error, variance)
    return [
        Association(key, family, float(shrunken.mean[k]), max(float(shrunken.standard_deviation[k]), LEAST_ERROR))
        for k, (key, family) in enumerate(zip(keys, families, strict=True))
    ]


def _robustness(posts: Posts, table: ConditionTable, found: Sequence[RuleEvidence]) -> dict[str, float]:
    strata = len(groups(posts.channel * (posts.period.max() + 1) + posts.period).numbers)
    freedom = float(max(len(posts.week) - strata - 2, 1))
    return {
        rule_key(table.rule(rule.candidate.members)): robustness_value(rule.adjusted, rule.adjusted_error, freedom)
        for rule in found
    }
