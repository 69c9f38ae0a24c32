"""What a pattern-learning run found, as a person reads it in Prefect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.conditions import Condition, in_a_sentence, rule_in_words
from tasks.patterns import figures
from tasks.patterns.negative_controls import Controls
from tasks.patterns.recommendations import worth
from tasks.patterns.records import Pattern
from tasks.patterns.wording import format_effect, format_lift
from tasks.plain_text import Markdown, markdown, visible
from tasks.reporting.artifacts import artifact_key, figure, markdown_table, plain_cells, reasons, strong
from tasks.reporting.links import report_link
from tasks.reporting.report import BEST_SHOWN, Finding, Report
from tasks.reporting.report_rows import ReportRows, Row
from tasks.warehouse.outcomes import FAILED, Outcome

CAVEAT = (
    "Associations, not causes: adjusted for channel, season and timing, and held to a false discovery rate over all "
    "rules that were searched. Lift compares with other posts of the same channel and season; intervals are 90 %."
)
WORTH = (
    "Worth: what the typical post would gain, were all posts of the better kind; of words that win, were twice as many "
    "posts to mention them. What is worth most comes first."
)
DOING_CAVEAT = (
    "If you do it: what doing it is expected to bring, learned from randomized experiments of the workspace and its "
    "organization on the same conditions; 90 % interval."
)
PATTERNS_WITH_POSTS = 5
POST_TEXT = 48
SAME_SHOWN = 3  # rules of one act that a pattern stands for
TEN_TIMES = 10
REPORT, EVERYTHING, NEWS = "pattern-learning-report", "pattern-learning-all", "pattern-learning-news"
CLIENTS = "raptorflow-clients"
FIGURES_SHOWN = 25  # drawing takes a third of a second each; the other pages have the same table without pictures
CONTENT, LIFT, DOING = "content that …", "lift, 90 % interval", "if you do it"
IDENTITY = ("workspace", "type", CONTENT)
SHORT = ("insufficient_data", "early_signal", "no_variance")


def pattern_report(known: ReportRows, controls: Controls | None = None) -> Report:
    """What needs a person, patterns that are new or gone, the strongest, and how many there are.

    Args:
        known: every pattern, of this run and of the report before.
        controls: conditions that cannot matter, of this run.
    """
    rows = sorted(known.rows, key=_strength, reverse=True)
    patterns = [row for row in rows if row[CONTENT]]
    failed = [row for row in rows if row["status"] == FAILED]
    short = {row["workspace"] for row in rows if row["status"] in SHORT} - {row["workspace"] for row in patterns}
    with_patterns = len({row["workspace"] for row in patterns})
    return Report(
        page=REPORT,
        everything=EVERYTHING,
        news=NEWS,
        title="Patterns",
        command="raptorflow patterns",
        needs=[
            *([Finding("negative controls", controls.words)] if controls is not None and controls.is_alarm else []),
            *(Finding(row["workspace"], f"patterns could not be learned: {row['why']}") for row in failed),
        ],
        changes=None if known.before is None else _changes(known),
        best=[_best(row) for row in patterns[:BEST_SHOWN]],
        links=[report_link(row["page"], row["workspace"]) for row in patterns[:BEST_SHOWN]],
        counts={"patterns": len(patterns), "workspaces with patterns": with_patterns, "failed": len(failed)},
        too_few=len(short),
        notes=[*_clients_line(known.rows), CAVEAT, DOING_CAVEAT, *([controls.words] if controls is not None else [])],
        rows=rows,
    )


def all_rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """Every pattern of a run, and every analysis and workspace without one, with the reason."""
    rows = [
        _nothing(outcome.workspace_id, "", outcome.status, outcome.reason)
        for outcome in outcomes
        if not outcome.result.get("analyses")
    ]
    for analysis in _analyses(outcomes):
        about = {"workspace": analysis["workspace_id"], "type": analysis["content_type"]}
        own = [about | _row(pattern) | _known(pattern, analysis["workspace_id"]) for pattern in _patterns(analysis)]
        none = _nothing(analysis["workspace_id"], analysis["content_type"], analysis["status"], analysis["reason"])
        rows += own or [none]
    return rows


def best_of(outcomes: Sequence[Outcome]) -> list[Finding]:
    """The strongest patterns of a run, for the chain's summary."""
    patterns = sorted((row for row in all_rows(outcomes) if row[CONTENT]), key=_strength, reverse=True)
    return [_best(plain_cells(row)) for row in patterns[:BEST_SHOWN]]


