"""What can be counted in a text, as Polars expressions; tasks/content/catalogue.py says what each feature means.

Links and e-mail addresses are taken out before anything but links is counted: their digits, capitals, `?`, `#` and `@`
say nothing about how a post is written.
"""

from __future__ import annotations

import polars as pl

from tasks.content.calls_to_action import CALL_TO_ACTION

_EMAIL = r"[\p{L}0-9._%+\-]+@[\p{L}0-9\-]+(?:\.[\p{L}0-9\-]+)+"
_TOP_LEVEL = "com|org|net|edu|gov|io|co|tv|ly|me|info|uk|us|ca|eu|de|fr|es|it|nl|in|au|br|jp"
_LINK = (
    r"(?:https?://|www\.)\S*[\p{L}\p{N}/]"
    r"|[a-z0-9][a-z0-9\-]*(?:\.[a-z0-9\-]+)*(?:\.[a-z]{2,24}/\S*[\p{L}\p{N}/]"
    rf"|\.(?:{_TOP_LEVEL})(?-u:\b))"
)
_EMAIL_OR_LINK = f"(?i){_EMAIL}|{_LINK}"

_WORD = r"\S*[\p{L}\p{N}]\S*"
_SENTENCE_BREAK = r"(?:[.!?…。！？][\"'”’)\]]*\s+|\s*\n\s*)\S"
_VOWEL_GROUP = "(?i)[aeiouyàáâäåæèéêëìíîïòóôöøùúûü]+"
_SILENT_E = r"(?i)[aeiouy][b-df-hj-km-np-tv-xz]+e(?:$|[^\p{L}])"
_KEYCAP = r"[0-9#*]\x{FE0F}?\x{20E3}"
# A picture, its skin tone or style, and whatever zero-width joiners tie to it: what a reader sees as one emoji.
_PICTURE = (
    r"(?:[\p{Emoji_Presentation}[\p{Emoji}&&[\x{2600}-\x{27BF}\x{1F000}-\x{1FAFF}]]]|[\p{Emoji}--[0-9#*]]\x{FE0F})"
)
_DRESS = r"[\x{FE0F}\x{1F3FB}-\x{1F3FF}\x{E0020}-\x{E007F}]*"
_FLAG = r"[\x{1F1E6}-\x{1F1FF}]{2}"
_EMOJI = rf"{_FLAG}|{_KEYCAP}|{_PICTURE}{_DRESS}(?:\x{{200D}}[\p{{Emoji}}--[0-9#*]]{_DRESS})*"
_HASHTAG = r"(?:^|[^\p{L}\p{N}_&/])[#＃][\p{N}_]*\p{L}"
_MENTION = r"(?:^|[^\p{L}\p{N}_@/.])@[\p{L}\p{N}_]"
_NUMBER = r"(?:^|[^\p{L}\p{N}_.,:])[.,:]?\p{Nd}+(?:[.,:]\p{Nd}+)*"


def plain(text: pl.Expr) -> pl.Expr:
    """The text with each link and e-mail address replaced by a blank."""
    return text.str.replace_all(_EMAIL_OR_LINK, " ")


def links(text: pl.Expr) -> pl.Expr:
    """Links in the text as it was published; an e-mail address is none."""
    return _count(text, _EMAIL_OR_LINK) - _count(text, f"(?i){_EMAIL}")


def words(plain_text: pl.Expr) -> pl.Expr:
    """Runs between blanks that hold a letter or a digit; hashtags and mentions are words, emoji are not."""
    return _count(plain_text, _WORD)


def counts(plain_text: pl.Expr) -> dict[str, pl.Expr]:
    """The remaining counts over a plain text, as Int64, by feature name."""
    return {
        "emoji_count": _count(plain_text, _EMOJI),
        "hashtag_count": _count(plain_text, _HASHTAG),
        "mention_count": _count(plain_text, _MENTION),
        "exclamation_count": _count(plain_text, "[!！]"),
        "question_count": _count(plain_text, "[?？؟]+"),
        "number_count": _count(plain_text, _NUMBER) - _count(plain_text, _KEYCAP),
    }


def letters(plain_text: pl.Expr) -> pl.Expr:
    """Letters of any script."""
    return _count(plain_text, r"\p{L}")


def capitals_share(plain_text: pl.Expr, letter_count: pl.Expr) -> pl.Expr:
    """Capital letters among all letters, in [0, 1]; null where there is no letter."""
    return pl.when(letter_count > 0).then(_count(plain_text, r"\p{Lu}") / letter_count)


def has_call_to_action(plain_text: pl.Expr) -> pl.Expr:
    """Whether one of the listed phrases asks the reader to do something."""
    return plain_text.str.contains(CALL_TO_ACTION)


def readability(plain_text: pl.Expr, word_count: pl.Expr) -> pl.Expr:
    """Flesch reading ease, cut to [0, 121.22]; higher is easier; null where there is no word.

    206.835 − 1.015·words/sentences − 84.6·syllables/words (Flesch 1948). Syllables are groups of vowels less silent
    final e's, and at least one a word: made for English, a mere measure of word length elsewhere.
    """
    sentences = _count(plain_text, _SENTENCE_BREAK) + 1
    groups = _count(plain_text, _VOWEL_GROUP) - _count(plain_text, _SILENT_E)
    syllables = pl.max_horizontal(groups, word_count)
    ease = 206.835 - 1.015 * word_count / sentences - 84.6 * syllables / word_count
    return pl.when(word_count > 0).then(ease.clip(0.0, 121.22))


def _count(text: pl.Expr, pattern: str) -> pl.Expr:
    return text.str.count_matches(pattern).cast(pl.Int64)
