"""Every skill says which findings it earns, and every feature that it names exists."""

from __future__ import annotations

import pytest

from tasks.content import CATALOGUE
from tasks.swarm.evidence import LEAST_RELEVANT, relevance, tags_of
from tasks.swarm.records import EvidenceRef
from tasks.swarm.skills import EVERY_FINDING, FEATURES_OF_SKILL, NO_FINDING, SkillTag

LABELS = {"tone", "topic"}  # columns that ingestion takes as they are; the catalogue describes those it derives


def finding(*features: str) -> EvidenceRef:
    return EvidenceRef(id="e", kind="pattern", statement="s", metric="m", effect=0.1, se=0.05, tags=tags_of(features))


@pytest.mark.parametrize("skill", SkillTag)
def test_a_skill_earns_findings_or_says_that_it_earns_none(skill: SkillTag) -> None:
    features = FEATURES_OF_SKILL[skill]
    levels = {skill.value: LEAST_RELEVANT}
    if features == NO_FINDING:
        assert skill is SkillTag.DOCUMENTATION, f"{skill} earns no finding: name its features, or say why here"
    elif features == EVERY_FINDING:
        assert relevance(levels, finding()) > 0
    else:
        assert all(relevance(levels, finding(feature)) > 0 for feature in features)
        assert relevance(levels, finding()) == 0


def test_every_feature_that_a_skill_names_exists() -> None:
    named = {feature for features in FEATURES_OF_SKILL.values() for feature in features} - set(EVERY_FINDING)
    assert named <= {feature.name for feature in CATALOGUE} | LABELS


def test_every_feature_of_content_has_a_skill_that_earns_its_findings() -> None:
    readers = len(tags_of([]))
    assert [feature.name for feature in CATALOGUE if len(tags_of([feature.name])) == readers] == []
