"""Whatever an endpoint sends back, one call gets a reply or a reason, and what is kept can be stored and read again."""

from __future__ import annotations

import json
import random
import time
from contextlib import suppress
from typing import Any

import pytest

from tasks.swarm import AgentDebateOrchestrator, Endpoint
from tasks.swarm.completions import Completion, NoCompletionError, complaint_of, read_completion
from tasks.swarm.fencing import texts_in
from tasks.swarm.messages import Critique, OptionList, Proposal, Split, Verdict, Vote
from tasks.swarm.pacing import told_to_wait
from tasks.swarm.reasoning import without_reasoning
from tasks.swarm.replies import ReplyForm, UnsureReplyError, UnusableReplyError, read_answer, read_reply
from tasks.warehouse import Warehouse
from tests.fake_llm import fake_llm
from tests.generators.hostile_replies import (
    CALLED_OTHERWISE,
    CHATTER,
    DRAFTS_ALONE,
    SHAPES,
    TAKEN_BACK,
    around_in_disorder,
    damaged,
    good_completion,
    never_the_draft,
    texts_around,
    written,
    wrong_shapes,
)

Case = dict[str, Any]
SEED = 21
VOTE = ReplyForm(Vote, ("A", "B", "C"), evidence_ids=("e1",))
LABELED = ReplyForm(Vote, ("A", "B", "C"), evidence_ids=("e1",), option_labels=("Do one", "Do two", "Do three"))
ANSWER = {"reason": "because", "evidence_ids": ["e1"], "option": "B", "confidence": 70}
DRAFT = ANSWER | {"option": "C"}
FORMS = [
    VOTE,
    ReplyForm(
        Proposal, ("A", "B"), ("e1",), secret="You are one of several experts who decide a question by evidence."
    ),
    ReplyForm(Critique, ("A", "B"), ("e1",), targets=("P1", "P2")),
    ReplyForm(Verdict, ("A", "B")),
    ReplyForm(OptionList, ()),
    ReplyForm(Split, ()),
]


def is_storable(text: str | None) -> bool:
    return text is None or ("\x00" not in text and text.encode("utf-8") is not None)


def outcome(body: bytes) -> Completion | None:
    """The completion, or None where there is none; anything else that is raised is the fault looked for."""
    assert is_storable(complaint_of(body))
    found, said, status = None, "", None
    try:
        found = read_completion(body)
    except NoCompletionError as problem:
        said, status = problem.says, problem.status
    if found is None:
        assert is_storable(said)
        assert status is None or 400 <= status < 600
        return None
    assert is_storable(found.text)
    assert is_storable(found.refusal)
    assert is_storable(found.finish_reason)
    for count in (found.prompt_tokens, found.completion_tokens):
        assert count is None or (isinstance(count, int) and 0 <= count <= 10**9)
    return found


def test_every_field_of_a_body_in_every_wrong_shape() -> None:
    good = good_completion(json.dumps(ANSWER))
    cases = [written(one) for one in wrong_shapes(good)]
    found = [outcome(body) for body in cases]
    assert len(cases) > 1000
    assert sum(one is not None and one.text == json.dumps(ANSWER) for one in found) > len(cases) / 2
    assert any(one is None for one in found)


def test_bodies_with_damaged_bytes() -> None:
    body = json.dumps(good_completion(json.dumps(ANSWER))).encode()
    assert len([outcome(one) for one in damaged(body, SEED, 400)]) > 800


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.model.__name__)
def test_every_field_of_a_reply_in_every_wrong_shape(form: ReplyForm) -> None:
    good = {name: _good(part) for name, part in form.schema()["properties"].items()}
    read_reply(json.dumps(good), form)
    refused = 0
    for value in wrong_shapes(good):
        try:
            message, _ = read_reply(written(value).decode(), form)
        except UnusableReplyError:
            refused += 1
        else:
            assert form.model.model_validate_json(message.model_dump_json()) == message
    assert refused > len(SHAPES) / 2


