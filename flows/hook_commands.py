"""`raptorflow hooks …`: addresses that are told what happened, and what could not be told."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Webhooks: addresses that are told what became of a workspace.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Of = Annotated[str | None, typer.Option("--workspace", "-w", help="Of one workspace; of all when left out.")]
Id = Annotated[str, typer.Argument(help="As `hooks list` shows it.")]


@app.command("create")
def create_hook(
    url: Annotated[str, typer.Argument(help="Where messages go: https://HOST/PATH.")],
    workspace: Annotated[str, typer.Option("--workspace", "-w", help="Whose events it is told.")],
    events: Annotated[
        list[str] | None, typer.Option("--event", "-e", help="One of the events; all of them when left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a webhook and show the secret that signs its messages, this once."""
    from flows import console
    from flows.home import require_home
    from tasks.hooks import HookService

    require_home()
    hook, secret = HookService().create(workspace, url, events or ())
    if as_json:
        console.print_json(hook.as_dict() | {"secret": secret})
        return
    console.say(f"{secret}\nis shown this once; with it the receiver checks `webhook-signature`")
    console.say(f"told: {', '.join(hook.events)}\n`raptorflow hooks revoke {hook.hook_id}` ends it")


@app.command("list")
def list_hooks(workspace: Of = None, as_json: Json = False) -> None:
    """Webhooks with whose events they are told, and which."""
    from flows import console
    from tasks.hooks import HookService

    rows = [
        {"hook": hook.hook_id, "workspace": hook.workspace_id, "address": hook.url}
        | {"events": ", ".join(name.removeprefix("raptorflow.") for name in hook.events), "revoked": hook.revoked_at}
        if not as_json
        else hook.as_dict()
        for hook in HookService().list_hooks(workspace)
    ]
    console.table("hooks", rows, as_json, "[bold]raptorflow hooks create URL --workspace ID[/] makes one")


@app.command("revoke")
def revoke_hook(hook_id: Id, as_json: Json = False) -> None:
    """Tell a webhook nothing any more, for good."""
    from flows import console
    from tasks.hooks import HookService

    console.facts("revoked", HookService().revoke(hook_id).as_dict(), as_json)


@app.command("failed")
def failed_messages(workspace: Of = None, as_json: Json = False) -> None:
    """Messages that were not taken for 21 hours and are not tried again, with the last problem."""
    from flows import console
    from tasks.hooks import HookService

    rows = HookService().failed(workspace)
    console.table("failed messages", rows, as_json, "every message was taken, or is still tried")


@app.command("retry")
def retry_messages(hook_id: Id, as_json: Json = False) -> None:
    """Try a webhook's failed messages again."""
    from flows import console
    from tasks.hooks import HookService

    console.facts("tried again", {"messages": HookService().retry(hook_id)}, as_json)


@app.command("deliver")
def deliver_messages(as_json: Json = False) -> None:
    """Send what is due now; the service does so every few seconds."""
    from flows import console
    from tasks.hooks import HookService

    console.facts("webhooks", HookService().deliver().as_dict(), as_json)
