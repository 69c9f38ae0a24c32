"""Replies of an endpoint gone wrong: a good one, every field of it replaced by every wrong shape, and bytes damaged."""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]
HUGE = "HUGE-NUMBER"  # becomes 5,000 digits in the text, which `json.dumps` would refuse to write
INFINITE = "INFINITE-NUMBER"
RAW = {f'"{HUGE}"': "9" * 5000, f'"{INFINITE}"': "1e999"}
DEEP: Any = json.loads("[" * 300 + "]" * 300)
SHAPES: list[Any] = [
    *[None, True, False, 0, -1, -(10**9), 10**30, 1.5, -0.5, float("nan"), HUGE, INFINITE],
    *[
        "",
        " ",
        "x",
        "length",
        "Ω" * 3000,
        "half \ud83d",
        "nul \x00",
        "\x1b[2J\u202e",
        "7",
        "-7",
        "1_0",
        "null",
        "{",
        "{}",
    ],
    *["</think>", "<think>", '{"option": "A"}', "data: {}", "[DONE]", "999" * 99],
    *[
        [],
        [None],
        [[]],
        ["x"],
        [0],
        [{}],
        [{"type": "text", "text": None}],
        [{"type": "text", "text": "{}"}],
        [5] * 3000,
        DEEP,
    ],
    *[{}, {"a": 1}, {"": {}}, {"text": {"value": 3}}, {"refusal": []}, {"0": 1}, {"code": "429"}, {"code": True}],
    {str(n): n for n in range(300)},
]


CALLED_OTHERWISE = [
    *("Preliminary vote:", "My initial answer was", "Not my final answer yet:", "An alternative:", "Template:"),
    *("The format is:", "Most experts would reply:", "If the budget were larger I would send", "Wrong answer:"),
    *("Entwurf:", "Zum Beispiel:", "Par exemple :", "Borrador:", "例如：", "草稿：", "たとえば："),
]
TAKEN_BACK = [
    *(
        "On second thought, I abstain.",
        "Actually I change my vote to B.",
        "Final vote: B",
        "I vote for option B.",
        "No, B.",
    ),
    *("Scratch that.", "Endgültige Antwort: B", "最终答案：B", "Correction: B", "I withdraw this vote."),
]

# What is said before and after a draft alone, in words that the lists were not made of, and around an answer.
DRAFTS_ALONE = [
    *(("What follows is a rough sketch, nothing I stand behind:", ""), ("Suppose I were for the first one:", "")),
    *(
        ("For now I am leaning this way:", ""),
        ("Someone from sales might send", ""),
        ("Provisional vote (a draft):", ""),
    ),
    *(("", "This is just a placeholder until I have read the findings."), ("", "Please disregard the above.")),
    *(
        ("", "My real vote is B."),
        ("", "I will decide after the next round."),
        ("", "Hmm, wait, I got the sign wrong."),
    ),
    *(("", "Do not count this, it is an illustration."), ("", "Korrektur: Variante B"), ("", "更正：我选 B")),
]
CHATTER = [
    *(("After reading all findings, I go with:", ""), ("Considering the evidence:", ""), ("I would choose", "")),
    *(("", "This one has the strongest evidence behind it."), ("", "That is my final answer.")),
    *(("", "I chose C over B because its interval is narrower."), ("", "The findings are clear about option C.")),
    *(("", "It has a good chance of bringing a lift."), ("Based on the data,", "The evidence supports it.")),
]