def _good(part: Case) -> Any:
    if "enum" in part:
        return part["enum"][0]
    if part["type"] == "array":
        return ["One", "Two"] if part.get("minItems") else []
    return 70 if part["type"] == "integer" else "text"


@pytest.mark.parametrize(
    ("name", "text"), texts_around(ANSWER, DRAFT), ids=lambda one: one if " " in one or one.isalpha() else ""
)
def test_the_answer_is_read_however_it_is_wrapped_and_never_a_draft(name: str, text: str) -> None:
    message, _ = read_reply(text, VOTE)
    assert isinstance(message, Vote)
    assert message.option == "B", name


@pytest.mark.parametrize(("name", "text"), never_the_draft(ANSWER, DRAFT), ids=lambda one: one if len(one) < 40 else "")
def test_a_draft_or_an_example_is_no_vote_wherever_it_stands(name: str, text: str) -> None:
    if name == "in itself":
        assert read_reply(text, VOTE)[0].option == "B"  # type: ignore[attr-defined]
        return
    with pytest.raises(
        UnusableReplyError,
        match=r"several answers|valid JSON with all keys|no answer but an|are missing|may take it",
    ):
        read_reply(text, VOTE)


def sent_twice(text: str) -> Vote | None:
    """The vote of an expert who sends a text, is told that it may be none, and sends the same again."""
    try:
        return read_reply(text, VOTE)[0]  # type: ignore[return-value]
    except UnsureReplyError as first:
        with pytest.raises(UnsureReplyError) as second:
            read_reply(text, VOTE)
        meant = second.value.is_meant(first, VOTE)
        return read_answer(second.value.answer, VOTE)[0] if meant else None  # type: ignore[return-value]
    except UnusableReplyError:
        return None


@pytest.mark.parametrize(
    "text",
    [
        *(f"{lead}\n{json.dumps(DRAFT)}" for lead in [*CALLED_OTHERWISE, "My draft:", "For example:"]),
        *(f"{json.dumps(DRAFT)}\n{end}" for end in TAKEN_BACK),
        *(f"{lead}\n{json.dumps(DRAFT)}\n{end}" for lead, end in DRAFTS_ALONE),
        *(json.dumps({name: DRAFT}) for name in ("example", "thinking", "draft", "previous")),
    ],
)
def test_a_draft_is_no_vote_however_often_it_is_sent(text: str) -> None:
    assert sent_twice(text) is None


@pytest.mark.parametrize(("lead", "end"), CHATTER)
def test_who_only_chats_around_an_answer_and_sends_it_again_means_it(lead: str, end: str) -> None:
    vote = sent_twice(f"{lead}\n{json.dumps(DRAFT)}\n{end}")
    assert vote is not None
    assert vote.option == "C"


OTHERWISE_SPELLED: list[Any] = [
    *(
        "b",
        " B ",
        "(B)",
        "**B**",
        '"B"',
        "B.",
        "Option b",
        "option B:",
        "Ｂ",
        "选项B",
        "B: Do two",
        "do TWO",
        "Do two.",
    ),
    *(["B"], {"id": "B"}, {"id": "B", "label": "Do two"}),
]
NO_OPTION: list[Any] = [
    *("A or B", "B, not A", "not B", "A/B", "A|B|C", "1", 1, 2, None, True, "", " ", "Do", "D"),
    *([], ["A", "B"], {}),
]


@pytest.mark.parametrize("spelled", OTHERWISE_SPELLED, ids=str)
def test_an_option_is_read_however_it_is_spelled(spelled: Any) -> None:
    assert read_reply(json.dumps(ANSWER | {"option": spelled}), LABELED)[0].option == "B"  # type: ignore[attr-defined]


@pytest.mark.parametrize("spelled", NO_OPTION, ids=str)
def test_what_may_mean_several_options_or_none_is_asked_again(spelled: Any) -> None:
    with pytest.raises(UnusableReplyError, match="the option must be one of A, B, C, abstain"):
        read_reply(json.dumps(ANSWER | {"option": spelled}), LABELED)


