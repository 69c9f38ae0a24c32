"""The panel answers the question that was asked: what loses is avoided, yes and no are understood, none is guessed."""

from __future__ import annotations

import math
import shlex
from typing import Any

import pytest

from tasks.conditions import Condition
from tasks.errors import InputError
from tasks.swarm import AgentDebateOrchestrator
from tasks.swarm.posterior import options_from
from tasks.swarm.records import EvidenceRef
from tasks.swarm.wording import is_general
from tasks.warehouse import Warehouse
from tests.factories import store as write
from tests.tasks.swarm.test_findings import arm, pattern, workspaces
from tests.tasks.swarm.test_panel import brief_of, finding, run

EMOJIS = {"feature": "emoji_count", "op": ">=", "value": 1, "level": "present"}
SATURDAY = {"feature": "local_weekday", "op": "==", "value": "5", "level": "5"}
ASKS = {"feature": "question_count", "op": ">=", "value": 1, "level": "present"}
QUO = "Keep what is done today."


def found(warehouse: Warehouse, rule: dict[str, Any], lift: tuple[float, float, float], share: float = 0.3) -> None:
    """One pattern of acme: its lift and the ends of its 90 % interval, in per cent."""
    pct = dict(zip(("lift_pct", "lift_low_pct", "lift_high_pct"), lift, strict=True))
    details = {"rule": [rule], "share_of_posts": share}
    pattern(warehouse, "acme", rule["feature"], pattern_key=rule["feature"], details=details, **pct)


async def asked(warehouse: Warehouse, problem: str, options: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    panel = AgentDebateOrchestrator(warehouse=warehouse)
    given: dict[str, Any] = {"agent_roles": ["data_storyteller", "viral_engineer"], "workspace_id": "acme"}
    return await panel.orchestrate_debate(problem, options=options, **(given | more))


@pytest.fixture
def acme(sqlite_warehouse: Warehouse) -> Warehouse:
    workspaces(sqlite_warehouse, "acme")
    return sqlite_warehouse


async def test_what_loses_is_avoided(acme: Warehouse) -> None:
    found(acme, SATURDAY, (-28.0, -36.0, -19.0), share=0.2)
    result = await asked(acme, "When should we publish, weekday or weekend?")
    assert [one["label"] for one in result["options"]] == ["Avoid content that is posted on Saturday", QUO]
    assert (result["decision"], result["status"]) == ("Avoid content that is posted on Saturday", "decided")
    gain = math.expm1(result["standings"][0]["mean"])
    assert 0.02 < gain < 0.07, "a fifth of the posts stop losing a quarter, at most"
    named = await asked(acme, "When should we publish?", ["Weekday", "Weekend"])
    assert named["decision"] == "Weekday"


WEEKEND = {"feature": "is_weekend", "op": "==", "value": True, "level": "weekend"}


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (WEEKEND, "When should we post, in the morning or in the evening?"),
        (WEEKEND, "Is 6 pm a better time than noon?"),
        (SATURDAY, "Should our schedule begin at 9:00?"),
        (
            {"feature": "local_hour", "op": "==", "value": 9, "level": "9"},
            "When should we post, on weekdays or weekends?",
        ),
    ],
)
async def test_a_day_answers_no_question_about_hours_nor_an_hour_one_about_days(
    acme: Warehouse, rule: dict[str, Any], problem: str
) -> None:
    found(acme, rule, (-40.0, -50.0, -30.0))
    result = await asked(acme, problem)
    assert (result["status"], result["options"]) == ("insufficient_evidence", [])


@pytest.mark.parametrize(
    "problem", ["What should we stop doing?", "What hurts our reach most?", "What should we do less?"]
)
async def test_who_asks_what_to_stop_hears_of_what_loses_alone(acme: Warehouse, problem: str) -> None:
    found(acme, EMOJIS, (63.0, 40.0, 90.0))
    result = await asked(acme, problem)
    assert (result["status"], result["options"]) == ("insufficient_evidence", []), "what wins is no answer"
    pct = {"lift_pct": -28.0, "lift_low_pct": -36.0, "lift_high_pct": -19.0}
    details = {"rule": [SATURDAY], "share_of_posts": 0.2}
    pattern_of_one_analysis(acme, "local_weekday", details, pct, is_first=False)
    result = await asked(acme, problem)
    assert [one["label"] for one in result["options"]] == ["Avoid content that is posted on Saturday", QUO]


