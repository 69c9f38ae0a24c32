"""The `raptorflow` command. Every import that costs time stands inside the command that needs it."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, Exit, TyperException

from flows import debate_commands, experiment_commands, hook_commands, key_commands, release_commands
from tasks.errors import InputError, RaptorflowError, reason_of

app = typer.Typer(
    help="Learns honestly from what a marketing team publishes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(experiment_commands.app, name="experiment")
app.add_typer(debate_commands.app, name="debate")
app.add_typer(key_commands.app, name="keys")
app.add_typer(hook_commands.app, name="hooks")
app.add_typer(release_commands.app, name="releases")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
DATABASE = "Read from postgresql://user@host/database, sqlite:///file.db or duckdb: (PGPASSWORD holds a password)."
Of = Annotated[str | None, typer.Option("--workspace", "-w", help="One workspace; all when left out.")]


@app.callback()
def options(_debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    """Hold the options of every command; `main` reads --debug before the command line is parsed."""
    _keep_private()


def _keep_private() -> None:
    """Nobody else on this machine reads what a command writes, nor what an earlier version left open."""
    from tasks.private_files import NOBODY_ELSE, tighten
    from tasks.settings import get_settings

    os.umask(NOBODY_ELSE)  # of servers, workers and runs too: they inherit it
    home = get_settings().home.resolve()
    if opened := tighten(home):
        print(  # noqa: T201 - a warning, on stderr
            f"raptorflow: other users of this machine could read {opened} files and folders of {home}; now they cannot",
            file=sys.stderr,
        )


@app.command()
def init() -> None:
    """Create the warehouse's schema, or bring it up to date."""
    from flows import console
    from flows.home import require_home
    from tasks.settings import get_settings

    if get_settings().database_url.startswith("sqlite"):
        require_home()
    from tasks.warehouse import Warehouse, upgrade

    warehouse = Warehouse()
    console.say(f"warehouse at schema revision {upgrade(warehouse)} · {warehouse.address}")


@app.command()
def sample(
    folder: Annotated[Path | None, typer.Option(help="Where to write it; the home's sample/ when left out.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another simulation.")] = 2026,
) -> None:
    """Write the simulated sample and, beside it, the truths planted in it."""
    from flows import console, demonstration

    console.written(demonstration.write_sample(folder, seed))


@app.command()
def ingest(
    kind: Annotated[str, typer.Argument(help="workspaces, content, touches, experiments, exposures or outcomes")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="CSV, TSV, Parquet, JSON Lines, Excel; also in .gz or .zip.")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="YAML that renames, combines and sets columns.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="A mapping of ours, such as meta-facebook; `raptorflow inspect FILE` says which.")
    ] = None,
    workspace: Annotated[
        str | None, typer.Option("--workspace", "-w", help="Whose rows they are, where the file does not say.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Zone of the account (Europe/Berlin); the workspace's when left out.")
    ] = None,
    industry: Annotated[str | None, typer.Option(help="Creates the workspace if it is not there.")] = None,
    size: Annotated[str, typer.Option(help="Of a workspace that is created: smb, mid or enterprise.")] = "smb",
    name: Annotated[str | None, typer.Option(help="Of a workspace that is created; its id when left out.")] = None,
    dates: Annotated[
        Path | None, typer.Option(help="CSV of content_id and published_at, for reports without them.")
    ] = None,
    experiment: Annotated[str | None, typer.Option(help="Name of the experiment, where the file does not say.")] = None,
    control: Annotated[str | None, typer.Option(help="Arm that the others are compared with.")] = None,
    database: Annotated[str | None, typer.Option("--from", help=DATABASE)] = None,
    query: Annotated[Path | None, typer.Option(help="File that holds one SELECT, for --from.")] = None,
    as_json: Json = False,
) -> None:
    """Take files, or the rows of a query, into the warehouse; the same rows twice change nothing."""
    from flows import console, file_inspection
    from flows.home import require_home
    from flows.readiness import NEXT, readiness
    from tasks.warehouse.ingestion import ingest as ingest_files
    from tasks.warehouse.records import LOGS, NewWorkspace

    if (database is None) != (query is None) or bool(files) == bool(query):
        raise InputError("ingest takes either files or --from URI --query FILE.sql")
    require_home()
    if files and mapping is None and preset is None:
        preset = file_inspection.agreed_preset(kind, files)
    new = NewWorkspace(industry, size, name) if industry is not None else None
    with console.progress(f"ingesting {kind}") as on_progress:
        report = ingest_files(
            kind,
            [query] if query else files or [],
            mapping=mapping,
            preset=preset,
            workspace=workspace,
            timezone=timezone,
            dates=dates,
            new_workspace=new,
            database=database,
            experiment=experiment,
            control=control,
            on_progress=on_progress,
        )
    if kind in LOGS:
        from flows.log_files import with_experiments

        report = with_experiments(report)
    console.ingestion(report, readiness(kind, report.workspaces), NEXT[kind], as_json)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A file that somebody exported.")],
    write_mapping: Annotated[
        Path | None, typer.Option(help="Write the mapping that would read it, to be completed by hand.")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="Show what this mapping file makes of it.")] = None,
    preset: Annotated[str | None, typer.Option(help="Show what this preset makes of it.")] = None,
    kind: Annotated[str, typer.Option(help="What its rows are.")] = "content",
    timezone: Annotated[str | None, typer.Option(help="Zone of the account (Europe/Berlin).")] = None,
    as_json: Json = False,
) -> None:
    """Say what a file is and how it would be read; nothing is written to the warehouse."""
    from flows import file_inspection

    file_inspection.show(file, kind, mapping, preset, timezone, write_mapping, as_json)