def test_an_answer_that_two_options_could_mean_means_neither() -> None:
    swapped = ReplyForm(Vote, ("A", "B"), option_labels=("B", "-5 %"))
    assert read_reply(json.dumps(ANSWER | {"option": "B"}), swapped)[0].option == "B"  # type: ignore[attr-defined]
    assert read_reply(json.dumps(ANSWER | {"option": "ABSTAIN"}), swapped)[0].option is None  # type: ignore[attr-defined]
    with pytest.raises(UnusableReplyError, match="must be one of"):
        read_reply(json.dumps(ANSWER | {"option": "b"}), swapped)
    signs = ReplyForm(Vote, ("A", "B"), option_labels=("+5 %", "-5 %"))
    with pytest.raises(UnusableReplyError, match="must be one of"):
        read_reply(json.dumps(ANSWER | {"option": "5"}), signs)


def test_what_is_written_before_the_answer_is_never_the_vote() -> None:
    read = 0
    for text in around_in_disorder(ANSWER, DRAFT, SEED, 1500):
        try:
            message, _ = read_reply(text, VOTE)
        except UnusableReplyError:
            continue
        assert message.option == "B", text  # type: ignore[attr-defined]
        read += 1
    assert read > 50


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"<think>I lean to {json.dumps(DRAFT)}", "nothing after its reasoning"),
        (f"{json.dumps(DRAFT)} <think>or rather", "^$"),
        (f"{json.dumps(DRAFT)} no: {json.dumps(ANSWER | {'option': 'Z'})}", "must be one of"),
        (json.dumps(ANSWER)[:-2], "not valid JSON"),
        ("{" * 50_000, "not valid JSON|too deep"),
        ('{"a":' * 20_000, "not valid JSON|too deep"),
        ('{"option":' + "[" * 100_000, "not valid JSON|too deep"),
        ("{'a' " * 13_000, "not valid JSON"),
        ('{"a": "' * 9_000, "not valid JSON"),
    ],
)
def test_what_is_no_answer_is_asked_for_again_and_quickly_told(text: str, says: str) -> None:
    if says == "^$":  # what stands before an unclosed thought was said aloud, and is the answer
        assert read_reply(text, VOTE)[0].option == "C"  # type: ignore[attr-defined]
        return
    started = time.process_time()
    with pytest.raises(UnusableReplyError, match=says):
        read_reply(text, VOTE)
    assert time.process_time() - started < 5.0, "linear: a quadratic reader takes minutes"


def test_reasoning_is_left_out_in_time_that_grows_with_the_text() -> None:
    assert without_reasoning("<think>" * 100_000) == ""
    assert without_reasoning("</think>" * 100_000 + "x") == "x"
    assert without_reasoning("a <thinkpad> b") == "a <thinkpad> b"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        (["a", {"type": "thinking", "thinking": "no"}, {"type": "output_text", "text": "b"}], "ab"),
        ({"option": "A"}, '{"option": "A"}'),
        ({"type": "text", "text": "a"}, "a"),
        (5, ""),
        (None, ""),
    ],
)
def test_the_text_of_a_message_in_whatever_parts(content: Any, text: str) -> None:
    body = good_completion("")
    body["choices"][0]["message"]["content"] = content
    found = outcome(json.dumps(body).encode())
    assert found is not None
    assert found.text == text


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 12.2, "completion_tokens": 3}, (13, 3)),
        ({"prompt_tokens": "12", "completion_tokens": "3.0"}, (12, 3)),
        ({"input_tokens": 12, "output_tokens": 3}, (12, 3)),
        ({"prompt_tokens": -(10**9), "completion_tokens": 3}, (None, None)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (None, None)),
        ({"prompt_tokens": 12, "completion_tokens": -3}, (12, None)),
        ({"prompt_tokens": 10**30, "completion_tokens": 3}, (None, None)),
        ({"prompt_tokens": True, "completion_tokens": 3}, (None, None)),
        (None, (None, None)),
        ("none", (None, None)),
    ],
)
def test_tokens_are_counts_or_not_measured(usage: Any, counts: tuple[int | None, int | None]) -> None:
    found = outcome(json.dumps(good_completion("x") | {"usage": usage}).encode())
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens) == counts


