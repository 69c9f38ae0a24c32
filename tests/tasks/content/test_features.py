"""What each feature counts and what it leaves alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from tasks.content import CATALOGUE, DERIVED, with_features
from tasks.errors import UnknownNameError
from tasks.warehouse.schema import Content

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)  # a Monday
GIVEN = {"workspace_id": pl.String, "title": pl.String, "body": pl.String, "media_type": pl.String}
SCHEMA = GIVEN | {"published_at": pl.Datetime("us", "UTC")}


def features(body: str | None, title: str | None = None, at: datetime = NOON, zone: str = "UTC") -> dict[str, Any]:
    row = {"workspace_id": "acme", "title": title, "body": body, "media_type": "Image", "published_at": at}
    return with_features(pl.DataFrame([row], schema=SCHEMA), {"acme": zone}).row(0, named=True)


def test_the_catalogue_names_the_schema_s_feature_columns() -> None:
    columns = list(Content.__table__.columns.keys())
    assert list(DERIVED) == columns[columns.index("run_id") + 1 :]


def test_features_have_the_schema_s_types() -> None:
    kinds = {"boolean": pl.Boolean, "share": pl.Float64, "score": pl.Float64}
    made = with_features(pl.DataFrame(schema=SCHEMA), {}).schema
    assert {f.name: made[f.name] for f in CATALOGUE if f.derived} == {
        f.name: kinds.get(f.kind, pl.Int64) for f in CATALOGUE if f.derived
    }


def test_a_row_without_text_has_no_text_features_but_a_time() -> None:
    row = features(None)
    assert {row[f.name] for f in CATALOGUE if f.group == "text"} == {None}
    assert (row["local_hour"], row["local_weekday"], row["is_weekend"]) == (12, 0, False)


def test_a_workspace_without_a_zone_is_refused() -> None:
    with pytest.raises(UnknownNameError):
        with_features(pl.DataFrame([{"workspace_id": "other"}], schema=SCHEMA), {"acme": "UTC"})


@pytest.mark.parametrize(
    ("feature", "text", "expected"),
    [
        ("emoji_count", "none :) © 1 #", 0),
        ("emoji_count", "🎉🎉 ❤️ ☕", 4),
        ("emoji_count", "👨‍👩‍👧‍👦 a family, 👍🏽 a skin tone, 🇩🇪🇫🇷 two flags, 1️⃣ a keycap, 🏴󠁧󠁢󠁳󠁣󠁴󠁿 Scotland", 6),
        ("question_count", "Really?? Yes. هل؟ 真的吗？", 3),
        ("question_count", "see https://example.com/?q=1", 0),
        ("exclamation_count", "Wow!! Yes！", 3),
        ("number_count", "5 tips, 1,000 users, 10:30, 3.5%, v2, COVID19, 1️⃣", 4),
        ("number_count", "https://example.com/2026/01", 0),
        ("hashtag_count", "#one #two2 #3 C# a&#b https://example.com/#four", 2),
        ("mention_count", "@ann, (@bob) and jane.doe@example.com at 5 @ noon", 2),
        ("link_count", "https://example.com/a?b=c www.example.org bit.ly/xyz jane@example.com and/or 9.5/10 U.S.A", 3),
        ("word_count", "It's a well-known #fact: 5 words… 🎉 — https://example.com", 6),
        ("character_count", "añb 🎉", 5),
        ("capitals_share", "ABcd 12!", 0.5),
        ("capitals_share", "ÉÀñü", 0.5),
        ("capitals_share", "12 !", None),
        ("readability", "!!!", None),
    ],
)
def test_counts_what_a_reader_would(feature: str, text: str, expected: float | None) -> None:
    assert features(text)[feature] == expected


@pytest.mark.parametrize("text", ["Shop now", "Sign up for free!", "New. Tell us what you think", "More: link in bio"])
def test_a_request_to_act_is_a_cta(text: str) -> None:
    assert features(text)["has_cta"] is True


@pytest.mark.parametrize(
    "text", ["They tell us it rains", "our subscribers", "We talk to find out why", "a signup sheet"]
)
def test_telling_of_an_act_is_no_cta(text: str) -> None:
    assert features(text)["has_cta"] is False


def test_title_and_body_are_counted_apart_and_together() -> None:
    row = features("two words", title="a title of five words")
    assert (row["title_words"], row["body_words"], row["word_count"]) == (5, 2, 7)
    assert features("two words")["title_words"] is None


def test_short_words_read_more_easily_than_long_ones() -> None:
    easy = features("The cat sat on the mat. It was a good cat.")["readability"]
    hard = features("Organisational transformation necessitates multidisciplinary collaboration.")["readability"]
    assert easy > 100 > 10 > hard


@pytest.mark.parametrize(
    ("at", "zone", "hour", "weekday"),
    [
        (datetime(2026, 3, 29, 0, 30, tzinfo=UTC), "Europe/Berlin", 1, 6),  # half an hour before summer time
        (datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "Europe/Berlin", 3, 6),  # half an hour after
        (datetime(2026, 3, 27, 23, 0, tzinfo=UTC), "Asia/Kolkata", 4, 5),  # already Saturday there
        (datetime(2026, 1, 5, 3, 0, tzinfo=UTC), "America/New_York", 22, 6),  # still Sunday there
    ],
)
def test_hour_and_weekday_are_those_of_the_workspace(at: datetime, zone: str, hour: int, weekday: int) -> None:
    row = features("x", at=at, zone=zone)
    assert (row["local_hour"], row["local_weekday"], row["is_weekend"]) == (hour, weekday, weekday >= 5)


def test_rows_of_many_zones_keep_their_order() -> None:
    zones = {"tokyo": "Asia/Tokyo", "lima": "America/Lima", "utc": "UTC"}
    names = ["tokyo", "lima", "utc", "lima", "tokyo"]
    frame = pl.DataFrame([{"workspace_id": name, "published_at": NOON, "body": name} for name in names], schema=SCHEMA)
    made = with_features(frame, zones)
    assert made["workspace_id"].to_list() == names
    assert made["local_hour"].to_list() == [21, 7, 12, 7, 21]


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        *[("Image", "photo"), (" REEL ", "video"), ("Hologram", "hologram"), ("", None)],
        *[("IG image", "photo"), ("Imagen de IG", "photo"), ("IG-Bild", "photo"), ("Carrousel IG", "carousel")],
        *[("Fotos", "photo"), ("写真", "photo"), ("動画", "video"), ("Vidéo", "video"), ("Liens", "link")],
        *[("Reel de Instagram", "video"), ("IG", "ig"), ("Видео", "video"), ("Video's", "video")],
    ],
)
def test_media_types_get_one_name(given: str, normal: str | None) -> None:
    frame = pl.DataFrame([{"workspace_id": "acme", "media_type": given, "published_at": NOON}], schema=SCHEMA)
    assert with_features(frame, {"acme": "UTC"})["media_type"].item() == normal