def _best(row: Row) -> Finding:
    return Finding(row["workspace"], f"{row['type']} content that {row[CONTENT]}: {row[LIFT]}, {row['posts']} posts")


def _nothing(workspace_id: str, content_type: str, status: str, why: str | None) -> Row:
    empty = dict.fromkeys((CONTENT, LIFT, DOING, "posts", "trend"))
    about = {"workspace": workspace_id, "type": content_type}
    return about | empty | {"strength": 0.0, "status": status, "why": why, "page": None}


def _known(pattern: Mapping[str, Any], workspace_id: str) -> Row:
    strength = abs(pattern["effect_size"]) * pattern["confidence"]
    return {"strength": strength, "status": "found", "why": None, "page": client_key(workspace_id)}


def _strength(row: Row) -> float:
    return float(row["strength"])


def _changes(known: ReportRows) -> list[Finding]:
    new = [row for row in known.added(*IDENTITY) if row[CONTENT]]
    gone = [row for row in known.gone(*IDENTITY) if row[CONTENT]]
    changes = [("new", row) for row in new] + [("no longer found", row) for row in gone]
    changes.sort(key=lambda one: -_strength(one[1]))
    return [
        Finding(f"{row['workspace']} · {row['type']}", f"{how}: {row[CONTENT]}, {row[LIFT]}") for how, row in changes
    ]


def _clients_line(rows: Sequence[Row]) -> list[str]:
    return (
        [f"Pages to show to a client: {report_link(CLIENTS, 'one each')}."] if any(row[CONTENT] for row in rows) else []
    )


def client_key(workspace_id: str) -> str:
    """Key of a workspace's own page, which can be shown to its owner: nothing else begins with `client`."""
    return artifact_key("client", workspace_id)


def clients_page(rows: Sequence[Row]) -> str:
    """Links to the pages of all workspaces that have patterns, as a running text."""
    names = {row["page"]: row["workspace"] for row in rows if row[CONTENT]}
    links = (report_link(page, name) for page, name in sorted(names.items(), key=_name))
    return f"# Client pages\n\n{' · '.join(links)}"


def _name(page: tuple[str, str]) -> str:
    return page[1]


def counted(outcomes: Sequence[Outcome]) -> str:
    """How much was found, in a line."""
    analyses = _analyses(outcomes)
    patterns = sum(len(_patterns(analysis)) for analysis in analyses)
    return f"patterns: {patterns} · analyses: {len(analyses)} · workspaces: {len(outcomes)}"


