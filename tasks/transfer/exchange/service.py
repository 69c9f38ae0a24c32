"""Handing releases to other installations and taking theirs in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from tasks.errors import InputError, UnknownNameError
from tasks.private_files import write_once
from tasks.settings import Settings, get_settings
from tasks.transfer.catalogue import CORE
from tasks.transfer.estimates import known_until
from tasks.transfer.exchange import store
from tasks.transfer.exchange.errors import NoReleaseError, RepeatedReleaseError
from tasks.transfer.exchange.manifest import Manifest
from tasks.transfer.exchange.measurement import measure
from tasks.transfer.exchange.reading import known_releases
from tasks.transfer.exchange.records import ExportedFile, HeldRelease, LedgerEntry
from tasks.transfer.exchange.release_file import SignedRelease, Sums, read_release, sums_of, sums_sha256, write_release
from tasks.transfer.exchange.signing import fingerprint_of, has_key, public_bytes, signing_key
from tasks.transfer.exchange.trust import trusted_fingerprints
from tasks.transfer.privacy import PrivacyBudget, epsilon_after
from tasks.transfer.release import SCALE, unit_of
from tasks.transfer.similarity import EVERYONE
from tasks.transfer.store import sharing_workspaces
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.code_version import code_version
from tasks.warehouse.frames import content_frame, find_workspace

Known = dict[tuple[str, str], dict[str, Any]]
SHORTEST_FINGERPRINT = 8
Z975 = 1.959964
OWN, IN_USE, NOT_TRUSTED, FORGOTTEN = "own", "in use", "not trusted", "forgotten"


class ExchangeService:
    """Exports, verifies, imports, lists and forgets releases.

    Args:
        warehouse: where releases are; the settings' warehouse unless given.
        settings: home and trust; the process's unless given.
        clock: for tests; the wall clock in production.
    """

    def __init__(
        self,
        warehouse: Warehouse | None = None,
        *,
        settings: Settings | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._warehouse = warehouse
        self._settings = settings or get_settings()
        self._clock = clock

    def export(self, file: Path, period: str | None = None) -> ExportedFile:
        """Write one published release to a file. It was paid for when it was drawn: nothing is drawn or spent here.

        Args:
            file: a new file; one that holds this very release is left as it is.
            period: first day of the release's period; the newest release unless given.

        Raises:
            NoReleaseError: if there is none.
            InputError: if the file is there and holds something else.
        """
        warehouse, now = open_warehouse(self._warehouse), self._now()
        releases = store.published_releases(warehouse, now)
        if not releases:
            raise NoReleaseError("there is no release yet; `raptorflow run transfer-learning` draws one a period")
        known = [row["period"] for row in releases]
        if period is not None and period not in known:
            raise UnknownNameError("release of period", period, known)
        at = known.index(period) if period else len(known) - 1
        row, so_far = releases[at], releases[: at + 1]
        sums = sums_of(store.sums_by_period(warehouse, [row["period"]])[row["period"]])
        key = signing_key(self._settings.home.resolve())
        manifest = Manifest(
            **{name: row[name] for name in ("catalogue_version", "period", "epsilon", "delta", "rho", "noise_scale")},
            as_of=row["as_of"].astimezone(UTC).isoformat(),
            contributors_at_least=contributors_at_least(sums, row["noise_scale"]),
            releases_so_far=len(so_far),
            rho_so_far=sum(one["rho"] for one in so_far),
            code_version=code_version("tasks/transfer"),
            sums_sha256=sums_sha256(sums),
        )
        content = write_release(manifest, sums, key)
        is_new = _written(file, content)
        fingerprint = fingerprint_of(public_bytes(key))
        entry = {"period": row["period"], "sums_sha256": manifest.sums_sha256}
        entry["file_sha256"] = sha256(content).hexdigest()
        store.record_export(warehouse, entry | {"fingerprint": fingerprint, "exported_at": now})
        spent = epsilon_after(manifest.rho_so_far, row["delta"])
        facts = (row["period"], row["epsilon"], row["delta"], spent, manifest.contributors_at_least)
        return ExportedFile(str(file), fingerprint, *facts, is_new)

    def verify(self, file: Path, *, again: bool = False) -> SignedRelease:
        """Read a file as `import` would, and take nothing in.

        Args:
            file: what somebody sent.
            again: whether `import` would take in what was forgotten here.

        Raises:
            ReleaseFileError: if it is no release, or not as it was signed.
            UntrustedReleaseError: if its signer is not trusted here.
            RepeatedReleaseError: if `import` would refuse it for what was here before.
        """
        release = self._read(file)
        self._require_new(file, release, self._known(), again=again)
        return release

    def take_in(self, files: Sequence[Path], *, again: bool = False) -> list[SignedRelease]:
        """Take in releases: all of these files or, where one is refused, none.

        Args:
            files: one or more.
            again: also those that were forgotten here.

        Raises: as `verify`.
        """
        if not files:
            raise InputError("import takes one release file or more")
        known, releases = self._known(), []
        for file in files:
            release = self._read(file)
            self._require_new(file, release, known, again=again)
            known[release.fingerprint, release.manifest.period] = _import_row(release, self._now())
            releases.append(release)
        rows = [known[one.fingerprint, one.manifest.period] | {"sums": one.sums} for one in releases]
        store.write_imports(open_warehouse(self._warehouse), rows)
        return releases

    def measure(self, *, unless_since: timedelta = timedelta(0)) -> int:
        """Measure, for every workspace that shares, what the releases taken in bring it; how many could be measured.

        A workspace that does not share receives nothing, so nothing is measured for it.

        Args:
            unless_since: leave out workspaces that were measured as lately as that.
        """
        warehouse, now = open_warehouse(self._warehouse), self._now()
        known = known_releases(warehouse, now, self._settings)
        if known is None:
            return 0
        columns = ("workspace_id", "industry", "size")
        rows, recent = [], store.measured_since(warehouse, now - unless_since)
        for workspace_id, *place in sharing_workspaces(warehouse).select(columns).rows():
            if workspace_id in recent:
                continue
            content = content_frame(warehouse, workspace_id)
            measured = measure(content, min(now, known_until(content, now)), (place[0], place[1]), known)
            rows += [row | {"workspace_id": workspace_id, "measured_at": now} for row in measured]
        store.write_benefits(warehouse, rows)
        return sum(row["fingerprint"] == store.TOGETHER and row["gain"] is not None for row in rows)

    def list_releases(self) -> list[HeldRelease]:
        """This installation's own releases and all that were taken in, newest first within each installation."""
        warehouse, now = open_warehouse(self._warehouse), self._now()
        return [*self._own(warehouse, now), *self.taken_in()]

    def taken_in(self) -> list[HeldRelease]:
        """What was taken in from other installations and what of it was forgotten, by installation, newest first."""
        warehouse, now = open_warehouse(self._warehouse), self._now()
        trusted, benefit = trusted_fingerprints(self._settings), store.benefit_by_installation(warehouse)
        rows = sorted(store.imported(warehouse), key=lambda row: row["period"], reverse=True)
        rows.sort(key=lambda row: row["fingerprint"])
        return [_held(row, _state(row, trusted), now, benefit.get(row["fingerprint"], {}), 0) for row in rows]

    def forget(self, fingerprint: str, period: str | None = None) -> list[str]:
        """Remove an installation's releases, or one of them; whatever is asked next knows nothing of them.

        Args:
            fingerprint: of the installation, or its first eight digits and more.
            period: one release's; all of the installation's unless given.

        Returns:
            The periods of those that are gone now.

        Raises:
            NoReleaseError: if there is none to forget.
        """
        warehouse = open_warehouse(self._warehouse)
        kept = [row for row in store.imported(warehouse) if row["forgotten_at"] is None]
        name = _only(fingerprint, {row["fingerprint"] for row in kept})
        periods = [row["period"] for row in kept if row["fingerprint"] == name and period in (None, row["period"])]
        if not periods:
            raise NoReleaseError(
                f"no release of period {period} of {name} is held here; see `raptorflow releases list`"
            )
        store.forget_imports(warehouse, name, periods, self._now())
        self.measure()  # what was measured together with them no longer holds
        return periods

    def ledger(self, workspace_id: str) -> list[LedgerEntry]:
        """What the organization of a workspace, or the workspace that has none, paid for all releases it was part of.

        Raises:
            UnknownNameError: if there is no such workspace.
        """
        warehouse = open_warehouse(self._warehouse)
        row = find_workspace(warehouse, workspace_id)
        releases = {one["period"]: one for one in store.published_releases(warehouse, self._now())}
        handed_out = store.exports(warehouse)
        entries, rho = [], 0.0
        for charge in store.charges_of(warehouse, unit_of(row["workspace_id"], row["organisation_id"])):
            rho += charge["rho"]
            out = [one["exported_at"] for one in handed_out if one["period"] == charge["period"]]
            delta = releases[charge["period"]]["delta"] if charge["period"] in releases else PrivacyBudget().delta
            spent = epsilon_after(rho, delta)
            entries.append(LedgerEntry(charge["period"], charge["rho"], spent, delta, min(out, default=None), len(out)))
        return entries

    @property
    def fingerprint(self) -> str:
        """This installation's own; makes its key where there is none yet."""
        return fingerprint_of(public_bytes(signing_key(self._settings.home.resolve())))

    def _now(self) -> datetime:
        return self._clock() if self._clock else datetime.now(UTC)

    def _read(self, file: Path) -> SignedRelease:
        return read_release(file, trusted_fingerprints(self._settings) + self._own_fingerprints())

    def _own_fingerprints(self) -> list[str]:
        """Its own, where it has a key: a release that came back is told apart from a stranger's."""
        return [self.fingerprint] if has_key(self._settings.home.resolve()) else []

    def _known(self) -> Known:
        rows = store.imported(open_warehouse(self._warehouse))
        return {(row["fingerprint"], row["period"]): row for row in rows}

    def _require_new(self, file: Path, release: SignedRelease, known: Known, *, again: bool) -> None:
        if release.fingerprint in self._own_fingerprints():
            raise RepeatedReleaseError.of_ours(file)
        period = release.manifest.period
        row = known.get((release.fingerprint, period))
        if row is None:
            return
        if row["sums_sha256"] != release.manifest.sums_sha256:
            raise RepeatedReleaseError.of_another_draw(file, period)
        if row["forgotten_at"] is None:
            raise RepeatedReleaseError.of_the_same(file, row["imported_at"])
        if not again:
            raise RepeatedReleaseError.of_forgotten(file, row["forgotten_at"])

    def _own(self, warehouse: Warehouse, now: datetime) -> list[HeldRelease]:
        releases = store.published_releases(warehouse, now)
        fingerprint = next(iter(self._own_fingerprints()), "")
        sums = store.sums_by_period(warehouse, [row["period"] for row in releases])
        periods = [row["period"] for row in store.exports(warehouse)]
        rho, held = 0.0, []
        for row in releases:
            rho += row["rho"]
            least = contributors_at_least(sums_of(sums[row["period"]]), row["noise_scale"])
            about = {"contributors_at_least": least, "rho_so_far": rho, "fingerprint": fingerprint}
            held.append(_held(row | about, OWN, now, {}, periods.count(row["period"])))
        return held[::-1]