@app.command()
def run(
    flow: Annotated[str, typer.Argument(help="Such as meta-learning; `run list` names them all.")],
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="key=value, as in the flow's form.")] = None,
    task_runner: Annotated[
        str | None, typer.Option(help="threads or dask; RAPTORFLOW_TASK_RUNNER when left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also where nothing changed since the last run.")] = False,
    as_json: Json = False,
) -> None:
    """Run a flow by hand and print how it ended."""
    from flows import console, runtime
    from flows.home import require_home

    if flow == "list":
        console.names("flows", runtime.ENTRYPOINTS, as_json)
        return
    require_home()
    with console.watching(flow):
        pairs = [*(param or []), *(["dry_run=true"] if dry_run else []), *(["recompute=true"] if force else [])]
        result = runtime.run_by_hand(flow, pairs, task_runner)
    console.result(flow, result, as_json)
    if failed := console.failures(result):
        raise RaptorflowError(f"{flow}: {failed} workspaces failed; the rest is done, and the reasons stand above")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A new file; it holds all customers' data.")], as_json: Json = False
) -> None:
    """Write warehouse, models and snapshots to one file, while everything runs."""
    from flows import backup as backups
    from flows import console

    console.facts("backup", backups.back_up(file), as_json)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `raptorflow backup` wrote.")], as_json: Json = False
) -> None:
    """Put a backup into an empty home (RAPTORFLOW_HOME), wherever it is."""
    from flows import backup as backups
    from flows import console
    from flows.home import require_home

    require_home()
    console.facts("restored", backups.restore(file), as_json)