LINKEDIN = {"feature": "channel", "op": "==", "value": "linkedin", "level": "linkedin"}
EVENING = {"feature": "local_hour", "op": "between", "value": [18, 21], "level": "evening"}


async def test_a_finding_about_another_channel_answers_no_yes_or_no(acme: Warehouse) -> None:
    found(acme, LINKEDIN, (18.0, 10.0, 27.0))
    result = await asked(acme, "Should we be on TikTok?", ["Yes", "No"])
    assert (result["status"], result["option"]) == ("insufficient_evidence", None)


async def test_declining_something_else_is_no_vote_for_what_a_finding_is_about(acme: Warehouse) -> None:
    found(acme, EVENING, (27.0, 15.0, 40.0))
    result = await asked(acme, "Should we post in the morning?", ["Yes", "No"])
    worth = {one["option"]: one["mean"] for one in result["standings"]}
    assert worth["B"] == pytest.approx(0.0, abs=0.01), "who declines the morning has not chosen the evening"


async def test_a_strong_association_is_not_shrunk_to_nothing(acme: Warehouse) -> None:
    found(acme, EMOJIS, (57.0, 28.0, 92.0), share=0.0)
    result = await asked(acme, "What should we do next?")
    assert result["decision"] == "Publish more content that includes emojis"
    assert 0.25 < math.expm1(result["standings"][0]["mean"]) < 0.57
    assert "expected +29% (-4% to +73%)" in result["proposals"][0]["proposal"]


@pytest.mark.parametrize(
    ("problem", "options", "right"),
    [
        ("Should our posts include emojis?", ["Yes", "No"], "Yes"),
        ("Should we stop using emojis?", ["Yes", "No"], "No"),
        ("Emojis or not?", ["Use emojis", "No emojis"], "Use emojis"),
        ("How should we write?", ["With emoji", "Without any emojis"], "With emoji"),
    ],
)
async def test_yes_and_no_are_answers_to_the_question(
    acme: Warehouse, problem: str, options: list[str], right: str
) -> None:
    found(acme, EMOJIS, (63.0, 40.0, 90.0))
    result = await asked(acme, problem, options)
    assert (result["status"], result["decision"]) == ("decided", right)


@pytest.mark.parametrize("problem", ["What is the weather?", "Who won the cup final?", "Is our server down?"])
async def test_a_question_about_something_else_is_not_answered(acme: Warehouse, problem: str) -> None:
    found(acme, EMOJIS, (63.0, 40.0, 90.0))
    arms = [arm("photo", 1000, 100, is_control=True), arm("video", 1000, 130)]
    write_arms(acme, arms)
    result = await asked(acme, problem)
    assert (result["status"], result["decision"], result["options"]) == ("insufficient_evidence", None, [])
    assert "no finding is about this question" in result["reason"]
    assert "video" in result["reason"], "what could be asked about is said"


@pytest.mark.parametrize("problem", ["What works best here?", "What else could we do?", "What brings most?"])
def test_what_works_at_all_is_asked_in_many_words(problem: str) -> None:
    assert is_general(problem)
    assert not is_general("What else is on the weather here?")


async def test_options_of_which_nothing_is_known_do_not_win_by_chance(acme: Warehouse) -> None:
    found(acme, EMOJIS, (63.0, 40.0, 90.0))
    result = await asked(acme, "Which color should the button have?", ["Red", "Green", "Blue"])
    assert (result["status"], result["decision"]) == ("insufficient_evidence", None)
    design = result["experiment"]
    assert f"{design['units_per_arm']:,} exposures an arm" in result["reason"]
    assert design["command"].startswith("raptorflow experiment create which-color-should-the-button-have")


async def test_a_graded_yes_answers_its_own_question_and_no_other(acme: Warehouse) -> None:
    found(acme, EMOJIS, (63.0, 40.0, 90.0))
    for problem in ("Should we sponsor the marathon?", "Is the blue logo right?", "Shall we hire a photographer?"):
        earlier = await asked(acme, problem, ["Yes", "No"])
        panel = AgentDebateOrchestrator(warehouse=acme)
        await panel.grade_debate(earlier["debate_id"], "A", "asked the board")
    other = await asked(acme, "Should we open a shop in Rome?", ["Yes", "No"])
    assert (other["status"], other["decision"]) == ("insufficient_evidence", None)
    again = await asked(acme, "Should we sponsor the city marathon?", ["Yes", "No"])
    assert (again["decision"], again["status"]) == ("Yes", "leaning"), "one graded answer is no proof"


