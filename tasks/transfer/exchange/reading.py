"""Which installations' releases bear on one workspace: its own one's, and those trusted that do not harm it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.settings import Settings
from tasks.transfer.exchange import store
from tasks.transfer.exchange.pooling import InstallationSums, added_up, from_imports
from tasks.transfer.exchange.trust import trusted_fingerprints
from tasks.transfer.release import sums_from_rows
from tasks.warehouse import Warehouse

OURS = ""  # this installation, among the others' fingerprints


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
    own = store.published_releases(warehouse, as_of)
    sums = store.sums_by_period(warehouse, [row["period"] for row in own])
    ours = [(sums_from_rows(sums[row["period"]]), row["noise_scale"]) for row in own]
    first = [added_up(OURS, ours)] if ours else []
    newest = max([*own, *imports], key=lambda row: row["as_of"])
    return KnownReleases([*first, *from_imports(imports)], newest["as_of"], newest["period"])


def harmless(warehouse: Warehouse, workspace_id: str, known: KnownReleases) -> list[InstallationSums]:
    """Those left for one workspace by what was measured on its own posts; none where all together would harm it."""
    refused = {row["fingerprint"] for row in store.benefits_of(warehouse, workspace_id) if row["refused"]}
    return [] if store.TOGETHER in refused else without(known.installations, refused)


def without(installations: Sequence[InstallationSums], names: set[str]) -> list[InstallationSums]:
    """The others."""
    return [one for one in installations if one.fingerprint not in names]
