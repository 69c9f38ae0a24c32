"""The evidence panel decides from unique evidence alone, is calibrated, and says so when it knows nothing."""

from __future__ import annotations

import math
import socket
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from tasks.conditions import Condition
from tasks.swarm.decision import decide, pool
from tasks.swarm.evidence import VARIANCE_FACTOR, slice_for, variance
from tasks.swarm.messages import Turn
from tasks.swarm.panel import answer
from tasks.swarm.performance import PRIOR
from tasks.swarm.posterior import prior_sd_of, probability_best, standings
from tasks.swarm.protocol import due
from tasks.swarm.question import check_options
from tasks.swarm.records import Brief, ConsensusStrategy, EvidenceRef, Expert, Option
from tests.calibration import calibration_error

VIDEO = Option(id="A", label="Publish video", attributes={"media_type": "video"})
PHOTO = Option(id="B", label="Publish photos", attributes={"media_type": "photo"})
LINK = Option(id="C", label="Publish links", attributes={"media_type": "link"})


def finding(name: str, media: str, effect: float, **changes: Any) -> EvidenceRef:
    given = {"id": name, "kind": "experiment", "statement": f"content that comes as {media}", "metric": "engagement"}
    given |= {"effect": effect, "se": 0.05, "n": 400, "tags": ("data_analysis", "viral_mechanics")}
    given |= {"conditions": (Condition(feature="media_type", op="==", value=media),)}
    return EvidenceRef(**given | changes)


def brief_of(evidence: list[EvidenceRef], options: tuple[Option, ...] = (VIDEO, PHOTO, LINK), **changes: Any) -> Brief:
    skills = {"seo": {"data_analysis": 0.9}, "viral": {"viral_mechanics": 0.9}, "brand": {"brand_voice": 0.9}}
    experts = tuple(
        Expert(agent_id=n, role="r", name=n, weight=PRIOR.log_odds, skills=s, evidence_ids=slice_for(s, evidence))
        for n, s in skills.items()
    )
    given = {"debate_id": "d", "problem": "p", "experts": experts, "options": options, "evidence": tuple(evidence)}
    given |= {"rounds": 2, "strategy": ConsensusStrategy.SYNTHESIS, "engine": "evidence_panel"}
    return Brief(**given | changes)


def run(brief: Brief) -> tuple[dict[str, Turn], dict[str, Any]]:
    turns: dict[str, Turn] = {}
    while requests := due(brief, turns):
        taken = [answer(brief, turns, request) for request in requests]
        turns |= {turn.key: turn for turn in taken}
    return turns, decide(brief, turns)


def test_the_best_supported_option_wins_and_its_reasons_cite_numbers() -> None:
    turns, decision = run(brief_of([finding("e1", "video", 0.25), finding("e2", "photo", 0.02)]))
    assert (decision["status"], decision["option"]) == ("decided", "A")
    assert decision["llm_used"] is False
    assert decision["engine"] == "evidence_panel"
    said = turns["1:propose:seo"].message.reasoning  # type: ignore[union-attr]
    assert "[e1]" in said
    assert "90 % interval" in said
    assert "n = 400" in said


def test_no_evidence_is_said_and_what_would_decide_is_named() -> None:
    _, decision = run(brief_of([]))
    assert (decision["status"], decision["option"], decision["confidence"]) == ("insufficient_evidence", None, None)
    assert "exposures an arm" in decision["reason"]


def test_evidence_about_other_things_does_not_decide() -> None:
    _, decision = run(brief_of([finding("e1", "carousel", 0.5)]))
    assert decision["status"] == "insufficient_evidence"


