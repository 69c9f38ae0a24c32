"""Dates that name their month in words, in the languages that exports come in: `Sep 12, 2026`, `12. März 2026`. Pure.

A date of digits alone (03/04/2026) is never read here: whether it is March or April only a format can say.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

import polars as pl

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
_TIME = re.compile(r"(?<![\d.])(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([ap]\.?\s?m\.?)?(?![\w])", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+\.?")
_NUMBER = re.compile(r"\d+")


def read_date(text: str) -> tuple[datetime, bool] | None:
    """The date and whether a time stands beside it; None where the text is no such date."""
    has_time, clock, rest = _time_of(text)
    eastern = _EASTERN.search(rest)
    if eastern:
        year, month, day = (int(part) for part in eastern.groups())
        return _made(year, month, day, clock, has_time)
    months = [MONTHS[word] for word in map(_plain, _WORD.findall(rest)) if word in MONTHS]
    numbers = [int(number) for number in _NUMBER.findall(rest)]
    years = [number for number in numbers if number >= 1000]
    days = [number for number in numbers if number <= 31]
    if len(set(months)) != 1 or len(years) != 1 or len(days) != 1 or len(numbers) != 2:
        return None
    return _made(years[0], months[0], days[0], clock, has_time)


def _time_of(text: str) -> tuple[bool, tuple[int, int, int], str]:
    """Whether there is a time, hours, minutes and seconds, and the text without it."""
    match = _TIME.search(text)
    if match is None:
        return False, (0, 0, 0), text
    hour, half = int(match[1]), (match[4] or "").lower()[:1]
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return True, (hour, int(match[2]), int(match[3] or 0)), text[: match.start()] + " " + text[match.end() :]


def _made(year: int, month: int, day: int, clock: tuple[int, int, int], has_time: bool) -> tuple[datetime, bool] | None:
    try:
        return datetime(year, month, day, *clock), has_time
    except ValueError:
        return None


def read_dates(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Wall-clock times of a column of text, and which of them name a day only; each text is read once."""
    texts = values.drop_nulls().unique().to_list()
    dates = [read_date(text) for text in texts]
    moments = pl.Series([date and date[0] for date in dates], dtype=pl.Datetime("us"))
    days = pl.Series([date is not None and not date[1] for date in dates], dtype=pl.Boolean)
    if not texts:
        nothing = pl.Series(values.name, [None], dtype=pl.Datetime("us")).new_from_index(0, len(values))
        return nothing, nothing.is_not_null()
    return (
        values.replace_strict(texts, moments, default=None, return_dtype=pl.Datetime("us")),
        values.replace_strict(texts, days, default=False, return_dtype=pl.Boolean),
    )
