"""A condition has one meaning: of one row, of a frame and of arrays; and what is unknown is neither true nor false."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest

from tasks.conditions import Condition, Membership, in_a_sentence, known, leaving_off, rule_in_words, value_in_words

NUMBERS = [None, math.nan, math.inf, -math.inf, 0.0, 1.0, 2.5, 4.0, 7.0]
LABELS = [None, "video", "photo", "Video"]
ON_NUMBERS = [
    Condition("x", ">=", 1, "present"),
    Condition("x", "<", 1, "absent"),
    Condition("x", "==", 4.0),
    Condition("x", "==", True, "true"),
    Condition("x", "between", (1, 4), "second_quarter"),
]


@pytest.mark.parametrize("condition", ON_NUMBERS, ids=str)
def test_row_frame_and_array_agree_on_numbers(condition: Condition) -> None:
    of_rows = [condition.met_by({"x": value}) for value in NUMBERS]
    frame = pl.DataFrame({"x": NUMBERS}, schema={"x": pl.Float64}, strict=False)
    assert frame.select(condition.expression).to_series().to_list() == of_rows
    values = np.array([math.nan if v is None or not math.isfinite(v) else v for v in NUMBERS])
    answers = Membership(condition.matching(values), known(values))
    assert answers.matching.tolist() == [answer is True for answer in of_rows]
    assert answers.others.tolist() == [answer is False for answer in of_rows]
    assert of_rows[:4] == [None] * 4
    assert {True, False} == set(of_rows[4:])


def test_row_frame_and_array_agree_on_labels() -> None:
    condition = Condition("media_type", "==", "video", "video")
    of_rows = [condition.met_by({"media_type": label}) for label in LABELS]
    assert of_rows == [None, True, False, False]
    frame = pl.DataFrame({"media_type": LABELS})
    assert frame.select(condition.expression).to_series().to_list() == of_rows
    codes = np.array([math.nan, 0.0, 1.0, 2.0])
    assert condition.matching(codes, ["video", "photo", "Video"]).tolist() == [False, True, False, False]
    assert not condition.matching(codes, ["a", "b", "c"]).any()


def test_a_row_without_the_feature_or_of_another_kind_is_unknown() -> None:
    assert Condition("word_count", ">=", 10).met_by({}) is None
    assert Condition("word_count", ">=", 10).met_by({"word_count": "many"}) is None
    assert Condition("media_type", "==", "video").met_by({"media_type": 3}) is None
    assert Condition("has_cta", "==", True).met_by({"has_cta": False}) is False


def test_a_condition_is_stored_as_before_and_survives_json() -> None:
    condition = Condition("local_hour", "between", (8, 12), "from_08")
    stored = json.dumps(condition.as_dict())
    assert stored == '{"feature": "local_hour", "op": "between", "value": [8, 12], "level": "from_08"}'
    assert Condition.from_dict(json.loads(stored)) == condition
    assert {condition: 1}[Condition.from_dict(json.loads(stored))] == 1


def test_phrases_complete_content_that() -> None:
    rule = (
        Condition("media_type", "==", "video", "video"),
        Condition("media_type", "==", "animation", "animation"),
        Condition("sentiment_score", ">=", 0.4, "top_quarter"),
        Condition("mention_count", "<", 1, "absent"),
        Condition("mention_count", "<", 2, "lower_half"),
        Condition("capitals_share", "<", 0.02, "bottom_quarter"),
        Condition("has_face", "==", False, "false"),
    )
    assert rule_in_words(rule) == (
        "is a video, is an animation, has positive sentiment (score at least 0.4), mentions no other accounts, "
        "has under 2 mentions, has few capital letters (under 2 %), has no face"
    )


NO_EMOJI, NO_CTA = Condition("emoji_count", "<", 1, "absent"), Condition("has_cta", "==", False, "false")
SATURDAY, LONG = Condition("local_weekday", "==", 5), Condition("word_count", ">=", 240, "top_quarter")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ([NO_EMOJI], "social content that includes emojis"),
        ([NO_EMOJI, NO_CTA], "social content that includes emojis or has a clear call to action"),
        ([Condition("has_face", "==", True, "true")], "social content that has no face"),
        ([SATURDAY], "avoiding social content that is posted on Saturday"),
        ([NO_EMOJI, SATURDAY], "avoiding social content that includes no emojis and is posted on Saturday"),
        ([LONG], "avoiding social content that has many words (at least 240)"),
    ],
)
def test_what_loses_is_left_off_in_words_that_people_use(rule: list[Condition], words: str) -> None:
    assert leaving_off("social content", rule) == words


def test_conditions_are_joined_as_in_a_sentence() -> None:
    assert in_a_sentence([NO_EMOJI, NO_CTA]) == "includes no emojis and has no clear call to action"


@pytest.mark.parametrize(
    ("feature", "value", "words"),
    [
        ("word_count", 40, "has about 40 words"),
        ("title_words", 1, "has 1 word in the title"),
        ("emoji_count", 0, "includes no emojis"),
        ("emoji_count", 3, "has 3 emojis"),
        ("media_type", "video", "is a video"),
        ("has_cta", False, "has no clear call to action"),
        ("local_weekday", 2.0, "is posted on Wednesday"),
        ("local_weekday", 9, "has local weekday 9"),
        ("readability", 60.5, "has readability 60.5"),
    ],
)
def test_a_value_that_is_set_is_said_as_conditions_are(feature: str, value: bool | float | str, words: str) -> None:
    assert value_in_words(feature, value) == words