def test_c15_repeated_evidence_and_repeated_citing_change_nothing(debate_cases: dict[str, Any]) -> None:
    case = debate_cases["C15"]["given"]
    evidence = [finding(name, "video", 0.1 + 0.02 * i) for i, name in enumerate(case["evidence"])]
    confidences = [decide(brief_of(evidence * times), {})["confidence"] for times in case["repeat"]]
    assert max(confidences) - min(confidences) < 1e-9
    one = brief_of(evidence[:1])
    five = one.model_copy(
        update={"experts": tuple(one.experts[0].model_copy(update={"agent_id": f"x{i}"}) for i in range(5))}
    )
    alone = one.model_copy(update={"experts": one.experts[:1]})
    assert abs(run(five)[1]["confidence"] - run(alone)[1]["confidence"]) < 1e-9


def test_a10_order_of_options_evidence_and_experts_does_not_matter(debate_cases: dict[str, Any]) -> None:
    assert "invariant to the order" in debate_cases["A10"]["expect"]["property"]
    evidence = [finding("e1", "video", 0.1), finding("e2", "photo", 0.08), finding("e3", "link", -0.1)]
    found = set()
    for options in permutations((VIDEO, PHOTO, LINK)):
        for items in (evidence, evidence[::-1]):
            brief = brief_of(items, options)
            decision = run(brief.model_copy(update={"experts": brief.experts[::-1]}))[1]
            found.add((decision["label"], round(decision["confidence"], 12)))
    assert len(found) == 1


def test_a10_the_panel_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the panel must not use the network")

    monkeypatch.setattr(socket, "socket", refuse)
    assert run(brief_of([finding("e1", "video", 0.25)]))[1]["option"] == "A"


def test_experts_only_know_what_their_skills_earn_until_others_raise_it() -> None:
    evidence = [
        finding("e1", "video", 0.2, tags=("data_analysis",)),
        finding("e2", "photo", 0.5, se=0.01, tags=("viral_mechanics",)),
    ]
    turns, decision = run(brief_of(evidence))
    assert turns["1:propose:seo"].message.option == "A"  # type: ignore[union-attr]
    assert turns["2:refine:seo"].message.option == "B"  # type: ignore[union-attr]
    assert turns["1:propose:brand"].message.option is None  # type: ignore[union-attr]
    change = next(change for change in decision["changes"] if change["agent_id"] == "seo")
    assert change["because_evidence_ids"] == ["e2"]


def test_a_contradicted_proposal_is_criticized_with_the_finding() -> None:
    evidence = [
        finding("e1", "video", 0.2, tags=("data_analysis",)),
        finding("e2", "video", -0.6, se=0.05, tags=("viral_mechanics",)),
    ]
    turns, decision = run(brief_of(evidence))
    critique = turns["1:critique:viral"].message
    assert (critique.kind, critique.evidence_id) == ("contradicted_by", "e2")  # type: ignore[union-attr]
    assert decision["option"] != "A"


def test_a_release_weighs_a_third_of_an_experiment_and_age_lets_effects_move() -> None:
    fresh = {kind: variance(finding("e", "video", 0.1, kind=kind)) for kind in VARIANCE_FACTOR}
    assert fresh["transfer"] == pytest.approx(3.1 * 0.05**2)
    assert fresh["experiment"] == fresh["pattern"] == pytest.approx(0.05**2)
    assert fresh["experiment"] < fresh["transfer"] <= fresh["debate"]
    old = [variance(finding("e", "video", 0.4, age_days=days)) for days in (0, 365, 3650)]
    assert old == pytest.approx([0.05**2, *[0.05**2 + (0.29 * 0.4) ** 2] * 2])


def test_changing_nothing_wins_where_all_findings_are_bad() -> None:
    quo = Option(id="Z", label="Keep what is done today.", is_status_quo=True)
    _, decision = run(brief_of([finding("e1", "video", -0.3), finding("e2", "photo", -0.2)], (VIDEO, PHOTO, quo)))
    assert decision["option"] == "Z"