def test_a_refusal_is_one_in_every_shape_and_a_filter_is_one_too() -> None:
    for message in (
        {"content": None, "refusal": "I cannot"},
        {"content": None, "refusal": ["I", {"type": "refusal", "refusal": "cannot"}]},
        {"content": [{"type": "refusal", "refusal": "I cannot"}]},
        {"content": "", "refusal": {"message": "I cannot"}},
    ):
        body = good_completion("") | {"choices": [{"message": message}]}
        found = outcome(json.dumps(body).encode())
        assert found is not None
        assert found.refusal == "I cannot", message
    filtered = good_completion("") | {"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}
    assert (outcome(json.dumps(filtered).encode()) or Completion()).refusal


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        ({"message": "upstream down", "code": 429}, 429, "upstream down"),
        ({"message": "upstream down", "code": "503"}, 503, "upstream down"),
        ({"message": "x", "code": "invalid_key"}, None, "x"),
        ("plain words", None, "plain words"),
        ([{"detail": "in a list"}], None, "in a list"),
    ],
)
def test_an_error_with_status_200_is_an_error(error: Any, status: int | None, says: str) -> None:
    with pytest.raises(NoCompletionError, match=says) as problem:
        read_completion(json.dumps({"error": error}).encode())
    assert problem.value.status == status
    assert problem.value.is_error


@pytest.mark.parametrize("first", [":ping\n\n", ":\r\n\r\n", ": x\r\r", "retry: 3000\n\n", "\ufeff", "\n\n"])
def test_a_stream_is_known_by_whatever_begins_it(first: str) -> None:
    event = {"choices": [{"index": 0, "delta": {"content": "text"}}]}
    lines = "\n".join(f"data: {line}" for line in json.dumps(event, indent=1).splitlines())
    found = outcome(f"{first}{lines}\n\n: keep alive\n\ndata: [DONE]\n\n".encode())
    assert found is not None
    assert found.text == "text"


@pytest.mark.parametrize(
    "message",
    [
        {"content": [[{"type": "text", "text": json.dumps(ANSWER)}]]},
        {"content": None, "reasoning_content": json.dumps(DRAFT)},
        {"content": None, "tool_calls": [{"function": {"name": "vote", "arguments": json.dumps(ANSWER)[:-5]}}]},
        {"content": None, "tool_calls": [{"function": {"name": ["vote"], "arguments": [1]}}]},
        {"content": None, "tool_calls": [{"function": {"arguments": json.dumps(ANSWER)}}] * 2},
        {"content": "So I think.", "function_call": {"name": "vote", "arguments": json.dumps(DRAFT)}},
        {"content": {"thinking": json.dumps(DRAFT)}},
    ],
)
def test_what_stands_beside_the_answer_is_not_read_for_it(message: Case) -> None:
    found = outcome(json.dumps(good_completion("") | {"choices": [{"message": message}]}).encode())
    assert found is not None
    with pytest.raises(UnusableReplyError):
        read_reply(found.text, VOTE)


CALLED = {"function": {"name": "reply", "arguments": json.dumps(ANSWER)}}


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"content": None, "tool_calls": [CALLED]}},
        {"message": {"content": "", "tool_calls": [{"function": {"arguments": ANSWER}}]}},
        {"message": {"function_call": CALLED["function"]}},
        {"text": json.dumps(ANSWER)},
        {"message": {"content": json.dumps(ANSWER), "tool_calls": [CALLED]}},
    ],
)
def test_the_only_call_of_a_function_or_a_bare_text_is_the_answer_where_no_other_came(choice: Case) -> None:
    found = outcome(json.dumps(good_completion("") | {"choices": [choice]}).encode())
    assert found is not None
    assert read_reply(found.text, VOTE)[0].option == "B"  # type: ignore[attr-defined]


