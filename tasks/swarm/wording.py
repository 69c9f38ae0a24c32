"""What the words of a question or an answer say about content: denials, times, lengths, and what features are called.

English, like the names of the features. Of a text in another language only values are understood that it names as they
are stored ("Instagram", "curry"); the debate then says that it found nothing about the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from tasks.conditions import OF_WORDS, VALUE_WORDS, WEEKDAYS, Condition, topic_name
from tasks.content.catalogue import BY_NAME

YES, NO = frozenset({"yes", "yeah", "ja", "oui", "si", "sí"}), frozenset({"no", "nope", "nein", "non"})
# Words that turn what follows in their clause into its opposite.
DENIALS = {"no", "not", "without", "avoid", "never", "stop", "fewer", "less", "drop", "skip", "reduce", "remove"}
DENIALS |= {"instead", "rather", "dont", "doesnt", "shouldnt", "cant", "wont", "nor"}
CLAUSE_END = re.compile(r"[.,;:!?()\n]|\band\b|\bbut\b")

DAYS = {name.lower(): frozenset({place}) for place, name in enumerate(WEEKDAYS)}
DAYS |= {"weekend": frozenset({5, 6}), "weekday": frozenset(range(5)), "workday": frozenset(range(5))}
HOURS = {"morning": frozenset(range(6, 12)), "noon": frozenset({11, 12, 13}), "lunchtime": frozenset({11, 12, 13})}
HOURS |= {"midday": frozenset({11, 12, 13}), "afternoon": frozenset(range(12, 18))}
HOURS |= {"evening": frozenset(range(18, 23)), "night": frozenset({21, 22, 23, 0, 1, 2, 3, 4, 5})}
CLOCK = re.compile(r"\b(\d{1,2})(?::[0-5]\d)?\s*([ap])\.?m\b\.?|\b(\d{1,2}):[0-5]\d\b|\b(\d{1,2})\s*(?:h|o.clock)\b")
TIMES = frozenset({"when", "timing", "schedule", "hour", "clock", *HOURS})

MEDIA = {"photo": {"photo", "image", "picture", "photograph"}, "video": {"video", "clip", "reel", "film"}}
MEDIA |= {name: {name} for name in ("carousel", "link", "animation", "audio", "event", "poll", "story")}
# Stems by which a text says that the feature is there, or high; and that it is low.
HIGH: dict[str, set[str]] = {
    "emoji_count": {"emoji", "emoticon", "smiley"},
    "hashtag_count": {"hashtag"},
    "mention_count": {"mention"},
    "link_count": {"link", "url"},
    "exclamation_count": {"exclamation"},
    "question_count": {"question"},
    "number_count": {"number", "figure", "statistic", "digit"},
    "capitals_share": {"capital", "uppercase", "cap"},
    "has_cta": {"cta"},
    "readability": {"readable", "easy", "easier", "simple", "simpler", "plain"},
    "sentiment_score": {"positive", "cheerful", "upbeat", "optimistic"},
}
LOW: dict[str, set[str]] = {
    "readability": {"hard", "harder", "complex", "demanding", "jargon"},
    "sentiment_score": {"negative", "gloomy", "pessimistic"},
}
TITLES = {"title", "headline", "subject"}
LENGTHS = {"title_words", "body_words", "word_count", "character_count"}
LONG, SHORT = {"long", "longer", "detailed", "lengthy"}, {"short", "shorter", "brief", "briefer", "concise", "crisp"}
# Further stems that name what a feature is about without saying which way.
ABOUT: dict[str, set[str]] = {
    "local_hour": {*TIMES},
    "local_weekday": {"when", "timing", "schedule", "day", *DAYS},
    "is_weekend": {"when", "timing", "schedule", "day", *DAYS},
    "media_type": {"medium", "format", "form", *(word for words in MEDIA.values() for word in words)},
    "channel": {"channel", "platform", "network", "where", *VALUE_WORDS["channel"]},
    "tone": {"tone", "voice"},
    "topic": {"topic", "theme"},
    "readability": {"readability"},
    "sentiment_score": {"sentiment", "mood"},
    "title_words": TITLES | {"length"},
    **{name: {"length", *LONG, *SHORT} for name in LENGTHS - {"title_words"}},
}
# By which a question asks about words that texts mention, or about their topics, without naming one.
ABOUT_WORDS = {"mentions": {"word", "wording", "phrase", "keyword"}, "is_about": {"topic", "theme"}}
# How many of the other days or hours a finding has to be about, to answer a question about these.
ANSWERED_BY_OTHERS = 0.5
# Words of features' names that say how a feature is measured, not what it is about.
MEASURES = {"count", "share", "score", "length", "local", "is", "has", "type", "in", "of"}

CONTRACTED = re.compile(r"(?:n['’]t|['’](?:s|re|ve|ll|d|m))\b")  # what's, we're, doesn't
FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    a about again all also an and another any are around as at be been between both by can could do does doing
    during each else every for from get give go had has have here how i if in into is itself it its just let make me
    more my of on one only or other our out over really same see shall should so some still than that the their them
    then there these they thing this those to too up us use using very was we were what which while who why will
    with would yet you your
    """,
    )
)
# A question of these alone asks what works at all.
GENERAL_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    account actually ad advert advice advise audience best better big blog boost brand bring budget business
    campaign change click company concentrate content conversion convert create customer digital do effective
    effort email engagement ever fall false far feed first focus follower goal good grew grow growth help idea
    get give impact important improve improving increase invest keep kept kind launch learn like low main major
    marketing matter media money month most much need newsletter next now online our page people perform performance
    performing plan post priority product promote promotion publish quarter reach reader really recommend
    result right running saas sale sell service shop social spend start strategy success successful sort tactic
    team time today tomorrow top traffic tried try type us viral want week well win winn work working write wrong
    year
    """,
    )
)
# So does one of these, about what does worst.
AVOIDING_WORDS = frozenset({"stop", "avoid", "quit", "skip", "worst", "hurt", "harm", "mistake", "less"})


def words_of(text: str) -> list[str]:
    """Lower-case words without the endings of plurals and of verbs, so that 'videos' meets 'video'."""
    plain = (
        text.lower().replace("'", "").replace("’", "").replace("call to action", "cta").replace("call-to-action", "cta")
    )
    return [_stem(word) for word in re.findall(r"\w+", plain)]


def answer_of(label: str) -> bool | None:
    """Whether a label is a bare yes or a bare no; None where it says anything else."""
    words = set(re.findall(r"\w+", label.lower()))
    return True if words and words <= YES else False if words and words <= NO else None


def is_general(problem: str) -> bool:
    """Whether a question asks what works at all, and about nothing else; for whom ('for a bakery') does not matter."""
    question = re.split(r"\bfor\b", problem, maxsplit=1)[0] or problem
    return subject_words(question) <= GENERAL_WORDS | AVOIDING_WORDS


def is_about_avoiding(problem: str) -> bool:
    """Whether a question asks what to leave, so that nothing which wins is an answer."""
    return not AVOIDING_WORDS.isdisjoint(words_of(problem))


def subject_words(text: str) -> set[str]:
    """What a text is about: the stems of its words, without those that every question may hold."""
    plain = (word for word in re.findall(r"\w+", CONTRACTED.sub("", text.lower())) if word not in FUNCTION_WORDS)
    plain = (word for word in plain if not word.isdigit())
    return {_stem(word) for word in plain}


def share_meeting(text: str, condition: Condition) -> float | None:
    """How much of the content that a text asks for meets a condition, 0 to 1; None where the text does not say.

    'On a weekend' asks for Saturdays and Sundays alike: half of it is posted on a Saturday.
    """
    if condition.feature in ("local_weekday", "is_weekend"):
        return _share_of(_days(text), condition, range(7))
    if condition.feature == "local_hour":
        return _share_of(_hours(text), condition, range(24))
    if condition.op == "is_about":
        named = (says(text, [word]) for word in words_of(topic_name(str(condition.value))))
        return next((float(is_wanted) for is_wanted in named if is_wanted is not None), None)
    if isinstance(condition.value, str):
        return _share_with_value(text, condition)
    is_high = _direction(text, condition.feature)
    if is_high is None or condition.op == "between":
        return None
    wants_high = condition.op == ">=" or (condition.op == "==" and bool(condition.value))
    return float(is_high == wants_high)


def says(text: str, words: Collection[str]) -> bool | None:
    """Whether a text asks for what these stems name, all of them; False where it denies it, None where it does not."""
    denials = dict(_said(text))
    if not words or not all(word in denials for word in words):
        return None
    return not any(denials[word] for word in words)


def denies(text: str) -> bool:
    """Whether a text turns anything it names into its opposite."""
    return any(is_denied for _, is_denied in _said(text))


def names(text: str, condition: Condition) -> bool:
    """Whether a text is about what a condition is about, whichever way it answers."""
    if condition.op not in OF_WORDS and _names_other_values(text, condition):
        return False
    if share_meeting(text, condition) is not None:
        return True
    if condition.op in OF_WORDS:
        return not ABOUT_WORDS[condition.op].isdisjoint(words_of(text))
    if _names_other_times(text, condition.feature):
        return False
    words, feature = set(words_of(text)), condition.feature
    if feature in LENGTHS - {"title_words"} and words & TITLES:  # a headline's length is not its text's
        return False
    about = ABOUT.get(feature, set()) | HIGH.get(feature, set()) | LOW.get(feature, set())
    return bool(words & (about or _name_words(feature)))


def _stem(word: str) -> str:
    if word in HOURS:  # an evening is no verb
        return word
    for ending, put, least in (("ies", "y", 5), ("sses", "ss", 5), ("ing", "", 6), ("ed", "", 6)):
        if word.endswith(ending) and len(word) >= least:
            return word[: -len(ending)] + put
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us")) else word


def _name_words(feature: str) -> set[str]:
    return set(words_of(feature.replace("_", " "))) - MEASURES


@lru_cache(maxsize=1024)
def _said(text: str) -> tuple[tuple[str, bool], ...]:
    """Stems, each with whether its clause denies it."""
    stems: list[tuple[str, bool]] = []
    for clause in CLAUSE_END.split(text.lower()):
        is_denied = False
        for word in words_of(clause):
            is_denied = is_denied or word in DENIALS
            stems.append((word, is_denied))
    return tuple(stems)


def _direction(text: str, feature: str) -> bool | None:
    """Whether a text asks for much of a feature, or for little or none of it; None where it does not say, or both."""
    stems = _said(text)
    if feature in LENGTHS:
        is_of_title = bool({word for word, _ in stems} & TITLES)
        if is_of_title != (feature == "title_words"):
            return None
        high, low = LONG, SHORT
    else:
        high, low = HIGH.get(feature, set()), LOW.get(feature, set())
    if feature not in BY_NAME and not high:
        name = _name_words(feature)
        denials = {is_denied for word, is_denied in stems if word in name}
        return not denials.pop() if len(denials) == 1 and name <= {word for word, _ in stems} else None
    answers = {not is_denied for word, is_denied in stems if word in high}
    answers |= {is_denied for word, is_denied in stems if word in low}
    return answers.pop() if len(answers) == 1 else None


def _share_with_value(text: str, condition: Condition) -> float | None:
    for words in _value_words(condition.feature, str(condition.value)):
        if (is_wanted := says(text, words)) is not None:
            return float(is_wanted)
    rivals = MEDIA if condition.feature == "media_type" else VALUE_WORDS.get(condition.feature, {})
    others = (words for rival in rivals for words in _value_words(condition.feature, rival))
    return 0.0 if any(says(text, words) for words in others) else None


def _value_words(feature: str, value: str) -> list[list[str]]:
    """Ways to name a value, each a list of stems that must all be there."""
    if feature == "media_type" and value in MEDIA:
        return [[word] for word in sorted(MEDIA[value])]
    return [words_of(value.replace("_", " "))]


def _names_other_times(text: str, feature: str) -> bool:
    """Whether a text names hours where a feature is about days, or days where it is about hours."""
    words = set(words_of(text))
    has_days, has_hours = not words.isdisjoint(DAYS), not words.isdisjoint(HOURS) or bool(CLOCK.search(text.lower()))
    is_of_days = feature in ("local_weekday", "is_weekend")
    return has_hours > has_days if is_of_days else feature == "local_hour" and has_days > has_hours


def _names_other_values(text: str, condition: Condition) -> bool:
    """Whether a text asks for other days, hours, media or channels than a condition's, so that it is no answer.

    What is about most of the days that a text leaves is one: that Saturdays lose, to who asks for working days.
    """
    feature = condition.feature
    if feature in ("local_weekday", "is_weekend", "local_hour"):
        every = range(24) if feature == "local_hour" else range(7)
        asked_for = _hours(text, with_denied=True) if feature == "local_hour" else _days(text, with_denied=True)
        if _share_of(asked_for, condition, every) != 0.0:
            return False
        return (_share_of(frozenset(every) - asked_for, condition, every) or 0.0) < ANSWERED_BY_OTHERS
    if not isinstance(condition.value, str):
        return False
    rivals = MEDIA if feature == "media_type" else VALUE_WORDS.get(feature, {})
    stems = set(words_of(text))
    named = {value for value in (*rivals, condition.value) if _is_called(stems, feature, value)}
    return bool(named) and condition.value not in named


def _is_called(stems: Collection[str], feature: str, value: str) -> bool:
    return any(set(words) <= set(stems) for words in _value_words(feature, value))


def _days(text: str, *, with_denied: bool = False) -> frozenset[int]:
    return _times(text, DAYS, range(7), with_denied=with_denied)


def _hours(text: str, *, with_denied: bool = False) -> frozenset[int]:
    at: set[int] = set()
    for hour, half, military, plain in CLOCK.findall(text.lower()):
        if hour:
            at.add(int(hour) % 12 + (12 if half == "p" else 0))
        else:
            at.add(int(military or plain))
    return _times(text, HOURS, range(24), with_denied=with_denied) | frozenset(hour for hour in at if hour < 24)


def _times(text: str, called: dict[str, frozenset[int]], every: Iterable[int], *, with_denied: bool) -> frozenset[int]:
    """What is named and not denied; where times are only denied, all the others; empty where none is named.

    Args:
        with_denied: what is named at all, denied or not.
    """
    named = [(called[word], is_denied) for word, is_denied in _said(text) if word in called]
    wanted: frozenset[int] = frozenset().union(*(times for times, is_denied in named if not is_denied))
    denied: frozenset[int] = frozenset().union(*(times for times, is_denied in named if is_denied))
    if with_denied:
        return wanted | denied
    return (wanted or (frozenset(every) if denied else wanted)) - denied


def _share_of(times: frozenset[int], condition: Condition, every: Iterable[int]) -> float | None:
    """How many of these days or hours meet the condition; None where none or all are named: then nothing is said."""
    if not times or times == frozenset(every):
        return None
    rows = [{condition.feature: _observed(condition, time)} for time in sorted(times)]
    met = [condition.met_by(row) for row in rows]
    return None if None in met else sum(map(bool, met)) / len(met)


def _observed(condition: Condition, time: int) -> int | str | bool:
    if condition.feature == "is_weekend":
        return time >= 5
    return str(time) if isinstance(condition.value, str) else time