def why_nothing(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Why a run found nothing for a workspace: one row for each that failed, was skipped or has no pattern."""
    rows = [
        {"workspace": outcome.workspace_id, "type": None, "status": outcome.status, "why": outcome.reason}
        for outcome in outcomes
        if outcome.reason
    ]
    return rows + [
        {"workspace": analysis["workspace_id"], "type": analysis["content_type"]}
        | {"status": analysis["status"], "why": analysis["reason"]}
        for analysis in _analyses([outcome for outcome in outcomes if not outcome.reason])
        if not _patterns(analysis)
    ]


def controls_of(outcomes: Sequence[Outcome]) -> Controls:
    """What conditions that cannot matter came to in all analyses of a run."""
    counts = [analysis.get("statistics", {}).get("negative_controls", {}) for analysis in _analyses(outcomes)]
    return Controls(
        *(sum(one.get(name, 0) for one in counts) for name in ("tried", "claimed_by_association", "claimed_by_effect"))
    )


def _analyses(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [analysis for outcome in outcomes for analysis in outcome.result.get("analyses", ())]


def client_pages(outcomes: Sequence[Outcome], known: ReportRows) -> Iterator[tuple[str, str]]:
    """Workspace and its own page, of those whose patterns this run changed; the first ones with figures."""
    changed = {row["workspace"] for row in (*known.added(*IDENTITY), *known.gone(*IDENTITY))}
    changed |= {new["workspace"] for _, new in known.changed(IDENTITY, (LIFT, "trend"))}
    drawn = 0
    for outcome in outcomes:
        analyses = [analysis for analysis in outcome.result.get("analyses", ()) if _patterns(analysis)]
        is_new = known.before is None or visible(outcome.workspace_id) in changed
        if analyses and is_new:
            drawn += 1
            page = _page(outcome.workspace_id, analyses, with_figures=drawn <= FIGURES_SHOWN)
            yield outcome.workspace_id, "\n\n".join(page)


def _page(workspace_id: str, analyses: Sequence[Mapping[str, Any]], *, with_figures: bool) -> Iterator[str]:
    yield f"# What works for {markdown(workspace_id)}"
    yield CAVEAT
    yield DOING_CAVEAT
    for analysis in analyses:
        patterns = sorted(map(Pattern.from_dict, _patterns(analysis)), key=_least_worth_last)
        yield f"## {markdown(analysis['content_type'])}"
        yield WORTH
        yield markdown_table([_row(pattern.as_dict()) | {"worth": f"+{worth(pattern):.0f} %"} for pattern in patterns])
        if with_figures:
            what = f"Lifts of {analysis['content_type']} patterns with 90 % intervals, and over time"
            yield figure(figures.forest(patterns), what)
        yield from _doing(patterns)
        yield from _in_other_words(patterns)
        yield from _posts_behind(patterns)
        yield from _not_told_apart(analysis, patterns)


def _least_worth_last(pattern: Pattern) -> tuple[float, str]:
    return -worth(pattern), pattern.pattern_key


def _doing(patterns: Sequence[Pattern]) -> Iterator[str]:
    """What was seen and what doing it brings, in words."""
    effects = [pattern.effect["words"] for pattern in patterns[:PATTERNS_WITH_POSTS] if pattern.effect is not None]
    if effects:
        yield "### What was seen, and what doing it would bring"
        yield "\n".join(f"- {markdown(words)}" for words in effects)


def _in_other_words(patterns: Sequence[Pattern]) -> Iterator[str]:
    """What stands out too, and says no more than a pattern that is listed."""
    folded = [(rule_in_words(pattern.rule), _some(pattern.same_act)) for pattern in patterns if pattern.same_act]
    if folded:
        yield "### What stands out too, and adds nothing to it"
        yield reasons(folded)


def _some(rules: Sequence[str]) -> str:
    more = f"; and {len(rules) - SAME_SHOWN} more" if len(rules) > SAME_SHOWN else ""
    return "; ".join(rules[:SAME_SHOWN]) + more


def _posts_behind(patterns: Sequence[Pattern]) -> Iterator[str]:
    """The posts that the patterns worth most rest on, as people remember them."""
    shown = [pattern for pattern in patterns[:PATTERNS_WITH_POSTS] if pattern.best_posts]
    if shown:
        yield "### Posts behind it, against a typical post of their channel and season"
    for pattern in shown:
        yield strong(f"Content that {in_a_sentence(pattern.rule)}")
        best, worst = (", ".join(map(_post, posts)) for posts in (pattern.best_posts, pattern.worst_posts))
        yield reasons([("best", Markdown(best)), ("worst", Markdown(worst))])


def _post(post: Mapping[str, Any]) -> str:
    text = post["text"] or ""
    shown = f"{text[: POST_TEXT - 1]}…" if len(text) > POST_TEXT else text
    times = f"{post['times_typical']:,.0f}" if post["times_typical"] >= TEN_TIMES else f"{post['times_typical']:.2g}"
    return f"{markdown(shown or post['content_id'])} ({times}×)"


def _not_told_apart(analysis: Mapping[str, Any], patterns: Sequence[Pattern]) -> Iterator[str]:
    together = [("always together", one["words"]) for one in analysis.get("statistics", {}).get("inseparable", ())]
    together += [
        (rule_in_words(pattern.rule), f"nearly the same posts: {', '.join(pattern.inseparable_from)}")
        for pattern in patterns
        if pattern.inseparable_from
    ]
    if together:
        yield "### What cannot be told apart"
        yield reasons(together)


def _patterns(analysis: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*analysis["winning_patterns"], *analysis["losing_patterns"]]


def _row(pattern: Mapping[str, Any]) -> dict[str, Any]:
    interval = pattern["lift_interval_pct"]
    lift, low, high = (format_lift(value, interval, "+") for value in (pattern["lift_pct"], *interval))
    return {
        "content that …": rule_in_words(map(Condition.from_dict, pattern["rule"])),
        "lift, 90 % interval": f"{lift} % ({low} … {high})",
        DOING: format_effect(pattern.get("effect")),
        "posts": pattern["total_size"],
        "trend": pattern["trend"],
    }