def test_probability_of_being_best_agrees_with_simulation_and_with_the_closed_form() -> None:
    mean, sd = np.array([0.10, 0.05, 0.0, 0.12]), np.array([0.05, 0.1, 0.02, 0.15])
    covariance = np.diag(sd**2)
    covariance[0, 1] = covariance[1, 0] = 0.003
    drawn = np.random.default_rng(0).multivariate_normal(mean, covariance, 400_000).argmax(axis=1)
    simulated = np.bincount(drawn, minlength=4) / 400_000
    assert probability_best(mean, covariance) == pytest.approx(simulated, abs=0.005)
    two = probability_best(mean[:2], covariance[:2, :2])[0]
    z = 0.05 / math.sqrt(0.0025 + 0.01 - 0.006)
    assert two == pytest.approx(0.5 * math.erfc(-z / math.sqrt(2)))


def test_headlines_are_judged_by_the_features_of_their_words() -> None:
    options = check_options([{"title": "Why do cats purr?"}, {"title": "Cats purr for 7 reasons"}])
    asks = finding("e1", "x", 0.2, conditions=(Condition(feature="question_count", op=">=", value=1),))
    found = standings(options, [asks], 0.1)
    assert found[0].evidence_ids == ("e1",)
    assert found[1].evidence_ids == ()
    assert found[0].probability_best > 0.5


def synthetic(rng: np.random.Generator, number: int, prior_sd: float) -> tuple[Brief, str]:
    """A decision between 2 to 5 media whose true effects come from the prior, and findings true to their errors."""
    media = ["video", "photo", "link", "text", "event"][: int(rng.integers(2, 6))]
    truth = {one: rng.normal(0.0, prior_sd) for one in media}
    options = tuple(
        Option(id=letter, label=f"Publish {one}", attributes={"media_type": one})
        for letter, one in zip("ABCDE", media, strict=False)
    )
    evidence = []
    for i in range(int(rng.integers(1, 8))):
        one = media[int(rng.integers(len(media)))]
        kind = ["experiment", "transfer", "pattern"][int(rng.integers(3))]
        item = finding(f"e{number}-{i}", one, 0.0, kind=kind, se=float(rng.uniform(0.02, 0.2)))
        item = item.model_copy(update={"age_days": float(rng.uniform(0, 360))})
        drawn = item.model_copy(update={"effect": truth[one]})
        evidence.append(item.model_copy(update={"effect": float(rng.normal(truth[one], math.sqrt(variance(drawn))))}))
    best = max(truth, key=lambda one: truth[one])
    return brief_of(evidence, options, prior_sd=prior_sd), "ABCDE"[media.index(best)]


@pytest.mark.parametrize("decisions", [1500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_confidence_is_calibrated_on_decisions_with_known_truth(decisions: int) -> None:
    rng, stated, right = np.random.default_rng(11), [], []
    for number in range(decisions):
        brief, truth = synthetic(rng, number, 0.1)
        best = max(pool(brief), key=lambda one: one.probability_best)
        stated.append(best.probability_best)
        right.append(best.option == truth)
    error = calibration_error(stated, right)
    print(
        f"BAR panel calibration error over {decisions} simulated decisions: {error:.3f} (bar .03); "
        f"stated {np.mean(stated):.3f}, right {np.mean(right):.3f}"
    )
    sampling = 0.8 * math.sqrt(0.23 * 10 / decisions)  # what perfect calibration would show by chance
    assert error <= 0.03 + (sampling if decisions < 5000 else 0.0)


def test_the_spread_of_effects_is_learned_from_enough_findings() -> None:
    rng = np.random.default_rng(3)
    items = []
    for i in range(300):
        item = finding(f"e{i}", f"m{i}", 0.0, se=0.05)
        items.append(item.model_copy(update={"effect": float(rng.normal(0, 0.04) + rng.normal(0, 0.05))}))
    assert prior_sd_of(items) == pytest.approx(0.04, abs=0.012)
    assert prior_sd_of([]) == 0.1
    strong = [finding("e", "video", 0.45, se=0.12, kind="pattern")]
    assert 0.2 < prior_sd_of(strong) < 0.4
