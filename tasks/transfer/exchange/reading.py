"""Which installations' releases bear on one workspace: its own one's, and those trusted that do not harm it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from tasks.effects.other_organizations import ReleasedExperiments
from tasks.settings import Settings
from tasks.transfer.exchange import store
from tasks.transfer.exchange.pooling import InstallationSums, averaged_imports, from_imports, noise_of
from tasks.transfer.exchange.trust import trusted_fingerprints
from tasks.transfer.pools import AveragedRelease, averaged
from tasks.transfer.records import Floats, Released
from tasks.transfer.release import SCALE, sums_from_rows
from tasks.transfer.released_experiments import EXPERIMENTS, experiments_by_row, experiments_from_rows
from tasks.transfer.store import published_releases, released_sums
from tasks.warehouse import Warehouse

OURS = ""  # this installation, among the others' fingerprints
PERIODS_KEPT = 12


@dataclass(frozen=True, slots=True)
class KnownReleases:
    """All releases that may be used.

    Attributes:
        installations: this one's first, where it has released anything; then others' by fingerprint.
        newest: when the noise of the newest of them was drawn.
        period: of the newest.
    """

    installations: list[InstallationSums]
    newest: datetime
    period: str

    @property
    def imported(self) -> list[InstallationSums]:
        """Those of other installations."""
        return [one for one in self.installations if one.fingerprint != OURS]


def known_releases(warehouse: Warehouse, as_of: datetime, settings: Settings | None = None) -> KnownReleases | None:
    """What was known at an instant of releases of this installation and of those trusted; None without any import."""
    imports = store.kept_imports(warehouse, trusted_fingerprints(settings), as_of)
    if not imports:
        return None
    own = released_here(warehouse, as_of)
    newest = max((row["as_of"], row["period"]) for row in imports)
    if own is None:
        return KnownReleases(from_imports(imports), *newest)
    installations = [InstallationSums.of(OURS, own), *from_imports(imports)]
    return KnownReleases(installations, *max(newest, (own.as_of, own.period)))


def released_here(warehouse: Warehouse, as_of: datetime) -> AveragedRelease | None:
    """What this installation's releases of the last year say by an instant, as one."""
    rows = published_releases(warehouse, as_of, PERIODS_KEPT)
    releases = [(Released.from_row(row), sums_from_rows(released_sums(warehouse, row["period"]))) for row in rows]
    return averaged(releases) if releases else None


def known_experiments(
    warehouse: Warehouse, as_of: datetime, settings: Settings | None = None
) -> ReleasedExperiments | None:
    """What releases of this installation and of those trusted say of experiments by an instant; None without any."""
    rows = published_releases(warehouse, as_of, PERIODS_KEPT)
    held = store.experiments_by_period(warehouse, [row["period"] for row in rows])
    own = [(Released.from_row(row), experiments_from_rows(held[row["period"]])) for row in rows]
    imports = store.imported_experiments(warehouse, trusted_fingerprints(settings), as_of)
    installations = [InstallationSums.of(OURS, averaged(own))] if own else []
    installations += averaged_imports(
        [row | {"sums": {EXPERIMENTS: row["sums"] or {}}} for row in imports], experiments_from_rows
    )
    if not installations:
        return None
    sums: Floats = np.sum([one.sums for one in installations], axis=0) / SCALE
    by_row = {row: tuple(numbers) for row, numbers in experiments_by_row(sums).items()}
    return ReleasedExperiments(by_row, noise_of(installations), "")


def harmless(warehouse: Warehouse, workspace_id: str, known: KnownReleases) -> list[InstallationSums]:
    """Those left for one workspace by what was measured on its own posts; none where all together would harm it."""
    refused = {row["fingerprint"] for row in store.benefits_of(warehouse, workspace_id) if row["refused"]}
    return [] if store.TOGETHER in refused else without(known.installations, refused)


def without(installations: Sequence[InstallationSums], names: set[str]) -> list[InstallationSums]:
    """The others."""
    return [one for one in installations if one.fingerprint not in names]
