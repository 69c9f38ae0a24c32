"""Consensus and confidence: the cases whose ids begin with C, and what must hold beyond them."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import pytest

from tasks.errors import OutOfRangeError
from tasks.swarm.calibration import calibrated, calibration_curve
from tasks.swarm.consensus import Ballot, condorcet, majority_vote, weighted_vote
from tasks.swarm.decision import decide
from tasks.swarm.messages import Proposal, Turn
from tasks.swarm.performance import PRIOR, posterior
from tasks.swarm.records import Brief, ConsensusStrategy, Expert
from tasks.swarm.replies import normal_confidence
from tests.calibration import calibration_error

Case = dict[str, Any]
ABC = ["A", "B", "C"]


def ballots(votes: list[Case]) -> list[Ballot]:
    return [Ballot(agent=vote["agent"], option=vote["option"]) for vote in votes]


def debate_of(votes: list[Case], options: list[str], strategy: str, weights: dict[str, float]) -> Case:
    """The decision of a one-round debate of models whose proposals are these votes."""
    experts = tuple(
        Expert(agent_id=v["agent"], role="seo_expert", name=v["agent"], weight=weights.get(v["agent"], PRIOR.log_odds))
        for v in votes
    )
    brief = Brief(
        debate_id="d",
        problem="p",
        experts=experts,
        rounds=1,
        strategy=ConsensusStrategy(strategy),
        engine="llm",
        options=tuple({"id": option, "label": option} for option in options),
    )
    turns = [
        Turn(round=1, phase="propose", agent_id=v["agent"], message=Proposal(option=v["option"], confidence=50))
        for v in votes
    ]
    return decide(brief, {turn.key: turn for turn in turns})


def test_c01_strict_majority(debate_cases: dict[str, Case]) -> None:
    given, expect = debate_cases["C01"]["given"], debate_cases["C01"]["expect"]
    count = majority_vote(ballots(given["votes"]), given["options"])
    assert (count.decision, count.outcome, count.tally) == (expect["decision"], expect["status"], expect["tally"])
    decision = debate_of(given["votes"], given["options"], "majority_vote", {})
    assert decision["agreement"] == pytest.approx(2 / 3)
    assert decision["confidence"] not in [*expect["confidence_not"], pytest.approx(2 / 3)]
    assert decision["confidence_basis"] == "uncalibrated"


def test_c02_plurality_is_flagged(debate_cases: dict[str, Case]) -> None:
    given, expect = debate_cases["C02"]["given"], debate_cases["C02"]["expect"]
    count = majority_vote(ballots(given["votes"]), given["options"])
    assert (count.decision, count.outcome) == (expect["decision"], expect["status"])
    assert "no_majority" in debate_of(given["votes"], given["options"], "majority_vote", {})["flags"]


def test_c03_a_tie_is_flagged_and_free_of_order(debate_cases: dict[str, Case]) -> None:
    given, expect = debate_cases["C03"]["given"], debate_cases["C03"]["expect"]
    counts = [majority_vote(list(order), given["options"]) for order in permutations(ballots(given["votes"]))]
    assert {count.decision for count in counts} == {None}, "an order of ids is no reason"
    assert all(count.outcome == expect["status"] and list(count.tied) == expect["tied"] for count in counts)
    assert "a tie decides nothing" in " ".join(counts[0].notes)


def test_c04_anonymity_neutrality_monotonicity(debate_cases: dict[str, Case]) -> None:
    assert "500 random profiles" in debate_cases["C04"]["given"]["generator"]
    rng = random.Random(4)
    for _ in range(500):
        options = ["A", "B", "C", "D", "E"][: rng.randint(2, 5)]
        votes = [Ballot(agent=f"a{i}", option=rng.choice(options)) for i in range(rng.randint(3, 7))]
        count = majority_vote(votes, options)
        names = [vote.agent for vote in votes]
        rng.shuffle(names)
        swapped = [Ballot(agent=name, option=vote.option) for name, vote in zip(names, votes, strict=True)]
        assert majority_vote(swapped, options).decision == count.decision
        if count.outcome == "tie":
            continue
        renamed = dict(zip(options, rng.sample(options, len(options)), strict=True))
        other = majority_vote([Ballot(agent=v.agent, option=renamed[str(v.option)]) for v in votes], options)
        assert other.decision == renamed[str(count.decision)]
        for i, vote in enumerate(votes):
            if vote.option != count.decision:
                moved = [*votes[:i], Ballot(agent=vote.agent, option=count.decision), *votes[i + 1 :]]
                assert majority_vote(moved, options).decision == count.decision


def test_c06_weights_can_overrule_heads(debate_cases: dict[str, Case]) -> None:
    given, expect = debate_cases["C06"]["given"], debate_cases["C06"]["expect"]
    votes = ballots(given["votes"])
    weighted = weighted_vote(votes, given["options"], given["weights"])
    assert (weighted.decision, weighted.method) == (expect["weighted"], "weighted_vote")
    assert weighted.shares["A"] == pytest.approx(expect["share_A"])
    assert majority_vote(votes, given["options"]).decision == expect["majority"]
    for scale in (0.001, 1.0, 1000.0):
        equal = weighted_vote(votes, given["options"], dict.fromkeys(given["weights"], scale))
        assert equal.decision == expect["majority"]
        assert equal.shares == pytest.approx({"A": 1 / 3, "B": 2 / 3}, abs=1e-9)


def test_c07_bad_weights(debate_cases: dict[str, Case]) -> None:
    given = debate_cases["C07"]["given"]
    votes, (negative, zero, nan) = ballots(given["votes"]), given["weights_cases"]
    cut = weighted_vote(votes, given["options"], negative)
    assert cut.decision == "B"
    assert cut.shares["A"] == 0.0
    assert "negative weight of a1 counted as 0" in cut.notes
    flat = weighted_vote(votes, given["options"], zero)
    assert flat.decision == "B"
    assert "counted as a majority vote" in flat.notes[0]
    with pytest.raises(OutOfRangeError, match="weight of a1"):
        weighted_vote(votes, given["options"], {name: float(weight) for name, weight in nan.items()})


def test_c08_a_cycle_is_not_agreement(debate_cases: dict[str, Case]) -> None:
    given, expect = debate_cases["C08"]["given"], debate_cases["C08"]["expect"]
    votes = [Ballot(agent=f"a{i}", option=None, ranking=tuple(r)) for i, r in enumerate(given["rankings"])]
    count = majority_vote(votes, given["options"])
    assert count.condorcet_winner is expect["condorcet_winner"]
    assert count.has_cycle
    assert count.outcome == expect["first_choice_status"]
    split = [{"agent": f"a{i}", "option": option} for i, option in enumerate(ABC)]
    for strategy in ("synthesis", "moderator"):
        decision = debate_of(split, ABC, strategy, {})
        assert "tie" in decision["flags"]
        assert decision["agreement"] == pytest.approx(1 / 3)


def test_c09_condorcet_winner_is_named_beside_the_plurality(debate_cases: dict[str, Case]) -> None:
    given, expect = debate_cases["C09"]["given"], debate_cases["C09"]["expect"]
    votes = [Ballot(agent=f"a{i}", option=None, ranking=tuple(r)) for i, r in enumerate(given["rankings"])]
    count = majority_vote(votes, given["options"])
    assert count.decision == expect["plurality"]
    assert count.condorcet_winner == expect["condorcet_winner"]
    assert "in pairs C beats A 5-4" in count.notes
    _, beats, has_cycle = condorcet(given["rankings"], given["options"])
    assert {pair: beats[pair] for pair in expect["pairwise"]} == expect["pairwise"]
    assert not has_cycle


def test_c10_condorcet_jury(debate_cases: dict[str, Case]) -> None:
    given, expect = debate_cases["C10"]["given"], debate_cases["C10"]["expect"]
    rng, right = random.Random(10), 0
    for _ in range(given["trials"]):
        votes = [
            Ballot(agent=str(i), option="right" if rng.random() < given["p"] else "wrong")
            for i in range(given["n_agents"])
        ]
        right += majority_vote(votes, ["right", "wrong"]).decision == "right"
    assert right / given["trials"] == pytest.approx(expect["p_majority_correct"], abs=expect["tolerance"])


def test_c11_invalid_missing_and_duplicate_ballots(debate_cases: dict[str, Case]) -> None:
    given, expect = debate_cases["C11"]["given"], debate_cases["C11"]["expect"]
    count = majority_vote(ballots(given["votes"]), given["options"])
    assert (count.decision, count.valid, count.tally) == (expect["decision"], expect["valid"], expect["tally"])
    assert len(count.invalid) == expect["invalid"]
    assert count.duplicates == ("a1",)


def test_c12_one_of_four_is_no_decision(debate_cases: dict[str, Case]) -> None:
    given, expect = debate_cases["C12"]["given"], debate_cases["C12"]["expect"]
    count = majority_vote(ballots(given["votes"]), given["options"])
    assert (count.decision, count.outcome) == (expect["decision"], expect["status"])


@pytest.mark.parametrize("has_history", [True, False])
def test_c13_stated_confidence_is_no_weight(debate_cases: dict[str, Case], has_history: bool) -> None:
    given, expect = debate_cases["C13"]["given"], debate_cases["C13"]["expect"]
    history = given["history"] if has_history else {}
    weights = {name: posterior({"debate": scores}, "debate").log_odds for name, scores in history.items()}
    assert debate_of(given["votes"], ["A", "B"], "weighted_vote", weights)["option"] == expect["decision"]


def test_c14_confidence_is_normalized_or_missing(debate_cases: dict[str, Case]) -> None:
    given, expect = debate_cases["C14"]["given"], debate_cases["C14"]["expect"]
    for raw in given["raw"]:
        found = normal_confidence(raw)
        if str(raw) in expect["accepted"]:
            assert found == pytest.approx(expect["accepted"][str(raw)])
        else:
            assert raw in expect["rejected_or_missing"]
            assert found is None


def test_calibration_needs_fifty_graded_debates_and_then_follows_them() -> None:
    rng = random.Random(1)
    stated = [rng.uniform(0.5, 1.0) for _ in range(22000)]
    graded = [(said, rng.random() < 0.5 + (said - 0.5) * 0.4) for said in stated]  # overconfident
    assert calibration_curve(graded[:49]) == ()
    curve = calibration_curve(graded[:2000])
    raw = calibration_error(stated[2000:], [right for _, right in graded[2000:]])
    now = calibration_error([calibrated(s, curve) for s in stated[2000:]], [right for _, right in graded[2000:]])
    assert raw > 0.1
    assert now < 0.03
