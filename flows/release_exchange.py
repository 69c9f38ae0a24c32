"""Hands releases to other installations and takes theirs in, from a form."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.runtime import deployment

from flows.parameters import ReleaseExchange
from tasks.reporting import announce, fixed_key, publish_markdown
from tasks.reporting.release_report import exchange_report
from tasks.transfer.steps import act_on_releases

NAME = "release-exchange"


@flow(name=NAME, flow_run_name="release-exchange · {options}")
def release_exchange(options: ReleaseExchange = ReleaseExchange()) -> list[dict[str, Any]]:
    """Do one thing with private releases: noisy sums that were paid for when they were drawn, never rows.

    Whose releases are taken in stands in RAPTORFLOW_TRUSTED_RELEASES, which no form changes.
    """
    is_from_form = deployment.id is not None  # by hand it is the person's own process, with the person's own rights
    which = {"period": options.period, "installation": options.installation}
    rows = act_on_releases(options.action, options.files, which, options.again, is_from_form)
    publish_markdown(fixed_key(NAME, "report"), exchange_report(options.action, rows), f"Releases: {options.action}")
    for row in rows:
        announce(
            " · ".join(str(row[name]) for name in ("file", "fingerprint", "period", "state", "what") if row.get(name))
        )
    return rows
