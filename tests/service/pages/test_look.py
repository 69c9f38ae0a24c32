"""What a person sees: text that can be read in light and dark, pictures whose parts lie inside them."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pages.charts import MARK_WIDTH, Series, common_domain, interval_mark, line_chart
from service.pages.files import FILES

STYLE = FILES["pages.css"].decode()
AA, LARGE = 4.5, 3.0
Numbers = st.floats(-1e12, 1e12)


def colors(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w]+): (#[0-9a-f]{6})", block))


LIGHT, DARK = (colors(block) for block in STYLE.split("prefers-color-scheme: dark")[0:2])
DARK = {name: value for name, value in DARK.items() if name in LIGHT}


def luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("text", ["ink", "quiet", "link", "bad", "warn", "good", *(f"s{k}" for k in range(1, 7))])
def test_text_has_the_contrast_of_wcag_aa(text: str, scheme: dict[str, str]) -> None:
    assert contrast(scheme[text], scheme["paper"]) >= AA
    assert contrast(scheme[text], scheme["sunk"]) >= AA or text.startswith("s")


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_borders_of_fields_and_the_focus_can_be_seen(scheme: dict[str, str]) -> None:
    assert contrast(scheme["quiet"], scheme["paper"]) >= LARGE
    assert contrast(scheme["focus"], scheme["paper"]) >= LARGE
    assert contrast(scheme["link"], scheme["paper"]) >= AA  # words on a button


def test_both_schemes_name_the_same_colors() -> None:
    assert LIGHT.keys() == DARK.keys() >= {"paper", "ink", "s6"}


@given(st.lists(st.tuples(Numbers, Numbers).map(sorted).map(tuple), min_size=1, max_size=5))
def test_intervals_lie_on_their_line_in_their_order(intervals: list[tuple[float, float]]) -> None:
    domain = common_domain(intervals)
    for low, high in intervals:
        mark = interval_mark(low, (low + high) / 2, high, domain)
        assert 0 <= mark.low <= mark.middle <= mark.high <= MARK_WIDTH
        assert 0 <= mark.zero <= MARK_WIDTH


@given(st.lists(st.tuples(Numbers, Numbers), min_size=1, max_size=8), st.booleans())
def test_lines_lie_inside_their_picture_whatever_the_numbers(points: list[tuple[float, float]], percent: bool) -> None:
    points = sorted(points)
    band = [(y - abs(y) / 2 - 1, y + abs(y) / 2 + 1) for _, y in points]
    chart = line_chart([Series("a", points, band)], ("x", "y"), level=0.0, percent=percent)
    assert chart is not None
    places = [
        float(part) for one in chart.series for pair in (one.line + " " + one.band).split() for part in pair.split(",")
    ]
    assert all(math.isfinite(place) and -0.2 <= place <= chart.width for place in places)
    assert all(chart.left - 0.2 <= tick.at <= chart.right + 0.2 for tick in chart.x_ticks)
    assert all(chart.top - 0.2 <= tick.at <= chart.bottom + 0.2 for tick in chart.y_ticks)


def test_numbers_that_are_none_are_left_out() -> None:
    assert line_chart([Series("a", [(1.0, math.nan)])], ("x", "y")) is None
    chart = line_chart([Series("a", [(1.0, math.inf), (2.0, 3.0)], [(0.0, 1.0), (2.0, math.inf)])], ("x", "y"))
    assert chart is not None
    assert len(chart.series[0].dots) == 1
    assert chart.series[0].band == ""
