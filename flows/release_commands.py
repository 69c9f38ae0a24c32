"""`raptorflow releases …`: hand releases to other installations and take theirs in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Exchange private releases with other installations, as signed files: noisy sums, never rows.",
    no_args_is_help=True,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Period = Annotated[str | None, typer.Option(help="First day of the release's period, such as 2026-11-16.")]


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A new file.")], period: Period = None, as_json: Json = False
) -> None:
    """Write the newest release, or that of a period, to a signed file; it was paid for, so this spends nothing."""
    from flows import release_output
    from tasks.transfer.exchange.service import ExchangeService

    release_output.exported(ExchangeService().export(file, period), as_json)


@app.command("import")
def take_in(
    files: Annotated[list[Path], typer.Argument(help="Files that `releases export` wrote elsewhere.")],
    again: Annotated[bool, typer.Option("--again", help="Also releases that were forgotten here.")] = False,
    as_json: Json = False,
) -> None:
    """Take in releases of installations that RAPTORFLOW_TRUSTED_RELEASES names: all of the files or none."""
    from flows import release_output
    from flows.home import require_home
    from tasks.transfer.exchange.service import ExchangeService

    require_home()
    service = ExchangeService()
    releases = service.take_in(files, again=again)
    service.measure()
    release_output.taken_in(releases, service.list_releases(), as_json)


@app.command()
def verify(file: Annotated[Path, typer.Argument(help="A file that somebody sent.")], as_json: Json = False) -> None:
    """Say what a release is and whether `import` would take it in; nothing is written."""
    from flows import release_output
    from tasks.transfer.exchange.service import ExchangeService

    release_output.verified(ExchangeService().verify(file), as_json)


@app.command("list")
def list_releases(
    workspace: Annotated[
        str | None,
        typer.Option("--workspace", "-w", help="The ledger of one contributor, over all releases and exports."),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure anew what each brings on held-out posts.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List this installation's releases and those taken in: trust, measured benefit, age, what each has cost."""
    from flows import release_output
    from tasks.transfer.exchange.service import ExchangeService

    service = ExchangeService()
    if workspace is not None:
        release_output.ledger(workspace, service.ledger(workspace), as_json)
        return
    if measure:
        service.measure()
    release_output.listed(service.list_releases(), service.fingerprint, as_json)


@app.command()
def forget(
    installation: Annotated[str, typer.Argument(help="Its fingerprint, or the first eight digits and more.")],
    period: Period = None,
    as_json: Json = False,
) -> None:
    """Remove an installation's releases, or one of them; insights no longer know of them."""
    from flows import console
    from tasks.transfer.exchange.service import ExchangeService

    gone = ExchangeService().forget(installation, period)
    console.facts("forgotten", {"installation": installation, "releases": gone}, as_json)
