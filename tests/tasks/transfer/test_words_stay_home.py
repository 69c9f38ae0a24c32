"""No word of a workspace's posts reaches a release: a word is somebody's secret."""

from __future__ import annotations

from tasks.conditions import TITLE_AND_BODY
from tasks.content.catalogue import BY_NAME
from tasks.transfer import catalogue


def test_a_release_is_about_measures_that_all_posts_have_alike() -> None:
    assert {entry.condition.feature for entry in catalogue.ENTRIES} == catalogue.RELEASED_FEATURES
    others = {*catalogue.LABELS, catalogue.HOURS_SINCE_PREVIOUS}
    assert catalogue.RELEASED_FEATURES - others <= BY_NAME.keys()


def test_what_posts_mention_is_no_part_of_a_release() -> None:
    assert TITLE_AND_BODY not in catalogue.RELEASED_FEATURES
    assert not [entry.key for entry in catalogue.ENTRIES if entry.condition.op == "mentions"]
