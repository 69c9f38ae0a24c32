"""Whether an object of a reply is the answer, by what is said before and after it; pure.

A model may write an example, a draft or what others would answer, and take back what it has written. Closed lists of
words say which is meant. Lists of what takes an answer back found 1 of 24 sentences that they were not made of, so the
lists that count are of what may stand there; all else is asked about, which costs one call.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST_NAME = 200  # characters of what is said right before an answer
LONGEST_AFTER = 400  # characters of what is said after it; more is no courtesy

# Where a reply holds several answers: the last is the answer where the clause before it is made of these words alone,
# one of them a name of it. A sentence about an answer ("P2's answer was", "if I had to vote") has others, and is asked
# about, as is whatever is said in between of examples, and any word after it.
_NAMES_OF_IT = frozenset([
    "no", "actually", "final", "finally", "reflection", "conclusion", "answer", "reply", "vote", "decision", "revised",
    "corrected", "endgültige", "endgültig", "antwort", "réponse", "finale", "définitive", "respuesta", "decisión",
    "definitiva", "最终答案", "最终回答", "最终决定", "最终投票", "最終回答", "最終決定",
])  # fmt: skip
_BESIDE_THEM = frozenset([
    "my", "the", "so", "here", "is", "on", "in", "after", "and", "json", "version", "meine", "die", "hier", "ist", "ma",
    "la", "mi", "es", "voici",
])  # fmt: skip
# A single answer may also be led to by these.
_LEADS_TO_IT = _NAMES_OF_IT | frozenset([
    "here", "response", "ballot", "choice", "json", "output", "result", "call", "hier", "stimme", "entscheidung",
    "voici", "aquí", "ecco",
])  # fmt: skip
_IN_A_LEAD = _BESIDE_THEM | frozenset([
    "you", "are", "it", "this", "as", "a", "an", "one", "single", "object", "required", "requested", "valid", "format",
    "with", "below", "following", "i", "for", "of", "to", "sure", "ok", "okay", "tool", "das", "als", "für", "von",
])  # fmt: skip
_UNSPACED_LEAD = re.compile(r"(?:[\w、,，]{0,12})(?:回答|答案|答复|投票|决定|決定|选择|選択)(?:是|如下|为|は)?")
_DENIED_THERE = re.compile(r"不|非|未|例|稿|如果|もし|下書き|ではない")
_COURTESIES = re.compile(
    r"(?:anything else|(?:i )?hope (?:this|that|it) helps|let me know(?: if [^.!?]*)?|(?:best|kind) regards|"
    r"thank you|thanks|mit freundlichen grüßen|viele grüße|希望.{0,8}帮助)\W*",
    re.I,
)
_SAYS_OTHERWISE = re.compile(
    r"\b(?:if|examples?|e\.g|instance|format|template|schema|sample|drafts?|alternative(?:ly)?|would|could|might|"
    r"earlier|others?|another|wrong|not|than)\b|<!--|~~|^[ \t]*>",
    re.I | re.M,
)
_CLAUSES = re.compile(r"[.!?;\n。！？；]+")
_ENDS = (".", "!", "?", "。", "！", "？")
_THINGS = (
    r"drafts?|examples?|samples?|templates?|alternatives?|placeholders?|entwurf|beispiel|vorlage|brouillon|exemple|"
    r"modèle|borrador|ejemplo|plantilla|bozza|esempio"
)
_NO_ANSWER = re.compile(
    rf"{_THINGS}|think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis|notes?|previous|rejected", re.I
)
# A single one is none where what it is called ends so, or where it is wrapped under such a name.
_CALLED_OTHERWISE = re.compile(
    rf"(?:\bfor instance|\be\.g|\b(?:{_THINGS})(?: of (?:a|the|my) \w+| reply| answer| vote| choice)?"
    r"|\b(?:format|schema|structure)(?: of \w+)? (?:is|would be|may be|looks like)"
    r"|\b(?:preliminary|provisional|tentative|initial|first|earlier|previous|hypothetical|rejected|discarded|wrong|"
    r"incorrect|alternative|vorläufige|erste|falsche) (?:vote|answer|reply|version|thought|decision|stimme|antwort)"
    r"(?: (?:is|was|ist|war))?"
    r"|例如|比如|示例|草稿|初稿|例えば|たとえば|下書き)\W*$"
    # or where its line is about a vote that is none yet, that others would cast, or that hangs on something else
    r"|\bnot (?:yet )?(?:my|the|a)(?: final| last)? (?:vote|answer|reply|decision)\b"
    r"|\b(?:others?|experts?|they|someone|majority|critics?|p\d+) (?:would|could|might)\b"
    r"|\bif\b.{0,120}\b(?:would|were|had|could)\b",
    re.I,
)
# Where the same choice comes again, whatever leads to it, these say that it is none still. Nothing is lost by a word
# too many here but the vote of an expert who was told to send it alone, so the lists are wide.
_TAKES_BACK = re.compile(
    r"\b(?:actually|second thought|thinking again|on reflection|reconsider\w*|chang(?:e|ed|ing) (?:my|that|this|it)|"
    r"scratch|withdr[ae]w\w*|retract\w*|revok\w*|rescind\w*|cancel\w*|correct(?:ion|ed|ing)|revis(?:e|ed|ion)|"
    r"ignore|disregard|discard\w*|delete|forget|void|drop (?:it|that|this)|undo|nope|no,|"
    r"not (?:my|the|a|yet|what|how|final)|wait|wrong|mistake\w*|error|incorrect|instead|rather|"
    r"abstain\w*|undecided|unsure|not sure|"
    r"don't (?:count|use|take)|do not (?:count|use|take)|(?:is|was) (?:just|only|merely)|"
    r"will (?:decide|vote|send|answer|follow)|to follow|placeholders?|examples?|drafts?|"
    r"provisional\w*|preliminary|tentative\w*|hypothetical\w*|"
    r"doch|nein|vergiss|korrektur|zurück|falsch|entwurf|beispiel|non|brouillon|exemple|oublie\w*|corrección|"
    r"borrador|ejemplo|olvida\w*)(?:\b|(?<=,))"
    r"|不对|错了|更正|改为|改成|撤回|忽略|草稿|示例|訂正|やはり|撤回|下書き",
    re.I,
)
_SUPPOSED = re.compile(
    r"\b(?:if|suppos\w+|imagin\w+|could|might|maybe|perhaps|pretend\w*|simulat\w+|hypothe\w+|illustrat\w+|demo|"
    r"dummy|mock|rough|work in progress|wip|brainstorm\w*|leaning|guess\w*|for now|so far|not yet|"
    r"not (?:my|the|a)|others?|another|someone|everyone|majority|earlier|previous\w*|initial\w*|"
    r"first (?:thought|idea|take)|wrong|incorrect|discard\w*|reject\w*|unfinished|incomplete|"
    r"sketch\w*|prototype|vorerst|vorläufig\w*|wäre|würde\w*|könnte\w*|serait|pourrait|sería|podría)\b|假如|如果|可能|もし|かも",
    re.I,
)
_MARKUP = re.compile(r"</[^<>]{0,40}>|(?:`{3,}|~{3,})\w*")


def is_last_word(between: str, after: str) -> bool:
    """Whether an object that another answer stands before is what is meant, by what is said between and after them."""
    between = _MARKUP.sub(" ", between)
    has_words_after = re.search(r"\w", _MARKUP.sub(" ", after)) is not None
    if has_words_after or _SAYS_OTHERWISE.search(between) or between.strip() == ",":
        return False
    words = _words_of(_last_clause(between))
    return not words or (words <= _NAMES_OF_IT | _BESIDE_THEM and not words.isdisjoint(_NAMES_OF_IT))


def is_draft(before: str, names: Sequence[str]) -> bool:
    """Whether the words before the only answer, or what it is wrapped under, say that it is none."""
    line = _line_before(before)
    return (
        any(_NO_ANSWER.fullmatch(name) for name in names)
        or re.search(rf"\b(?:{_THINGS})\b", line, re.I) is not None
        or _CALLED_OTHERWISE.search(line) is not None
        or _SUPPOSED.search(line) is not None
    )


def is_taken_back(after: str) -> bool:
    """Whether words after the only answer say that it is none."""
    return _TAKES_BACK.search(_MARKUP.sub(" ", after)) is not None


def is_called_otherwise(before: str, names: Sequence[str]) -> bool:
    """Whether the only answer may be an example or a draft, by what is said right before it or it is wrapped under."""
    if any(_NO_ANSWER.fullmatch(name) for name in names):
        return True
    line = _line_before(before)
    if _CALLED_OTHERWISE.search(line):
        return True
    if line.rstrip("*_ ").endswith(_ENDS):  # a sentence of its own, which leads to nothing
        return False
    clause = _last_clause(line.replace(":", "\n").replace(",", "\n"))
    words = _words_of(clause)
    is_named = words <= _LEADS_TO_IT | _IN_A_LEAD and not words.isdisjoint(_LEADS_TO_IT)
    is_unspaced = _UNSPACED_LEAD.fullmatch(clause.strip(" ：*#")) and not _DENIED_THERE.search(clause)
    return bool(words) and not is_named and not is_unspaced


def may_be_taken_back(after: str) -> bool:
    """Whether anything but a courtesy is said after an answer: it may take it back."""
    if len(after) > LONGEST_AFTER:
        return True
    clauses = (clause.strip() for clause in _CLAUSES.split(_MARKUP.sub(" ", after)))
    return any(re.search(r"\w", clause) and not _COURTESIES.fullmatch(clause) for clause in clauses)


def _line_before(before: str) -> str:
    lines = _MARKUP.sub(" ", before[-LONGEST_NAME:]).rstrip().splitlines()
    return lines[-1] if lines else ""


def _last_clause(text: str) -> str:
    return next((clause for clause in reversed(_CLAUSES.split(text)) if re.search(r"\w", clause)), "")


def _words_of(clause: str) -> set[str]:
    return {word for word in re.split(r"[\W_]+", clause.lower()) if word}
