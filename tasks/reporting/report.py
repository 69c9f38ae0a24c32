"""The shape of every report: what needs a person, what changed since the last run, the best, then counts.

Three screens hold a report of any number of workspaces: findings with the same reason are one line, and what is left
out of a list is a link away. Each report leaves its news beside it, a short table; from those the report of all
reports is made, and the ten lines of `raptorflow status`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tasks.plain_text import Markdown, markdown
from tasks.reporting.artifacts import publish_markdown, publish_table, strong
from tasks.reporting.links import report_link
from tasks.reporting.report_rows import Row

LINES_SHOWN, NAMES_SHOWN, BEST_SHOWN, WHY_SHOWN = 6, 3, 8, 220
NEEDS, CHANGED, BEST, COUNTS, AS_OF = "needs a person", "changed", "best", "counts", "as of"
NEED, NOT_ENOUGH = "need a person", "lack data"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a report says of one workspace, model or experiment."""

    about: str
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a flow found, in the order in which a person wants to know.

    Attributes:
        page: key of the report.
        everything: key of its table of all rows, where lists that are cut lead.
        news: key of its short table.
        command: prints the same where no Prefect server runs.
        needs: what a person has to look at, the worst first.
        changes: what is different from the last run; None for the first run.
        best: the best first; `worst` of what is no best, the worst first.
        links: ways to what the best are about, in the same order; none where there is nothing to lead to.
        counts: how many of what, in order.
        too_few: workspaces or models that lack data: a line, whatever their number.
        notes: Markdown that follows, such as how figures are to be read.
        rows: everything.
    """

    page: str
    everything: str
    news: str
    title: str
    command: str
    needs: Sequence[Finding]
    changes: Sequence[Finding] | None
    best: Sequence[Finding]
    counts: Mapping[str, int]
    links: Sequence[Markdown] = ()
    worst: Sequence[Finding] = ()
    too_few: int = 0
    notes: Sequence[str] = ()
    rows: Sequence[Row] = field(default=(), repr=False)

    def as_markdown(self) -> str:
        """The page."""
        parts = [f"# {self.title}", "## Needs a person", self._list(self.needs, "Nothing.")]
        parts.append("## Changed since the last run")
        if self.changes is None:
            parts.append("This is the first run: there is nothing to compare it with.")
        else:
            parts.append(self._list(self.changes, "Nothing."))
        if self.best:
            parts += ["## Best", self._best()]
        if self.worst:
            parts += ["## Worst that serve", self._list(self.worst, "")]
        return "\n\n".join(part for part in [*parts, "## Counts", self._counted(), *self.notes] if part)

    def as_news(self) -> list[Row]:
        """What the report of all reports takes of this one, in plain words."""
        rows = [_news(NEEDS, line) for line in grouped(self.needs)[:LINES_SHOWN]]
        rows += [_news(CHANGED, line) for line in grouped(self.changes or [])[:LINES_SHOWN]]
        rows += [_news(BEST, finding) for finding in self.best[:LINES_SHOWN]]
        totals = {NEED: len(self.needs), CHANGED: len(self.changes or []), NOT_ENOUGH: self.too_few}
        rows += [{"section": COUNTS, "about": what, "what": n} for what, n in (totals | dict(self.counts)).items()]
        return [*rows, {"section": AS_OF, "about": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "what": ""}]

    def _best(self) -> str:
        """A list, because its lines wrap: of a table Prefect's page shows what 700 pixels hold."""
        linked = [Markdown(f"**{link}**") for link in self.links[:BEST_SHOWN]]
        abouts = linked or [strong(one.about) for one in self.best[:BEST_SHOWN]]
        return "\n".join(f"- {about}: {markdown(one.what)}" for about, one in zip(abouts, self.best, strict=False))

    def _list(self, findings: Sequence[Finding], none: str) -> str:
        lines = grouped(findings)
        shown = [f"- {strong(line.about)}: {markdown(_short(line.what))}" for line in lines[:LINES_SHOWN]]
        if len(lines) > LINES_SHOWN or any(_is_cut(line) for line in lines[:LINES_SHOWN]):
            shown.append(f"- {self._everything(f'all {len(findings):,}')}")
        return "\n".join(shown) or none

    def _counted(self) -> str:
        counted = " · ".join(f"**{count:,}** {markdown(what)}" for what, count in self.counts.items())
        few = f"Not enough data: {self.too_few:,}. " if self.too_few else ""
        return f"{counted}\n\n{few}{self._everything('Everything, a row each')}"

    def _everything(self, words: str) -> Markdown:
        """A link where a server shows the table, else the command that prints it."""
        linked = report_link(self.everything, words)
        return linked if "](" in linked else Markdown(f"{linked}: `{self.command}`")


def publish_report(report: Report) -> None:
    """Publish the page, its table of everything, and its news."""
    publish_markdown(report.page, report.as_markdown(), f"{report.title}: what needs a person, what changed, the best")
    publish_table(report.everything, report.rows, f"{report.title}: everything, a row each", cell=None)
    publish_table(report.news, report.as_news(), f"{report.title}: in a few lines")


def grouped(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that say the same, as one; in the order of the first of each."""
    names: dict[str, list[str]] = {}
    for finding in findings:
        names.setdefault(finding.what, []).append(finding.about)
    return [Finding(_names(about), what) for what, about in names.items()]


def _names(about: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(about))
    more = len(distinct) - NAMES_SHOWN
    return ", ".join(distinct[:NAMES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _is_cut(line: Finding) -> bool:
    return len(line.what) > WHY_SHOWN or " more" in line.about


def _short(why: str) -> str:
    return why if len(why) <= WHY_SHOWN else f"{why[: WHY_SHOWN - 1]}…"


def _news(section: str, line: Finding) -> Row:
    return {"section": section, "about": line.about, "what": _short(line.what)}
