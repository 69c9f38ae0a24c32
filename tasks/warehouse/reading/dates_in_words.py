"""Dates that name their month in words, in the languages that exports come in: `Sep 12, 2026`, `12. März 2026`. Pure.

A date of digits alone (03/04/2026) is never read here: whether it is March or April only a format can say.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import polars as pl

_AWARE, _LOCAL = pl.Datetime("us", "UTC"), pl.Datetime("us")
_MONTHS = (
    (
        "january jan januar januari janvier janv enero ene gennaio gen janeiro styczeń stycznia sty январь января "
        "янв ocak oca tammikuu leden ledna január"
    ),
    (
        "february feb februar februari février févr fév fevrier febrero febbraio fevereiro fev luty lutego lut "
        "февраль февраля фев февр şubat şub helmikuu únor února február"
    ),
    (
        "march mar märz mrz maart mrt mars marzo março marco marzec marca март марта мар mart maaliskuu březen "
        "března marts március"
    ),
    (
        "april apr avril avr abril abr aprile kwiecień kwietnia kwi апрель апреля апр nisan nis huhtikuu duben "
        "dubna április"
    ),
    ("may mai mei maj mayo maggio mag maio maja май мая mayıs toukokuu květen května május"),
    (
        "june jun juni juin junio giugno giu junho czerwiec czerwca cze июнь июня июн haziran haz kesäkuu červen "
        "června június"
    ),
    (
        "july jul juli juillet juil julio luglio lug julho lipiec lipca lip июль июля июл temmuz tem heinäkuu "
        "červenec července július"
    ),
    (
        "august aug août aout agosto ago augustus augusti sierpień sierpnia sie август августа авг ağustos ağu "
        "elokuu srpen srpna augusztus"
    ),
    (
        "september sep sept septembre septiembre settembre set setembro wrzesień września wrz сентябрь сентября "
        "сен сент eylül eyl syyskuu září szeptember"
    ),
    (
        "october oct oktober okt octobre octubre ottobre ott outubro out październik października paź октябрь "
        "октября окт ekim eki lokakuu říjen října október"
    ),
    (
        "november nov novembre noviembre novembro listopad listopada lis ноябрь ноября ноя нояб kasım kas "
        "marraskuu listopadu"
    ),
    (
        "december dec dezember dez décembre déc decembre diciembre dic dicembre dezembro grudzień grudnia gru "
        "декабрь декабря дек aralık ara joulukuu prosinec prosince des desember"
    ),
)


def _plain(word: str) -> str:
    """Lower case without accents and dots, so that `déc.` and `DEC` are one word."""
    lowered = word.strip(".").casefold().replace("ı", "i")
    return "".join(c for c in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(c))


MONTHS = {_plain(name): number for number, line in enumerate(_MONTHS, 1) for name in line.split()}
_EASTERN = re.compile(r"(\d{4})\s*[年년]\s*(\d{1,2})\s*[月월]\s*(\d{1,2})\s*[日일]?")
_CLOCK = re.compile(r"(?<![\d.])(\d{1,2}):(\d{2})(?::(\d{2}))?(?!\d)")
_WORD = re.compile(r"[^\W\d_]+\.?")
_NUMBER = re.compile(r"\d+")


def _words(line: str) -> list[str]:
    return line.split()


# Halves of the day as they stand before and behind a clock, compared by `_bare`.
_HALVES_BEFORE = {
    **dict.fromkeys(_words("上午 午前 오전 早上 凌晨 de öö"), "a"),
    **dict.fromkeys(_words("下午 午後 오후 晚上 傍晚 du ös"), "p"),
}
_HALVES_BEHIND = {
    **dict.fromkeys(_words("am πμ ص sa dop"), "a"),
    **dict.fromkeys(_words("pm μμ م ch odp"), "p"),
}
_BEFORE = re.compile(rf"({'|'.join(map(re.escape, _HALVES_BEFORE))})\.?\s*$", re.IGNORECASE)
_BEHIND = re.compile(r"^\s*([^\W\d_])\.?\s?([^\W\d_])?\.?(?![^\W\d_])|^\s*([^\W\d_]+)\.?")
_ZONE = re.compile(r"^\s*(?:(?P<utc>UTC|GMT|Z)\b)?\s*(?P<offset>[+\-−]\d{1,2}(?::?\d{2})?(?![\d:]))?", re.IGNORECASE)
# What may stand beside a clock and says nothing of the hour. Any other word there may be "in the evening" or a zone in
# a language that no list here has: such a date is not read, since the hour would be wrong without a word.
_BESIDE = frozenset(
    _words(
        "at on um am uhr den der à a h le às as las los la el o em de del alle ore il del kl klo om uur op hs hrs "
        "w o godz в о г год года ve saat den na monday tuesday wednesday thursday friday saturday sunday mon tue "
        "wed thu fri sat sun montag dienstag mittwoch donnerstag freitag samstag sonntag mo di mi do fr sa so lundi "
        "mardi mercredi jeudi vendredi samedi dimanche lunes martes miércoles jueves viernes sábado domingo lunedì "
        "martedì mercoledì giovedì venerdì sabato domenica"
    )
)


def read_date(text: str) -> tuple[datetime, bool] | None:
    """The date and whether a time stands beside it, aware where it names UTC or an offset; None where it is none."""
    parts = _time_of(text)
    if parts is None:
        return None
    has_time, clock, zone, rest = parts
    eastern = _EASTERN.search(rest)
    if eastern:
        year, month, day = (int(part) for part in eastern.groups())
        return _made(year, month, day, clock, has_time, zone)
    months = [MONTHS[word] for word in map(_plain, _WORD.findall(rest)) if word in MONTHS]
    numbers = [int(number) for number in _NUMBER.findall(rest)]
    years = [number for number in numbers if number >= 1000]
    days = [number for number in numbers if number <= 31]
    if len(set(months)) != 1 or len(years) != 1 or len(days) != 1 or len(numbers) != 2:
        return None
    return _made(years[0], months[0], days[0], clock, has_time, zone)


def _time_of(text: str) -> tuple[bool, tuple[int, int, int], timezone | None, str] | None:
    """Whether there is a time, hours, minutes and seconds, its zone, and the text without it.

    None where what stands beside the clock may say that it is another hour.
    """
    match = _CLOCK.search(text)
    if match is None:
        return False, (0, 0, 0), None, text
    before, behind = text[: match.start()], text[match.end() :]
    hour, half = int(match[1]), ""
    in_front = _BEFORE.search(before)
    if in_front and not (in_front[1].casefold() in _LATIN_HALVES and before[: in_front.start()][-1:].isalpha()):
        half, before = _HALVES_BEFORE[in_front[1].casefold()], before[: in_front.start()]
    after = _BEHIND.match(behind)
    if after and (word := _bare(after[0])) in _HALVES_BEHIND and not half:
        half, behind = _HALVES_BEHIND[word], behind[after.end() :]
    if half and hour > 12:
        if half == "a":
            return None
    elif half:
        hour = hour % 12 + (12 if half == "p" else 0)
    named = _ZONE.match(behind)
    zone = _zone(named["utc"], named["offset"]) if named else None
    behind = behind[named.end() :] if named and zone is not None else behind
    last, first = re.search(r"([^\W\d_]+)\.?,?\s*$", before), re.match(r"\s*([^\W\d_]+)", behind)
    if not (_says_nothing(last) and _says_nothing(first)):
        return None
    return True, (hour, int(match[2]), int(match[3] or 0)), zone, f"{before} {behind}"


_LATIN_HALVES = frozenset(word for word in _HALVES_BEFORE if word.isascii() or word.startswith("ö"))


def _bare(word: str) -> str:
    return re.sub(r"[.\s]", "", word).casefold()


def _says_nothing(word: re.Match[str] | None) -> bool:
    """Whether a word beside a clock is part of the date or a preposition; there may be none."""
    if word is None:
        return True
    return word[1].casefold() in _BESIDE or _plain(word[1]) in MONTHS or word[1] in "日일"


def _zone(utc: str | None, offset: str | None) -> timezone | None:
    if offset:
        digits = re.sub(r"\D", "", offset)
        hours, minutes = (int(digits), 0) if len(digits) <= 2 else (int(digits[:-2]), int(digits[-2:]))
        apart = timedelta(hours=hours, minutes=minutes)
        if apart > timedelta(hours=14):
            return None
        return timezone(apart if offset[0] == "+" else -apart)
    return UTC if utc else None


def _made(
    year: int, month: int, day: int, clock: tuple[int, int, int], has_time: bool, zone: timezone | None
) -> tuple[datetime, bool] | None:
    try:
        return datetime(year, month, day, *clock, tzinfo=zone), has_time
    except ValueError:
        return None


def read_dates(values: pl.Series) -> tuple[pl.Series, pl.Series, pl.Series]:
    """A column of text: instants of those that name a zone, wall-clock times of the others, and which are days only.

    Each text is read once.
    """
    texts = values.drop_nulls().unique().to_list()
    dates = [read_date(text) for text in texts]
    aware = [date[0].astimezone(UTC) if date and date[0].tzinfo else None for date in dates]
    local = [date[0] if date and not date[0].tzinfo else None for date in dates]
    days = pl.Series([date is not None and not date[1] for date in dates], dtype=pl.Boolean)
    if not texts:
        nothing = pl.Series(values.name, [None], dtype=_LOCAL).new_from_index(0, len(values))
        return nothing.cast(_AWARE), nothing, nothing.is_not_null()
    zoned = values.replace_strict(texts, pl.Series(aware, dtype=_AWARE), default=None, return_dtype=_AWARE)
    naive = values.replace_strict(texts, pl.Series(local, dtype=_LOCAL), default=None, return_dtype=_LOCAL)
    return zoned, naive, values.replace_strict(texts, days, default=False, return_dtype=pl.Boolean)