def _written(file: Path, content: bytes) -> bool:
    """Write a new file; whether it was there already with the same bytes.

    Raises:
        InputError: if there is another file, or none can be written.
    """
    try:
        if write_once(file, content):
            return True
        same = file.is_file() and file.stat().st_size == len(content) and file.read_bytes() == content
    except OSError as error:
        raise InputError(f"{file} cannot be written ({error.strerror or type(error).__name__})") from error
    if not same:
        raise InputError(f"{file} is there already, and holds something else; name a new file")
    return False


def contributors_at_least(sums: Sums, noise_scale: float) -> int:
    """Organizations behind a release, with 97.5 % confidence, from its noisy counts alone; 0 where they say nothing.

    Each contributes to a pattern of the core once at most.
    """
    counts = np.array([numbers[0] for key, numbers in sums[EVERYONE].items() if key in CORE]) / SCALE
    total = counts.sum() - Z975 * noise_scale * np.sqrt(len(counts))
    return max(int(np.ceil(total / len(counts))), 0)


def _import_row(release: SignedRelease, now: datetime) -> dict[str, Any]:
    """A row of the table of imports, but for the sums."""
    stated = release.manifest.model_dump(exclude={"format", "as_of"})
    about = {"fingerprint": release.fingerprint, "file_sha256": release.file_sha256, "as_of": release.manifest.instant}
    return stated | about | {"imported_at": now, "forgotten_at": None}