def test_the_option_worth_most_is_chosen_not_the_one_most_often_best() -> None:
    """P(best) of a vague finding is high where it is wide; what counts is what is expected of it."""
    sure = [finding(f"s{i}", media, 0.2, se=0.01) for i, media in enumerate(("video", "photo"))]
    vague = finding("v", "link", 0.1, se=0.3)
    _, decision = run(brief_of([*sure, vague], prior_sd=1.0))
    assert decision["option"] is None, "two are worth the same"
    assert decision["status"] == "undecided"
    better = sure[0].model_copy(update={"effect": 0.21})
    _, decision = run(brief_of([better, sure[1], vague], prior_sd=1.0))
    assert decision["option"] in ("A", None)
    assert max(decision["standings"], key=lambda one: one["mean"])["option"] == "A"


def test_short_of_eighty_per_cent_is_no_decision() -> None:
    _, decision = run(brief_of([finding("a", "video", 0.06, se=0.06), finding("b", "photo", 0.02, se=0.06)]))
    assert decision["status"] in ("leaning", "undecided")
    assert "an experiment between them" in decision["reason"]
    assert decision["experiment"]["variants"][1]["option"] == "A"


async def test_what_is_done_today_is_no_better_than_itself_and_a_command_can_be_read(acme: Warehouse) -> None:
    found(acme, EMOJIS, (20.0, -5.0, 50.0))
    result = await asked(acme, "What should we do about emojis?")
    assert result["status"] == "leaning"
    assert "% better than today" in result["reason"]
    assert "today.:" not in result["reason"]
    assert "+0% (+0% to +0%)" not in result["reason"]
    design = result["experiment"]
    assert "'\"'\"'" not in design["command"], "no quote within quotes"
    assert shlex.split(design["command"])[-1] == design["hypothesis"]


async def test_an_experiment_is_matched_by_what_is_said_of_it(acme: Warehouse) -> None:
    write_arms(
        acme,
        [
            arm("control", 5000, 500, is_control=True, experiment_name="emoji in subject lines"),
            arm("treatment", 5000, 650, experiment_name="emoji in subject lines"),
        ],
    )
    result = await asked(acme, "Should we put emojis in subject lines?", ["Yes", "No"])
    assert (result["status"], result["decision"]) == ("decided", "Yes")


def write_arms(warehouse: Warehouse, rows: list[dict[str, Any]]) -> None:
    from tasks.warehouse.schema import ExperimentArm

    write(warehouse, ExperimentArm, rows)


def test_a_finding_on_several_conditions_is_about_an_option_that_states_them_all() -> None:
    from tasks.swarm.evidence import exposure
    from tasks.swarm.question import check_options
    from tasks.swarm.understanding import understood

    both = (Condition("media_type", "==", "video"), Condition("is_weekend", "==", True))
    item = EvidenceRef(id="e", kind="pattern", statement="s", metric="m", effect=0.2, se=0.1, conditions=both)
    told = understood("Which?", check_options(["Videos on weekends", "Videos", "Photos on weekends"]), [item])
    assert [exposure(item, option) for option in told] == [1.0, None, 0.0]


def test_two_bodies_under_one_title_are_two_options_and_another_body_is_another_question(acme: Warehouse) -> None:
    from tasks.swarm.question import check_options

    def texts(*bodies: str) -> list[dict[str, str]]:
        return [{"title": "Spring sale", "body": body} for body in bodies]

    options = check_options(texts("All shoes half price.", "All boots half price."))
    assert [one.label for one in options] == ["Spring sale (A)", "Spring sale (B)"]
    assert [one.body for one in options] == ["All shoes half price.", "All boots half price."]
    assert options[0].attributes == options[1].attributes, "their features alone do not tell them apart"
    with pytest.raises(InputError, match="two options share the label"):
        check_options(texts("All shoes half price.", "All shoes half price."))
    (untitled, _) = check_options([{"body": "Half price. " * 20}, {"label": "Nothing"}])
    assert untitled.label.startswith("Half price. Half price.")
    assert len(untitled.label) == 81 - len(untitled.label[:80]) + len(untitled.label[:80].rstrip())