def test_a_call_that_says_another_than_the_text_is_asked_about() -> None:
    for text, call in ((ANSWER, DRAFT), (DRAFT, ANSWER)):
        calls = [{"function": {"name": "reply", "arguments": json.dumps(call)}}]
        choices = [{"message": {"content": json.dumps(text), "tool_calls": calls}}]
        found = outcome(json.dumps(good_completion("") | {"choices": choices}).encode())
        assert found is not None
        with pytest.raises(UnusableReplyError, match="several answers"):
            read_reply(found.text, VOTE)


def streamed(*pieces: Case) -> bytes:
    return "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces).encode()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_stream_of_a_call_or_of_bare_texts_is_read_as_a_whole_one_is(seed: int) -> None:
    text, rng = json.dumps(ANSWER), random.Random(seed)
    ends = sorted(rng.sample(range(1, len(text)), 6))
    parts = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
    named = [{"index": 0, "id": "c", "function": {"name": "reply", "arguments": ""}}]
    calls = [named, *([{"index": 0, "function": {"arguments": part}}] for part in parts)]
    for pieces in (
        [{"choices": [{"index": 0, "delta": {"content": None, "tool_calls": one}}]} for one in calls],
        [{"choices": [{"index": 0, "delta": {"function_call": {"arguments": part}}}]} for part in parts],
        [{"choices": [{"index": 0, "text": part}]} for part in parts],
    ):
        found = outcome(streamed(*pieces))
        assert found is not None
        assert read_reply(found.text, VOTE)[0].option == "B"  # type: ignore[attr-defined]
    both = [{"index": 0, "function": {"arguments": text}}, {"index": 1, "function": {"arguments": json.dumps(DRAFT)}}]
    found = outcome(streamed({"choices": [{"index": 0, "delta": {"tool_calls": both}}]}))
    assert found is not None
    assert found.text == "", "of several calls none is the answer"


def test_a_stream_that_ends_in_an_error_is_one_whatever_came_before() -> None:
    draft = {"choices": [{"index": 0, "delta": {"content": json.dumps(DRAFT)}}]}
    with pytest.raises(NoCompletionError, match="overloaded") as problem:
        read_completion(streamed(draft, {"error": {"message": "overloaded", "code": 503}}))
    assert problem.value.status == 503


@pytest.mark.parametrize(
    "text",
    [
        *(f"<{tag}>\n{json.dumps(DRAFT)}\n" for tag in ("seed:think", "assistant_thinking", "inner_monologue", "cot")),
        f"<deliberation>{json.dumps(DRAFT)}</deliberation>",
        f"<|begin_of_thought|>\n{json.dumps(DRAFT)}\n<|end_of_thought|>",
        f"<|thinking|>{json.dumps(DRAFT)}",
        f"<|channel|>final<|message|>{json.dumps(DRAFT)}<|end|><|channel|>analysis<|message|>No, wait.",
    ],
)
def test_what_is_thought_in_tags_of_any_family_is_no_answer(text: str) -> None:
    with pytest.raises(UnusableReplyError, match="holds nothing after its reasoning"):
        read_reply(text, VOTE)


@pytest.mark.parametrize("option", ["!B", "\u00acB", "\u2260 B", "~~B~~", "-B", "\u274c B", "B?", "Not B", "B or C"])
def test_what_may_mean_any_option_but_this_one_is_asked_about(option: str) -> None:
    with pytest.raises(UnusableReplyError, match="must be one of A, B, C"):
        read_reply(json.dumps(ANSWER | {"option": option}), LABELED)
    assert read_reply(json.dumps(ANSWER | {"option": "**B**!"}), LABELED)[0].option == "B"  # type: ignore[attr-defined]


