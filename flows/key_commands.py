"""`raptorflow keys …`: make, list and take back what programs show the service."""

from __future__ import annotations

from typing import Annotated, Any

import typer

app = typer.Typer(help="Keys that programs show the service (`raptorflow serve`).", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Of = Annotated[str | None, typer.Option("--workspace", "-w", help="Whose data the key opens.")]


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help='What it is for, such as "web shop".')],
    scopes: Annotated[
        list[str], typer.Option("--scope", "-s", help="read, assign, write or admin; give it again for another.")
    ],
    workspace: Of = None,
    organization: Annotated[
        str | None, typer.Option("--organization", "-o", help="Instead: whose workspaces it opens, those to come too.")
    ] = None,
    per_minute: Annotated[int, typer.Option(help="Requests it may send in a minute.")] = 60_000,
    as_json: Json = False,
) -> None:
    """Make a key and show it, this once: only a hash is kept."""
    from flows import console
    from flows.home import require_home
    from tasks.access import AccessService

    require_home()
    key, text = AccessService().create(
        name, scopes, workspace_id=workspace, organisation_id=organization, per_minute=per_minute
    )
    if as_json:
        console.print_json(key.as_dict() | {"key": text})
        return
    console.say(f"{text}\nis shown this once; programs send it as `Authorization: Bearer {text[:7]}…`")
    console.say(f"`raptorflow keys revoke {key.key_id}` takes it back")


@app.command("list")
def list_keys(workspace: Of = None, as_json: Json = False) -> None:
    """Keys with what they open, what they may do, and when they were last used."""
    from flows import console
    from tasks.access import AccessService

    keys = AccessService().list_keys(workspace)
    rows: list[dict[str, Any]] = [
        {"key": key.key_id, "name": key.name, "opens": key.workspace_id or f"all of {key.organisation_id}"}
        | {"scopes": ", ".join(key.scopes), "last used": key.last_used_at, "revoked": key.revoked_at}
        for key in keys
    ]
    none_yet = "[bold]raptorflow keys create NAME --workspace ID --scope read[/] makes one"
    console.table("keys", [key.as_dict() for key in keys] if as_json else rows, as_json, none_yet)


@app.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="As `keys list` shows it.")], as_json: Json = False) -> None:
    """Take a key back for good; within seconds nothing opens to it."""
    from flows import console
    from tasks.access import AccessService

    console.facts("revoked", AccessService().revoke(key_id).as_dict(), as_json)