def _state(row: Mapping[str, Any], trusted: Sequence[str]) -> str:
    if row["forgotten_at"] is not None:
        return FORGOTTEN
    return IN_USE if row["fingerprint"] in trusted else NOT_TRUSTED


def _held(
    row: Mapping[str, Any], state: str, now: datetime, benefit: Mapping[str, Any], handed_out: int
) -> HeldRelease:
    measured = int(benefit.get("measured", 0))
    return HeldRelease(
        fingerprint=row["fingerprint"],
        period=row["period"],
        state=state,
        age_days=round((now - row["as_of"]) / timedelta(days=1), 1),
        epsilon=row["epsilon"],
        delta=row["delta"],
        epsilon_so_far=epsilon_after(row["rho_so_far"], row["delta"]),
        contributors_at_least=row["contributors_at_least"],
        gain=benefit.get("gain"),
        gain_error=sqrt(benefit["variance"]) / measured if measured else None,
        measured=measured,
        refusing=int(benefit.get("refusing", 0)),
        handed_out=handed_out,
    )


def _only(fingerprint: str, known: set[str]) -> str:
    """The one installation that is meant by a fingerprint or its beginning."""
    name = fingerprint.strip().lower()
    meant = [one for one in known if one == name or (len(name) >= SHORTEST_FINGERPRINT and one.startswith(name))]
    if len(meant) != 1:
        many = f"{name} begins several; give more of it" if meant else "see `raptorflow releases list`"
        raise NoReleaseError(f"no release of one installation {name[:64]!r} is held here; {many}")
    return meant[0]
