"""The report of all reports, `raptorflow`: what needs a person anywhere, what changed, the best, ways to the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.plain_text import Markdown, markdown
from tasks.reporting.artifacts import publish_markdown, strong
from tasks.reporting.links import report_link
from tasks.reporting.report import AS_OF, BEST, CHANGED, COUNTS, NEEDS, Finding, Report, publish_report
from tasks.reporting.report_rows import Row, published_rows

INDEX = "raptorflow"
CLIENTS = "raptorflow-clients"
LINES_SHOWN = {NEEDS: 8, CHANGED: 6, BEST: 5}
LINES_OF_STATUS = {NEEDS: 3, CHANGED: 2, BEST: 1}
LINE = 150


@dataclass(frozen=True, slots=True)
class ReportSource:
    """One flow's report: how it is called, its page, and its news."""

    title: str
    page: str
    news: str


SOURCES = (
    ReportSource("Nightly chain", "meta-learning-summary", "meta-learning-news"),
    ReportSource("Models", "model-refresh-report", "model-refresh-news"),
    ReportSource("Experiments", "experiment-analysis-report", "experiment-analysis-news"),
    ReportSource("The loop of experiments", "experiment-orchestration-report", "experiment-orchestration-news"),
    ReportSource("Programs of experiments", "programme-report-report", "programme-report-news"),
    ReportSource("Debates", "debate-synthesis-report", "debate-synthesis-news"),
    ReportSource("Patterns", "pattern-learning-report", "pattern-learning-news"),
    ReportSource("Private release", "transfer-learning-release", "transfer-learning-news"),
)


@dataclass(frozen=True, slots=True)
class Overview:
    """The newest news of every report there is, in the order in which they matter."""

    news: Mapping[ReportSource, Sequence[Row]]

    def lines(self, section: str) -> list[tuple[ReportSource, Finding]]:
        """Lines of a section, those of the more pressing report first; what two reports say is said once."""
        distinct: dict[tuple[str, str], tuple[ReportSource, Finding]] = {}
        for source, rows in self.news.items():
            for row in rows:
                if row["section"] == section:
                    finding = Finding(str(row["about"]), str(row["what"]))
                    distinct.setdefault((finding.about, finding.what.rpartition(": ")[2]), (source, finding))
        return list(distinct.values())

    def total(self, section: str) -> int:
        """How many findings there are of a section in all reports, shown or not."""
        return sum(int(self.counts(source).get(section, 0)) for source in self.news)

    def counts(self, source: ReportSource) -> dict[str, int]:
        """What a report counted."""
        return {str(row["about"]): int(row["what"]) for row in self.news[source] if row["section"] == COUNTS}

    def as_of(self, source: ReportSource) -> str:
        """When a report was made."""
        return next((str(row["about"]) for row in self.news[source] if row["section"] == AS_OF), "")

    def as_markdown(self) -> str:
        """The page."""
        parts = ["# RaptorFlow", "## Needs a person", self._list(NEEDS), "## Changed since the last run"]
        parts += [self._list(CHANGED)]
        if self.lines(BEST):
            parts += ["## Best", self._list(BEST)]
        reports = "\n".join(f"- {self._counted(source)}" for source in self.news)
        clients = f"Pages to show to clients: {report_link(CLIENTS, 'one each')}."
        return "\n\n".join([*parts, "## All reports", reports or "None yet.", clients])

    def _list(self, section: str) -> str:
        lines = self.lines(section)
        most = LINES_SHOWN[section]
        shown = [f"- {_source(source)} · {_said(line)}" for source, line in lines[:most]]
        if len(lines) > most:
            left = dict.fromkeys(source for source, _ in lines[most:])
            shown.append(f"- more: {', '.join(_source(source) for source in left)}")
        return "\n".join(shown) or "Nothing."

    def _counted(self, source: ReportSource) -> str:
        counted = " · ".join(f"{count:,} {markdown(what)}" for what, count in self.counts(source).items() if count)
        return f"**{_source(source)}**, {self.as_of(source)}: {counted or 'nothing'}"

    def as_lines(self) -> Iterator[str]:
        """Eight lines for a terminal; each section says how much more there is."""
        for section, most in LINES_OF_STATUS.items():
            lines = self.lines(section)
            if not lines:
                yield f"{section}: nothing"
                continue
            more = f" (and {len(lines) - most} more: `raptorflow` among the reports)" if len(lines) > most else ""
            texts = [_cut(f"{source.title} · {line.about}: {line.what}") for source, line in lines[:most]]
            yield f"{section}: {texts[0]}{more if most == 1 else ''}"
            yield from (f"  {line}" for line in texts[1:-1])
            if most > 1 and len(texts) > 1:
                yield f"  {texts[-1]}{more}"


def publish_with_index(report: Report) -> None:
    """Publish a report, and the report of all reports anew."""
    publish_report(report)
    publish_markdown(INDEX, overview().as_markdown(), "Start here: what needs a person, what changed, all reports")


def overview() -> Overview:
    """What the Prefect server holds of all reports."""
    tables = published_rows(*(source.news for source in SOURCES))
    return Overview({source: tables[source.news] for source in SOURCES if source.news in tables})


def _source(source: ReportSource) -> Markdown:
    return report_link(source.page, source.title)


def _said(line: Finding) -> str:
    return f"{strong(line.about)}: {markdown(line.what)}"


def _cut(line: str) -> str:
    return line if len(line) <= LINE else f"{line[: LINE - 1]}…"