async def test_other_bodies_with_equal_features_are_another_debate(acme: Warehouse) -> None:
    first = await asked(acme, "Which text?", [{"title": "Sale", "body": "All shoes."}, {"title": "Offer"}])
    other = await asked(acme, "Which text?", [{"title": "Sale", "body": "All boots."}, {"title": "Offer"}])
    again = await asked(acme, "Which text?", [{"title": "Sale", "body": "All shoes."}, {"title": "Offer"}])
    assert first["debate_id"] == again["debate_id"] != other["debate_id"]


async def test_what_does_not_exclude_each_other_is_done_together(acme: Warehouse) -> None:
    rules = [EMOJIS, ASKS]
    for rule, lift in zip(rules, ((63.0, 40.0, 90.0), (60.0, 38.0, 85.0)), strict=True):
        details = {"rule": [rule], "share_of_posts": 0.2}
        pct = dict(zip(("lift_pct", "lift_low_pct", "lift_high_pct"), lift, strict=True))
        pattern_of_one_analysis(acme, str(rule["feature"]), details, pct, is_first=rule is EMOJIS)
    result = await asked(acme, "What should we do next?", consensus_strategy="synthesis")
    assert result["status"] == "decided", "each beats today; that either is the best is no question"
    assert result["label"] == "Publish more content that includes emojis"
    assert [one["label"] for one in result["also"]] == ["Publish more content that asks a question"]
    assert result["decision"].endswith("Beside it: Publish more content that asks a question")


def pattern_of_one_analysis(
    warehouse: Warehouse, key: str, details: dict[str, Any], pct: dict[str, float], *, is_first: bool
) -> None:
    if is_first:
        pattern(warehouse, "acme", "one", pattern_key=key, details=details, **pct)
        return
    from sqlalchemy import select

    from tasks.warehouse.schema import PatternFinding

    (row,) = warehouse.rows(select(PatternFinding.__table__))
    write(warehouse, PatternFinding, [row | {"pattern_key": key, "details": details} | pct])


def ruled(warehouse: Warehouse, *rules: list[dict[str, Any]], lift: tuple[float, float, float]) -> None:
    """Patterns of one analysis of acme, a rule each."""
    pct = dict(zip(("lift_pct", "lift_low_pct", "lift_high_pct"), lift, strict=True))
    for place, rule in enumerate(rules):
        details = {"rule": rule, "share_of_posts": 0.15}
        pattern_of_one_analysis(warehouse, f"rule {place}", details, pct, is_first=place == 0)


def labels_of(result: dict[str, Any]) -> list[str]:
    return [one["label"] for one in result["options"]]


SUNDAY = SATURDAY | {"value": "6", "level": "6"}
MONDAY = SATURDAY | {"value": "0", "level": "0"}


@pytest.mark.parametrize(
    "problem", ["Should we post on weekends?", "When should we publish, weekday or weekend?", "Saturday or Sunday?"]
)
async def test_two_days_that_lose_are_one_thing_to_avoid(acme: Warehouse, problem: str) -> None:
    ruled(acme, [SATURDAY], [SUNDAY], lift=(-28.0, -36.0, -19.0))
    result = await asked(acme, problem)
    both = "Avoid content that is posted on Saturday or is posted on Sunday"
    assert (labels_of(result), result["status"]) == ([both, QUO], "decided")
    worth = {one["option"]: one["mean"] for one in result["standings"]}
    alone = await asked(acme, "Should we stop posting on Saturdays?")
    assert worth["A"] == pytest.approx(2 * alone["standings"][0]["mean"], rel=0.01), "a day's worth each"


async def test_what_loses_in_other_ways_is_avoided_one_by_one(acme: Warehouse) -> None:
    ruled(acme, [SATURDAY], [EMOJIS], lift=(-28.0, -36.0, -19.0))
    assert len(labels_of(await asked(acme, "What should we stop doing?"))) == 3


PHOTO = {"feature": "media_type", "op": "==", "value": "photo", "level": "photo"}
BODY = {"feature": "body_words", "op": "<", "value": 25, "level": "low"}
TBT = {"feature": "title_and_body", "op": "mentions", "value": "tbt", "level": "mentions tbt"}
DRAFT = TBT | {"value": "draft", "level": "mentions draft"}


