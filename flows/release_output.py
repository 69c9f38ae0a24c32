"""How the exchange of releases looks in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flows import console
from tasks.transfer.exchange.records import ExportedFile, HeldRelease, LedgerEntry, at_least
from tasks.transfer.exchange.release_file import SignedRelease

SHOWN_DIGITS = 16


def exported(file: ExportedFile, as_json: bool) -> None:
    """What was written, and what the receiver has to compare."""
    if as_json:
        console.print_json(file)
        return
    done = "written" if file.is_new else "was there already, unchanged"
    console.say(f"{file.file}: {done}; release of period {file.period}, {_cost(file.epsilon, file.delta)}")
    console.say(f"  organizations behind it  {at_least(file.contributors_at_least)}")
    console.say(f"  spent by who was in all  ε = {file.epsilon_so_far:.2f} so far; exporting spends nothing")
    console.say(f"  signed by                {file.fingerprint}")
    console.say(
        "next: the receiver puts that fingerprint into RAPTORFLOW_TRUSTED_RELEASES; read it to them, do not mail it"
    )


def verified(release: SignedRelease, as_json: bool) -> None:
    """What a good file is."""
    if as_json:
        console.print_json(_described(release))
        return
    manifest = release.manifest
    console.say(f"whole, and signed by {release.fingerprint}, which is trusted here")
    console.say(f"  period                   {manifest.period}, {_cost(manifest.epsilon, manifest.delta)}")
    console.say(f"  organizations behind it  {at_least(manifest.contributors_at_least)}")
    console.say(f"  noise of each sum        ±{manifest.noise_scale:,.1f} workspaces")
    console.say(f"  code                     {manifest.code_version[:SHOWN_DIGITS]}")
    console.say("next: raptorflow releases import FILE")


def taken_in(releases: Sequence[SignedRelease], held: Sequence[HeldRelease], as_json: bool) -> None:
    """What came in, and what it brings here."""
    names = {release.fingerprint for release in releases}
    shown = [one for one in held if one.fingerprint in names]
    if as_json:
        console.print_json({"imported": [_described(one) for one in releases], "releases": shown})
        return
    console.say(f"taken in: {len(releases)} release{'s' if len(releases) > 1 else ''}")
    console.table("releases", [_row(one) for one in shown])
    console.say("next: raptorflow insights --workspace ID")


def listed(held: Sequence[HeldRelease], fingerprint: str, as_json: bool) -> None:
    """All releases that are known here, and under which name this installation signs."""
    if as_json:
        console.print_json({"fingerprint": fingerprint, "releases": held})
        return
    none_yet = (
        "`raptorflow run transfer-learning` draws one a period, `raptorflow releases import FILE` takes others in"
    )
    console.table("releases", [_row(one) for one in held], False, none_yet)
    console.say(f"this installation signs as {fingerprint}")


def ledger(workspace_id: str, entries: Sequence[LedgerEntry], as_json: bool) -> None:
    """What one contributor has paid."""
    if as_json:
        console.print_json({"workspace_id": workspace_id, "ledger": entries})
        return
    rows = [
        {
            "period": one.period,
            "ε so far": round(one.epsilon_so_far, 2),
            "at δ": f"{one.delta:g}",
            "first exported": f"{one.exported_at:%Y-%m-%d}" if one.exported_at else "never",
            "files": one.files,
        }
        for one in entries
    ]
    none_yet = "it was in no release: it does not share, or none was drawn since it came"
    console.table(f"periods paid for by {workspace_id} and its organization", rows, False, none_yet)
    if rows:
        console.say("a release is paid for once, when it is drawn: exports of it cost nothing more")


def _row(one: HeldRelease) -> dict[str, Any]:
    return {
        "installation": "this one" if one.state == "own" else one.fingerprint[:SHOWN_DIGITS],
        "period": one.period,
        "state": one.state,
        "age": f"{one.age_days:.0f} d",
        "ε": f"{one.epsilon:.2g}",
        "ε so far": f"{one.epsilon_so_far:.2f}",
        "organizations": one.contributors_in_words,
        "benefit here": _benefit(one),
    }


def _benefit(one: HeldRelease) -> str:
    if one.state == "own":
        return f"exported as {one.handed_out} file{'s' if one.handed_out != 1 else ''}" if one.handed_out else "–"
    return one.benefit_in_words


def _cost(epsilon: float, delta: float) -> str:
    return f"ε = {epsilon:.3g} at δ = {delta:g}"


def _described(release: SignedRelease) -> dict[str, Any]:
    return {"fingerprint": release.fingerprint, "file_sha256": release.file_sha256} | release.manifest.model_dump()
