"""Plain words in American spelling, in code, comments and what people read."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.repository.house import require_none

ROOT = Path(__file__).resolve().parents[2]
LISTED = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
READ = re.compile(
    r"(tasks|flows|service|tests)/.*\.py|(docs|deployments|mlflow)/.*\.(md|yaml|yml)|README\.md|CONTRIBUTING\.md"
)
FILES = [name for name in LISTED.stdout.split("\0") if READ.fullmatch(name) and (ROOT / name).is_file()]

# Stems whose verbs end in -ize; others (raise, promise, precise) end in -ise on both sides of the Atlantic.
_IZE = (
    "anonym|author|canonical|capital|categor|central|character|critic|custom|digit|discret|dichotom|emphas|equal|factor"
    "|final|formal|general|global|harmon|initial|item|linear|local|material|maxim|memor|minim|modern|neutral|normal|optim"
    "|organ|parallel|parametri|parameter|penal|personal|prior|random|real|recogn|regular|sanit|serial|special|stabil"
    "|standard|summar|symbol|synchron|synthes|token|util|vector|visual|winsor"
)
BRITISH = {
    rf"(?<![a-z])(un|re|de|pseudo|self|non)?({_IZE})is(e|ed|es|er|ers|ing|ations?)(?![a-z])": "-ize, -ization",
    r"(?<![a-z])(re)?analys(e|ed|ing|er|ers)(?![a-z])": "analyze",
    r"behaviour|colour|(?<!dis)favour|(?<![a-z])honour|neighbour|labour|humour|endeavour|harbour": "-or",
    r"(?<![a-z])(un|mis|re)?(label|model|travel|signal|level|total|channel|cancel|tunnel)ling(?![a-z])": "one l",
    r"(?<![a-z])(un|mis|re)?(label|model|travel|signal|level|total|channel|tunnel)led(?![a-z])": "one l",
    r"(?<![a-z])centre|(?<![a-z])(kilo|milli|centi)?metres?(?![a-z])|fibre": "-er",
    r"(?<![a-z])(defence|offence|licence|pretence)s?(?![a-z])": "-se",
    r"(?<![a-z])(learnt|spelt|burnt|spoilt|dreamt)(?![a-z])": "-ed",
    r"judgement|programme(?!d|r)|artefact|(?<![a-z])(grey|enrols?|fulfils?)(?![a-z])|sceptic|whilst": "judgment …",
}
POETIC = {
    r"golden rows?": "held-out rows",
    r"g(i|a)ve(s|n)? way to": "is replaced by, is withdrawn for",
    r"at home (in|with|is)|how much at home": "share of the training rows' range",
    r"nobody asks": "not needed",
    r"taken? up(?! to)": "used, adopted",
    r"(?<![a-z_])speaks(?![a-z])": "says what it reports",
    r"(?<![a-z])surely(?![a-z])": "with confidence, or name the bound",
    r"listens most to": "most important features",
}

# Names that people's programs, files and databases hold; they stay whatever their spelling.
CONTRACT_NAMES = {
    "organisation_id": "a column of workspaces, of files and of the warehouse",
    '"organisation"': "a debate's scope, as stored and returned",
    "`organisation`": "the same, where it is explained",
    '"same organisation"': "how a similarity prints its mode",
    'f"organisation:{': "who a private release counts as one contributor, as the ledger stores it",
    "winsorise_at": "an argument of create_experiment, and a key of stored designs",
    "same_organisation": "a key of what transfer returns",
    "programme-report": "a deployment's name",
    "CANCELLING": "a state of Prefect's",
}
# Words that stand there because people elsewhere write them: data, not ours.
QUOTED: dict[str, set[str]] = {
    "tests/repository/test_words.py": {"*"},
    "tasks/experiments/assignment.py": {"enrol"},  # part of the hash that decides who takes part
    "tasks/content/calls_to_action.py": {"enrol"},  # British posts are recognized, too
    "tasks/learnings/vocabulary.py": {"colour"},  # people ask in British English, too
    "tasks/content/sample/vocabulary.py": {"harbour", "neighbour"},  # the sample's posts stay as they are
}


@cache
def text_of(name: str) -> str:
    text = (ROOT / name).read_text(encoding="utf-8").lower()
    for kept in CONTRACT_NAMES:
        text = text.replace(kept.lower(), " ")
    return text


def hits(pattern: str) -> list[str]:
    fits = re.compile(pattern)
    return [
        f"{name}:{text_of(name).count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for name in FILES
        if "*" not in (allowed := QUOTED.get(name, set()))
        for match in fits.finditer(text_of(name))
        if match.group() not in allowed
    ]


@pytest.mark.parametrize(("pattern", "instead"), BRITISH.items(), ids=BRITISH.values())
def test_spelling_is_american(pattern: str, instead: str) -> None:
    require_none(hits(pattern), f"Write {instead}; a name that files or programs hold goes into CONTRACT_NAMES.")


@pytest.mark.parametrize(("pattern", "instead"), POETIC.items(), ids=POETIC.values())
def test_words_are_plain(pattern: str, instead: str) -> None:
    require_none(hits(pattern), f"Say it in the field's words: {instead}.")


@pytest.mark.parametrize("name", QUOTED)
def test_files_with_quoted_words_exist(name: str) -> None:
    assert (ROOT / name).is_file(), f"{name} is gone: take it out of QUOTED"