@pytest.mark.parametrize(
    ("rule", "problem", "is_answered"),
    [
        (SATURDAY, "Is Monday a good day?", False),
        (SATURDAY, "Is Saturday a good day?", True),
        (SATURDAY, "Should we post on working days, on weekdays?", True),
        (SATURDAY, "Which day of the week is best?", True),
        (MONDAY, "Should we post on weekends?", False),
        (EVENING, "Does it pay to post in the morning?", False),
        (EVENING, "Does it pay to post in the evening?", True),
        (PHOTO, "Should we use more video?", False),
        (PHOTO, "Video or photos?", True),
        (PHOTO, "Which format is best?", True),
        (PHOTO, "Fewer photos?", True),
        (LINKEDIN, "Is TikTok worth it?", False),
        (LINKEDIN, "Which channel should we use?", True),
        (BODY, "Should we write longer headlines?", False),
        (BODY, "How long should our posts be?", True),
        (TBT, "Should we use capital letters in titles?", False),
        (TBT, "Should we mention tbt?", True),
        (TBT, "Which words work best?", True),
    ],
)
def test_a_finding_answers_questions_about_its_own_value_alone(
    rule: dict[str, Any], problem: str, is_answered: bool
) -> None:
    value = tuple(rule["value"]) if isinstance(rule["value"], list) else rule["value"]
    about = finding("e", "x", 0.4, conditions=(Condition(rule["feature"], rule["op"], value),))
    assert bool(options_from([about], 0.1, problem)) == is_answered


@pytest.mark.parametrize(
    "problem",
    [
        "What's working?",
        "What kind of content gets the most engagement?",
        "Which type of posts should we do more of?",
        "What doesn't work?",
        "What's hurting our engagement?",
    ],
)
def test_contractions_and_kinds_of_content_are_about_nothing_else(problem: str) -> None:
    assert is_general(problem)


async def test_who_writes_one_word_has_not_left_out_the_others(acme: Warehouse) -> None:
    ruled(acme, [DRAFT], lift=(-52.0, -57.0, -46.0))
    pct = {"lift_pct": 220.0, "lift_low_pct": 120.0, "lift_high_pct": 360.0}
    details = {"rule": [TBT], "share_of_posts": 0.02}
    pattern_of_one_analysis(acme, "tbt", details, pct, is_first=False)
    result = await asked(acme, "What works best for us?")
    worth = {one["option"]: one for one in result["standings"]}
    assert result["options"][0]["label"] == "Publish more content that mentions “tbt”"
    assert len(worth["A"]["evidence_ids"]) == 1
    only = await asked(acme, "Should we mention tbt?")
    assert worth["A"]["mean"] == pytest.approx(only["standings"][0]["mean"], abs=1e-9)


async def test_one_headline_of_one_story_is_nothing_that_works_for_us(acme: Warehouse) -> None:
    texts = [{"title": "Cats purr"}, {"title": "Why do cats purr?"}]
    for story in ("cats", "dogs"):
        arms = [
            arm("v0", 5000, 250, is_control=True, experiment_name=story),
            arm("v1", 5000, 600, experiment_name=story),
        ]
        write_arms(acme, [one | text for one, text in zip(arms, texts, strict=True)])
    ruled(acme, [EMOJIS], lift=(20.0, 10.0, 30.0))
    result = await asked(acme, "What works best for us?")
    assert labels_of(result) == ["Publish more content that includes emojis", QUO]
    unanswered = (await asked(acme, "Is TikTok worth it?"))["reason"]
    assert "here are: '" not in unanswered, "what can be done again comes first"
    assert "against 'v0': +140%" in unanswered


async def test_what_experiments_have_not_judged_is_not_called_calibrated(acme: Warehouse) -> None:
    effect = {"log_estimate": 0.5, "log_interval": [-0.1, 1.1], "status": "not_enough_experiments"}
    details = {"rule": [TBT], "share_of_posts": 0.02, "effect": effect}
    pattern_of_one_analysis(acme, "tbt", details, {}, is_first=True)
    text = (await asked(acme, "What works best for us?"))["reasoning"]
    assert "not enough experiments here" in text
    assert "calibrated association" not in text
