"""What a day brought is one message: counts first, a few lines of each workspace, customers' words as plain text."""

from __future__ import annotations

from typing import Any

from tasks.reporting.findings_digest import MOST_LINES, OF_A_WORKSPACE, digest_of


def finding(workspace: str | None, kind: str, statement: str, effect: float | None = None) -> dict[str, Any]:
    found = {"workspace_id": workspace, "kind": kind, "statement": statement, "effect": effect}
    return found | {"effect_low": effect and effect - 0.1, "effect_high": effect and effect + 0.1}


def test_the_first_line_counts_and_experiments_come_first() -> None:
    findings = [
        finding("acme", "pattern", "Content performs better when: asks a question", 0.3),
        finding("acme", "experiment", "'short' wins", 0.2),
        finding("globex", "model_change", "v_2 serves"),
        finding(None, "debate", "publish in the evening"),
    ]
    drifting = [{"workspace_id": "acme", "model_type": "TONE_CLASSIFIER"}]
    assert digest_of(findings, drifting).splitlines() == [
        "1 answer of an experiment, 1 new pattern, 1 model changed, 1 debate decided; drift is critical: 1",
        "- acme: 'short' wins (+20 %, +10 to +30)",
        "- acme: Content performs better when: asks a question (+30 %, +20 to +40)",
        "- globex: v_2 serves",
        "- organization: publish in the evening",
        "- acme: drift of TONE_CLASSIFIER is critical",
    ]


def test_a_loud_workspace_hides_no_other_and_the_message_ends() -> None:
    findings = [finding(f"w{number % 40}", "pattern", f"pattern {number}", 0.1) for number in range(400)]
    lines = digest_of(findings, []).splitlines()
    assert lines[0] == "400 new patterns"
    assert len(lines) == 1 + MOST_LINES + 1
    assert lines[-1].startswith("- and 380 more")
    one = digest_of([finding("acme", "pattern", f"pattern {n}", 0.1) for n in range(9)], []).splitlines()
    assert len(one) == 1 + OF_A_WORKSPACE + 1


def test_words_of_others_stay_on_their_line_and_nothing_found_is_no_message() -> None:
    told = digest_of([finding("acme\n- globex: fired", "pattern", "mentions “\x1b[2J\nx”")], [])
    assert len(told.splitlines()) == 2
    assert "\x1b" not in told
    assert digest_of([], [{"workspace_id": "acme", "model_type": "TONE_CLASSIFIER"}]) == ""


def test_models_that_serve_for_the_first_time_hide_no_pattern() -> None:
    first_night = [finding(f"w{n % 20}", "model_change", f"v_{n} serves: first champion") for n in range(60)]
    told = digest_of([*first_night, finding("w0", "pattern", "asks a question", 0.3)], [])
    assert told.splitlines()[1] == "- w0: asks a question (+30 %, +20 to +40)"


def test_arms_of_one_experiment_are_not_counted_as_experiments_that_were_decided() -> None:
    arms = [finding("acme", "experiment", f"In experiment 'subject' '{arm}' beat 'control'", 0.1) for arm in "bc"]
    assert digest_of(arms, []).splitlines()[0] == "2 answers of experiments"


def test_what_rounds_to_nothing_is_not_below_zero() -> None:
    nothing = finding("acme", "experiment", "no difference") | {"effect": -0.004}
    told = digest_of([nothing | {"effect_low": -0.03, "effect_high": 0.02}], [])
    assert told.endswith("no difference (+0 %, -3 to +2)")