@pytest.mark.parametrize("between", ["\n", "\n ", "\t", "<", "if ", "```", ">\n"])
def test_what_stands_between_two_answers_is_looked_at_once(between: str) -> None:
    started = time.process_time()
    with suppress(UnusableReplyError):
        read_reply(json.dumps(DRAFT) + between * (60_000 // len(between)) + json.dumps(ANSWER), VOTE)
    assert time.process_time() - started < 2.0, "60,000 line ends took 5 s"


def test_what_a_body_without_choices_says_is_passed_on() -> None:
    with pytest.raises(NoCompletionError, match=r"^what came back is no chat completion: Not authenticated$"):
        read_completion(b'{"detail": "Not authenticated"}')


def test_the_first_choice_is_the_one_of_index_0() -> None:
    choices = [{"index": 1, "message": {"content": "other"}}, {"index": 0, "message": {"content": "first"}}]
    found = outcome(json.dumps({"choices": choices}).encode())
    assert found is not None
    assert found.text == "first"


def test_a_stream_of_events_is_one_reply() -> None:
    text = json.dumps(ANSWER)
    pieces = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text[i : i + 7]}}]}
        for i in range(0, len(text), 7)
    ]
    pieces += [{"choices": [{"index": 1, "delta": {"content": "another choice"}}]}, {"choices": "broken"}, [1]]
    pieces += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
    pieces += [{"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}]
    body = ": ping\r\n\r\n" + "".join(f"data: {json.dumps(one)}\r\n\r\n" for one in pieces) + "data: [DONE]\r\n\r\n"
    found = outcome(body.encode())
    assert found == Completion(text=text, finish_reason="stop", prompt_tokens=9, completion_tokens=4)
    with pytest.raises(NoCompletionError, match="late trouble"):
        read_completion(b'data: {"error": {"message": "late trouble"}}\n\n')


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Sun, 29 Nov 2026 08:00:30 GMT", "date": "Sun, 29 Nov 2026 08:00:00 GMT"}, 30.0),
        ({"retry-after": "Sun, 29 Nov 2026 07:00:00 GMT", "date": "Sun, 29 Nov 2026 08:00:00 GMT"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "inf"}, float("inf")),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 99 Foo 99999 99:99:99 GMT"}, None),
        ({"x-ratelimit-reset-requests": "1s"}, 1.0),
        ({"x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({"x-ratelimit-reset-requests": "6m0s"}, 30.0),
        ({}, None),
    ],
)
def test_how_long_an_endpoint_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert told_to_wait(headers) == (None if seconds is None else pytest.approx(seconds))


def test_headers_of_random_signs_ask_for_nothing_impossible() -> None:
    rng = random.Random(SEED)
    signs = "0123456789.-+eE:,/ GMTSunNovms\x00\xff²٣"
    for _ in range(3000):
        text = "".join(rng.choice(signs) for _ in range(rng.randrange(1, 24)))
        for name in ("retry-after", "retry-after-ms", "x-ratelimit-reset-requests"):
            wait = told_to_wait({name: text})
            assert wait is None or wait >= 0.0


async def test_halves_of_signs_are_stored_by_neither_database_whoever_wrote_them(warehouse: Warehouse) -> None:
    """In the question, its context and its options as in the replies; a NUL as well, which PostgreSQL refuses."""
    bad = "half \ud83d nul \x00"
    said = {"claim": bad, "reasoning": bad, "reason": bad}
    with fake_llm(lambda phase, body, schema: said if phase in ("propose", "vote") else None) as fake:
        experts = AgentDebateOrchestrator(warehouse=warehouse, endpoint=Endpoint("ok", fake.url, "k"))
        result = await experts.orchestrate_debate(
            f"Which one? {bad}",
            ["viral_engineer", "seo_expert"],
            2,
            "majority_vote",
            {"notes": [bad, {bad: bad}]},
            options=[f"One {bad}", {"label": f"Two {bad}", "title": bad, "body": bad}],
            stop_at_agreement=False,
        )
        assert fake.calls == 8
    texts = texts_in(result)
    assert all(map(is_storable, texts))
    assert sum("half � nul �" in text for text in texts) > 6
    assert experts.replay(result["debate_id"]) == result