@app.command()
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Do what is safe to do: nothing is lost by it.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is wrong with this home and its stores, and what to do; exits 1 where there is a problem."""
    from flows import console
    from flows import doctor as doctors

    for line in doctors.repair() if fix else []:
        print(line, file=sys.stderr)  # noqa: T201 - what was done, beside the findings
    findings = doctors.examine()
    console.table("findings", doctors.as_rows(findings, as_json), as_json)
    if any(finding.status == doctors.PROBLEM for finding in findings):
        raise Exit(1)


@app.command()
def demo() -> None:
    """Run the nightly chain over the simulated sample and show what was found beside what was planted."""
    from flows.home import require_home

    require_home()
    from flows import demonstration  # takes seconds

    demonstration.run()


@app.command()
def patterns(workspace: Of = None, as_json: Json = False) -> None:
    """Patterns that win and lose, as last found."""
    from flows import console, listing

    rows = listing.patterns(workspace, as_json)
    console.table("patterns", rows, as_json, *([] if rows else listing.why_no_patterns(workspace)))


@app.command()
def insights(workspace: Of = None, as_json: Json = False) -> None:
    """What similar workspaces know."""
    from flows import console, listing

    console.table("insights", listing.insights(workspace, as_json), as_json)


@app.command()
def drift(workspace: Of = None, as_json: Json = False) -> None:
    """The newest drift check of every model."""
    from flows import console, listing

    none_yet = "a model is first checked when posts or visits have come in after those it learned from"
    console.table("drift checks", listing.drift(workspace, as_json), as_json, none_yet)


@app.command()
def models(workspace: Of = None, as_json: Json = False) -> None:
    """Registered models and what serves."""
    from flows import console, listing

    console.table("models", listing.models(workspace, as_json), as_json)


@app.command()
def recall(
    words: Annotated[str, typer.Argument(help="What you want to know, in your own words.")],
    workspace: Of = None,
    limit: Annotated[int, typer.Option(help="At most so many, 1 to 100.", min=1, max=100)] = 5,
    as_json: Json = False,
) -> None:
    """What patterns, experiments, debates and changes of models have taught, and whether it still holds."""
    from flows import console, recalling

    learnings = recalling.recall(words, workspace, limit)
    none = "[bold]raptorflow patterns[/], [bold]experiment[/] and [bold]debate[/] list all there is"
    rows = [one.as_dict() for one in learnings] if as_json else recalling.as_rows(learnings)
    console.table("learnings about this", rows, as_json, none)


@app.command()
def backlog(workspace: Of = None, as_json: Json = False) -> None:
    """Experiments to run next, by what their answers are expected to earn; one place in ten by lot."""
    from flows import console, loop_listing

    none_yet = "they come from [bold]raptorflow patterns[/] and [bold]debate[/]; none of those open pays for its test"
    console.table("candidate experiments", loop_listing.backlog(workspace, as_json), as_json, none_yet)


@app.command()
def defaults(workspace: Of = None, as_json: Json = False) -> None:
    """What is done by default since an experiment proved it, and what no longer is."""
    from flows import console, loop_listing

    none_yet = "a decided experiment whose arms declare `changes` writes them"
    console.table("defaults", loop_listing.defaults(workspace, as_json), as_json, none_yet)


@app.command()
def up(
    host: Annotated[
        str, typer.Option(help="Listen here; beyond this machine RAPTORFLOW_AUTH must be set.")
    ] = "127.0.0.1",
    prefect_port: Annotated[int, typer.Option(envvar="RAPTORFLOW_PREFECT_PORT", min=1, max=65535)] = 4200,
    mlflow_port: Annotated[int, typer.Option(envvar="RAPTORFLOW_MLFLOW_PORT", min=1, max=65535)] = 5000,
    service_port: Annotated[int, typer.Option(envvar="RAPTORFLOW_SERVICE_PORT", min=1, max=65535)] = 4300,
    folder: Annotated[Path | None, typer.Option(help="Another deployments/.")] = None,
) -> None:
    """Start Prefect, MLflow and the service, workers and every deployment; Ctrl-C stops all of it."""
    from flows import console, runtime
    from flows.home import require_home
    from flows.platform.addresses import Addresses
    from flows.platform.catalogue import FOLDER
    from flows.platform.up import up as start_platform

    require_home()
    runtime.prepare(quiet=False)
    start_platform(Addresses(host, prefect_port, mlflow_port, service_port), console.say, folder or FOLDER)


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Listen here; beyond this machine RAPTORFLOW_AUTH must be set and a key exist.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="RAPTORFLOW_SERVICE_PORT", min=1, max=65535)] = 4300,
) -> None:
    """Serve the HTTP API and its pages alone; Ctrl-C stops it. `raptorflow up` starts it too."""
    from flows import console
    from flows.home import require_home
    from flows.platform.service_server import serve_by_hand

    require_home()
    serve_by_hand(host, port, console.say)


@app.command()
def mcp(
    allow_writes: Annotated[
        bool, typer.Option("--allow-writes", help="Offer tools that change something too, as far as the key may.")
    ] = False,
) -> None:
    """Answer an agent by the Model Context Protocol on standard input and output; RAPTORFLOW_KEY holds its key."""
    from flows.home import require_home
    from flows.platform.service_server import answer_agent

    require_home()
    answer_agent(writes=allow_writes)


@app.command()
def deploy(
    folder: Annotated[Path | None, typer.Option(help="Another deployments/.")] = None, as_json: Json = False
) -> None:
    """Make the Prefect server hold what deployments/ says, and tell what that changed."""
    from flows import console, runtime
    from flows.platform.catalogue import FOLDER
    from flows.platform.deploying import deploy as apply
    from flows.platform.status import connect

    runtime.prepare()
    connect()
    changes = apply(folder or FOLDER)
    console.changes(changes, as_json)
    if refused := [change for change in changes if change.refused]:
        raise InputError("; ".join(map(str, refused)))


@app.command()
def status(
    details: Annotated[bool, typer.Option("--details", help="Also every part, the next runs and the last.")] = False,
    as_json: Json = False,
) -> None:
    """Say in ten lines how it is: health, what needs a person, what changed, last and next run."""
    from flows import console, runtime
    from flows.platform.status import status as platform_status

    runtime.prepare()
    console.platform(platform_status(), as_json, details)


def main() -> None:
    """Run the command line: 0 done, 1 the work failed, 2 bad usage or bad input."""
    debug = "--debug" in sys.argv
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except Exit as ended:
        sys.exit(ended.exit_code)
    except TyperException as error:
        _fail(_usage(error), 2, debug)
    except (KeyboardInterrupt, Abort):
        _fail("stopped; run the same command again to go on", 1, debug)
    except RaptorflowError as error:
        _fail(str(error), error.exit_status, debug)
    except Exception as error:  # noqa: BLE001 - whatever else fails shows one line, the traceback on request
        _fail(f"{_why(error)} (run again with --debug for the traceback)", 1, debug)


def _usage(error: TyperException) -> str:
    """What is wrong with a command, by its options' names as they are typed, and where they are explained."""
    names: list[str] = []
    context = getattr(error, "ctx", None)
    while context is not None and context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return f"{error.format_message().rstrip('.')}; see `{' '.join(['raptorflow', *names, '--help'])}`"


def _why(error: Exception) -> str:
    """Why it failed; a server without room on its disk says no more than that it failed."""
    from flows.home import require_home

    try:
        require_home()
    except RaptorflowError as unusable:
        return str(unusable)
    return reason_of(error)


def _fail(message: str, status: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    from tasks.plain_text import terminal

    print(terminal(f"raptorflow: {' '.join(message.splitlines())}"), file=sys.stderr)  # noqa: T201
    sys.exit(status)


if __name__ == "__main__":
    main()
