"""`raptorflow debate …`: ask, read again, grade; what takes long to import is imported in use."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

ASK = "ask"


class QuestionOrCommand(TyperGroup):
    """A first word that is no command of ours is a question: `raptorflow debate "When should we publish?"`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command, which is `ask` where none is named."""
        named = args if args[0] in self.commands else [ASK, *args]
        return super().resolve_command(ctx, named)


app = typer.Typer(help="Ask experts, read their debates again, grade them; alone: all debates.", cls=QuestionOrCommand)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Of = Annotated[str | None, typer.Option("--workspace", "-w", help="Whose findings may be used.")]
Which = Annotated[str, typer.Argument(metavar="ID", help="The debate's id.")]


@app.callback(invoke_without_command=True)
def debate(context: typer.Context, workspace: Of = None, as_json: Json = False) -> None:
    """Ask experts, read their debates again, grade them; alone: all debates."""
    if context.invoked_subcommand is None:
        list_debates(workspace, as_json)


@app.command("list")
def list_debates(workspace: Of = None, as_json: Json = False) -> None:
    """Debates, newest first: what was asked, what was decided, and how sure that is."""
    from flows import console, listing

    console.table(
        "debates", listing.debates(workspace), as_json, '[bold]raptorflow debate "QUESTION" --workspace ID[/] holds one'
    )


@app.command(ASK)
def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="The question to decide.")],
    options: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="An answer to choose from, two to eight times.")
    ] = None,
    texts: Annotated[
        list[str] | None,
        typer.Option("--text", "-t", help="A text that would be published, two to eight times, instead of answers."),
    ] = None,
    workspace: Of = None,
    experts: Annotated[
        list[str] | None, typer.Option("--expert", "-e", help="A role or an agent's id, once for each.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="At most, 1 to 5.")] = 2,
    strategy: Annotated[
        str, typer.Option(help="majority_vote, weighted_vote, synthesis or moderator.")
    ] = "weighted_vote",
    as_json: Json = False,
) -> None:
    """Hold a debate and print it; asked again, the same debate is read and not paid again."""
    import asyncio

    from flows import console
    from flows.parameters import DEBATERS
    from flows.workspace_names import workspaces_to_name
    from tasks.swarm import AgentDebateOrchestrator
    from tasks.swarm.question import MOST_ROUNDS, choices
    from tasks.warehouse import open_warehouse

    above = context.parent.params if context.parent else {}
    workspace, as_json = workspace or above.get("workspace"), as_json or bool(above.get("as_json"))
    warehouse = open_warehouse()
    if workspace is None and not as_json and (others := workspaces_to_name(warehouse)):
        console.say(f"Name one with --workspace: {others}. Without one only shared findings count.\n")
    panel = AgentDebateOrchestrator(max_rounds=MOST_ROUNDS, warehouse=warehouse)
    held = panel.orchestrate_debate(
        question, list(experts or DEBATERS), rounds, strategy, options=choices(options, texts), workspace_id=workspace
    )
    _show(asyncio.run(held), as_json)


@app.command()
def experts(as_json: Json = False) -> None:
    """List experts with their skills: what was declared, what graded work has made of it, and why."""
    from flows import console
    from tasks.swarm.registry_service import RegistryService
    from tasks.warehouse import open_warehouse

    rows = RegistryService(open_warehouse()).skills_of_all()
    names = ("agent", "skill", "task_type", "declared", "level", "why")
    shown = rows if as_json else [{name: row[name] or None for name in names} for row in rows]
    console.table("experts", shown, as_json)


@app.command()
def show(debate_id: Which, as_json: Json = False) -> None:
    """Read a debate again."""
    from tasks.swarm.debate_service import DebateService
    from tasks.swarm.registry_service import RegistryService
    from tasks.warehouse import open_warehouse

    _show(DebateService(RegistryService(open_warehouse())).read(debate_id), as_json)


@app.command()
def grade(
    debate_id: Which,
    option: Annotated[str, typer.Argument(help="The id of the option that turned out right.")],
    because: Annotated[str, typer.Option(help="How that is known.")] = "graded by hand",
    as_json: Json = False,
) -> None:
    """Record which option turned out right: experts and later debates learn from it."""
    from flows import console
    from tasks.swarm.debate_service import DebateService
    from tasks.swarm.registry_service import RegistryService
    from tasks.warehouse import open_warehouse

    scores = DebateService(RegistryService(open_warehouse())).grade(debate_id, option, because)
    if as_json:
        console.print_json({"debate_id": debate_id, "right_option": option, "scores": scores})
        return
    right = sorted(agent for agent, score in scores.items() if score > 0.0)
    console.say(f"{option} was right; of {len(scores)} experts who held an option so did: {', '.join(right) or 'none'}")


def _show(result: dict[str, Any], as_json: bool) -> None:
    from flows import console
    from tasks.swarm.report import story_for_terminal

    if as_json:
        console.print_json({key: value for key, value in result.items() if key != "transcript"})
    else:
        console.say(story_for_terminal(result))
    if result["status"] == "failed":
        raise typer.Exit(1)