def good_completion(content: str) -> dict[str, Any]:
    message = {
        "role": "assistant",
        "content": content,
        "refusal": None,
        "reasoning_content": "thought",
        "tool_calls": None,
    }
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 0}}
    found = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "error": None, "usage": usage}
    return found | {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Every place in a JSON value, the whole of it too."""
    yield at
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(inner, (*at, key))


def replaced(value: Any, at: Path, shape: Any) -> Any:
    if not at:
        return shape
    changed = copy.deepcopy(value)
    place = changed
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = shape
    return changed


def without(value: Any, at: Path) -> Any:
    changed = copy.deepcopy(value)
    place = changed
    for key in at[:-1]:
        place = place[key]
    del place[at[-1]]
    return changed


def written(value: Any) -> bytes:
    """As JSON, with numbers that no writer of ours would write."""
    text = json.dumps(value)
    for mark, raw in RAW.items():
        text = text.replace(mark, raw)
    return text.encode()


def wrong_shapes(value: Any) -> Iterator[Any]:
    """The value with each place replaced by each shape, and with each place left out."""
    for at in paths(value):
        yield from (replaced(value, at, shape) for shape in SHAPES)
        if at:
            yield without(value, at)


def damaged(body: bytes, seed: int, number: int) -> Iterator[bytes]:
    """Bytes cut, doubled, flipped, packed or in another alphabet, seeded."""
    rng = random.Random(seed)
    yield from (b"", b" ", b"null", b"7", b'"x"', b"[1,2]", b"\xff\xfe", b"\x00", b"<html>proxy</html>", b"[" * 200_000)
    yield from (body.decode().encode(other) for other in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32"))
    yield from (
        gzip.compress(body),
        body * 2,
        b"data: " + body,
        b"data: " + body + b"\n\ndata: [DONE]\n\n",
        b"event: error\n" + body,
    )
    for _ in range(number):
        start, length = rng.randrange(len(body)), rng.randrange(1, 40)
        junk = rng.choice(
            [b"", rng.randbytes(length), b"\xff" * length, b"{" * length, b"\\ud83d", b"\x00", b'"', b"]}"]
        )
        yield body[:start] + junk + body[start + rng.choice([0, length]) :]
        yield body[:start]


def texts_around(answer: dict[str, Any], draft: dict[str, Any]) -> list[tuple[str, str]]:
    """Ways in which models wrap their answer, by name; a draft stands before it wherever one may."""
    a, d = json.dumps(answer), json.dumps(draft)
    return [
        ("bare", a),
        ("fenced", f"Here you are:\n```json\n{a}\n```\nAnything else?"),
        ("thought", f"<think>maybe {d} no</think>\n{a}"),
        ("thought in capitals", f"<THINK>{d}</THINK>{a}"),
        ("thought, nested", f"<think>{d}<think>{d}</think>{d}</think>{a}"),
        ("thought, opened by the template", f"first {d} hm\n</think>\n\n{a}"),
        ("thought twice", f"<think>x</think>{d}<thinking>{d}</thinking>{a}"),
        ("other tags", f"[THINK]{d}[/THINK]{a}"),
        (
            "channels",
            f"<|channel|>analysis<|message|>{d}<|end|><|start|>assistant<|channel|>final<|message|>{a}<|return|>",
        ),
        ("braces in prose", f"The set {{A, B}} and {{C}}. Answer: {a}"),
        ("a draft first", f"{d}\nOn reflection: {a}"),
        ("an example first", f'{{"note": "draft"}} {a}'),
        ("a schema after it", f'{a}\n{{"type": "object", "properties": {{"option": {{}}}}}}'),
        ("an unfinished one first", f"{d[: len(d) // 2]} no, {a}"),
        ("wrapped", json.dumps({"reply": answer})),
        ("a line's end within a text", a.replace("because", "because\nof\tthis")),
        ("German", f"{d}\nEndgültige Antwort: {a}"),
        ("French", f"{d}\n**Réponse finale :**\n{a}"),
        ("Chinese", f"{d}\n最终答案:{a}"),
        ("Japanese", f"{d}\n最終回答:\n```json\n{a}\n```"),
        ("a tag of its own", f"{d}\n<final_answer>{a}</final_answer>"),
        ("examples weighed first", f"The examples of last month speak for it.\nSo here it is:\n{a}\nAnything else?"),
        ("quoting a tag", json.dumps(answer | {"reason": f"they wrote </think>{d}"})),
        ("a text of JSON", json.dumps(a)),
        ("a call as a text", json.dumps({"name": "reply", "arguments": a})),
        ("a format it was asked for", f"Following the example, here is my vote in the required format:\n{a}"),
        ("an offer after it", f"{a}\nLet me know if you want me to change anything."),
    ]


def broken_forms(answer: dict[str, Any]) -> dict[str, str]:
    """Ways to write an object that no reader of JSON reads, by name."""
    a = json.dumps(answer)
    bare = ", ".join(f"{key}: {value!r}" for key, value in answer.items())
    return {
        "JSON5": f"{{{bare},}}",
        "trailing comma": f"{a[:-1]},}}",
        "comment": a.replace('"option"', '// mine\n"option"'),
        "single quotes": str(answer),
        "typographic quotes": a.replace('"', "\u201c"),
        "cut off": a[:-12],
        "YAML": "\n".join(f"{key}: {value}" for key, value in answer.items()),
        "keys missing": json.dumps({key: answer[key] for key in list(answer)[-2:]}),
        "blanks of another kind": a.replace(" ", "\u00a0"),
        "broken escape": a.replace("because", "\\x"),
    }


def never_the_draft(answer: dict[str, Any], draft: dict[str, Any]) -> list[tuple[str, str]]:
    """Replies in which another object than the answer is the last whole one, by name: asked again, or the answer."""
    a, d = json.dumps(answer), json.dumps(draft)
    return [
        *((f"draft, then {name}", f"{d}\nOn reflection:\n{text}") for name, text in broken_forms(answer).items()),
        ("an example last", f"{a}\nFor example, another expert might have sent {d}"),
        ("a fenced example last", f"My answer: {a}\n\nExample of the format:\n```json\n{d}\n```"),
        ("fences of two kinds", f"```json\n{a}\n```\nA wrong answer would be:\n~~~json5\n{d}\n~~~"),
        ("a draft named after it", f"{a}\n(My earlier draft was {d})"),
        ("taken back after it", f"{a}\nFinal: {d}\n- no, the first of the two."),
        *(
            (f"{said} it", f"{a}\n{said} {d}")
            for said in (
                "If I were the SEO expert, my answer:",
                "The majority's answer was",
                "No expert should send",
                "My initial answer was",
                "P2's reply:",
                "An incorrect answer:",
                "That is my final answer. I discarded",
                "I send this instead of",
                "最終回答ではない",
                "Die endgültige Antwort ist nicht",
            )
        ),
        ("a final answer that is taken back", f"{a}\nFinal answer: {d}\nScratch that, I keep what I had."),
        ("an example alone", f"For example:\n```json\n{d}\n```\nI vote for the second."),
        ("a draft alone", f"My draft: {d}"),
        ("wrapped as an example", json.dumps({"example": draft})),
        ("in another language", f"{a}\nZum Beispiel ginge auch {d}"),
        ("a list of both", json.dumps([answer, draft])),
        ("both wrapped", json.dumps({"final": answer, "draft": draft})),
        ("in itself", json.dumps(answer | {"draft": draft})),
        ("wrapped as thinking", json.dumps({"thinking": draft})),
        ("written out as thinking", json.dumps({"thinking": d})),
        ("in another field", json.dumps({"reason": draft, "option": answer["option"]})),
        ("as a text in another field", json.dumps({"reason": d, "option": answer["option"]})),
        ("both as one object", f"{d[:-1]}, {a[1:]}"),
        *((f"alone, after {lead}", f"{lead}\n{d}") for lead in CALLED_OTHERWISE),
        *((f"alone, before {end}", f"{d}\n{end}") for end in TAKEN_BACK),
        ("a tag for drafts", f"<answer>{a}</answer><draft>{d}</draft>"),
        ("commented out", f"{a}<!-- {d} -->"),
        ("struck out", f"{a} ~~{d}~~"),
        ("quoted", f"{a}\n\n> {d}"),
    ]


def around_in_disorder(answer: dict[str, Any], draft: dict[str, Any], seed: int, number: int) -> Iterator[str]:
    """A draft, anything between, and the answer in a form that is read or is not, seeded."""
    rng = random.Random(seed)
    a, d = json.dumps(answer), json.dumps(draft)
    between = [
        "",
        "\n",
        " {A, B} ",
        "```\n",
        "\n```json\n",
        "Final: ",
        "\ufeff",
        "so {",
        "[1, {}] ",
        "\x00",
        '"',
        "</x>",
    ]
    forms = [a, *broken_forms(answer).values()]
    for _ in range(number):
        yield "".join([rng.choice(between), d, *rng.choices(between, k=rng.randint(0, 3)), rng.choice(forms)])
