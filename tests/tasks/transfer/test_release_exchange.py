"""Taking releases in: all or nothing, one a period and installation, gone when forgotten, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from tasks.errors import InputError
from tasks.reporting import report_rows
from tasks.reporting.release_report import release_report
from tasks.settings import Settings
from tasks.transfer import steps as transfer_steps
from tasks.transfer.exchange.errors import NoReleaseError, RepeatedReleaseError, UntrustedReleaseError
from tasks.transfer.exchange.held_out import auc_gain
from tasks.transfer.exchange.pooling import InstallationSums, PoolGates, between_installations, pooled
from tasks.transfer.exchange.reading import known_releases
from tasks.transfer.exchange.release_file import Sums, write_release
from tasks.transfer.exchange.service import ExchangeService
from tasks.transfer.exchange.signing import KEY_FILE, signing_key
from tasks.transfer.exchange.store import imported
from tasks.transfer.pools import own_of
from tasks.transfer.privacy import PERIOD, PrivacyBudget, epsilon_after, period_of
from tasks.transfer.release import CLIP, SCALE, SENSITIVITY, sums_from_rows, unit_of
from tasks.transfer.service import PublisherService, TransferService
from tasks.transfer.similarity import SEGMENTS
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ReleaseImport, Workspace
from tests.factories import content_row, store, store_content, workspace_row
from tests.release_factories import key_of, manifest_of, name_of, noisy_sums
from tests.transfer_factories import NOW, SeededNoise, crowd, store_crowd

Trust = Any
NO_ESTIMATES = {"pattern_key": pl.String, "log_lift": pl.Float64, "standard_error": pl.Float64, "posts": pl.Int64}


@pytest.fixture
def exchange(warehouse: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch) -> ExchangeService:
    """An installation that trusts those with keys 1 and 2."""
    monkeypatch.setenv("RAPTORFLOW_TRUSTED_RELEASES", f"{name_of(1)},{name_of(2).upper()}")
    from tasks.settings import get_settings

    get_settings.cache_clear()
    return ExchangeService(warehouse, clock=lambda: NOW + timedelta(hours=1))


def release_file(folder: Path, seed: int, sums: Sums | None = None, **changes: Any) -> Path:
    sums = sums or noisy_sums(seed)
    file = folder / f"{seed}-{len(list(folder.iterdir()))}.release"
    file.write_bytes(write_release(manifest_of(sums, **changes), sums, key_of(seed)))
    return file


def earlier(periods: int) -> dict[str, str]:
    """Period and instant of an earlier release."""
    instant = NOW - periods * PERIOD
    return {"period": period_of(instant), "as_of": instant.isoformat()}


def test_of_several_files_all_are_taken_in_or_none(
    exchange: ExchangeService, warehouse: Warehouse, tmp_path: Path
) -> None:
    good = [release_file(tmp_path, 1), release_file(tmp_path, 2)]
    with pytest.raises(UntrustedReleaseError, match=name_of(3)):
        exchange.take_in([*good, release_file(tmp_path, 3)])
    assert imported(warehouse) == []
    with pytest.raises(RepeatedReleaseError, match="was taken in"):
        exchange.take_in([good[0], good[1], good[0]])
    assert imported(warehouse) == []
    exchange.take_in(good)
    assert {row["fingerprint"] for row in imported(warehouse)} == {name_of(1), name_of(2)}


def test_a_period_has_one_release_an_installation(
    exchange: ExchangeService, warehouse: Warehouse, tmp_path: Path
) -> None:
    """Another draw over the same contributors would average the noise away."""
    exchange.take_in([release_file(tmp_path, 1)])
    before = imported(warehouse)
    for repeated, says in ((noisy_sums(1), "was taken in"), (noisy_sums(9), "has sent another release of period")):
        with pytest.raises(RepeatedReleaseError, match=says):
            exchange.take_in([release_file(tmp_path, 1, repeated)])
    assert imported(warehouse) == before
    exchange.take_in([release_file(tmp_path, 1, **earlier(1))])
    assert len(imported(warehouse)) == 2


def test_who_is_behind_three_releases_of_one_installation_counts_once(
    exchange: ExchangeService, warehouse: Warehouse, tmp_path: Path
) -> None:
    """300 workspaces in each period, and the same ones: as many for a receiver as for the sender itself."""
    exchange.take_in([release_file(tmp_path, 1, noisy_sums(period), **earlier(period)) for period in range(3)])
    known = known_releases(warehouse, NOW + timedelta(hours=1))
    assert known is not None
    (sender,) = known.installations
    assert np.median(sender.sums[SEGMENTS.index("everyone"), :, 0] / SCALE) == pytest.approx(300, abs=15)
    assert sender.noise_scale == pytest.approx(PrivacyBudget().noise_scale(SENSITIVITY) / SCALE / np.sqrt(3), rel=0.02)
    pool, _ = pooled(own_of(pl.DataFrame(schema=NO_ESTIMATES), "saas", "smb"), known.installations, PoolGates())
    assert np.median(pool.sources) == pytest.approx(300, abs=15)


def test_forgetting_one_of_them_leaves_the_others(
    exchange: ExchangeService, warehouse: Warehouse, tmp_path: Path
) -> None:
    old = earlier(1)
    exchange.take_in([release_file(tmp_path, 1), release_file(tmp_path, 1, **old), release_file(tmp_path, 2)])
    assert exchange.forget(name_of(1)[:8], old["period"]) == [old["period"]]
    states = {(one.fingerprint, one.period): one.state for one in exchange.list_releases()}
    assert sorted(states.values()) == ["forgotten", "in use", "in use"]
    assert states[name_of(1), old["period"]] == "forgotten"
    with pytest.raises(NoReleaseError):
        exchange.forget(name_of(1), old["period"])
    from sqlalchemy import select

    gone = select(ReleaseImport.sums).where(ReleaseImport.period == old["period"])
    assert warehouse.rows(gone) == [{"sums": {}}]


def test_a_beginning_that_is_too_short_or_of_nobody_forgets_nothing(exchange: ExchangeService, tmp_path: Path) -> None:
    exchange.take_in([release_file(tmp_path, 1)])
    for wrong in ("", name_of(1)[:7], "%", "_" * 64, name_of(3)):
        with pytest.raises(NoReleaseError, match="no release of one installation"):
            exchange.forget(wrong)
    assert [one.state for one in exchange.list_releases()] == ["in use"]


def test_what_was_not_known_yet_is_not_known_at_an_earlier_instant(
    exchange: ExchangeService, warehouse: Warehouse, tmp_path: Path
) -> None:
    store(warehouse, Workspace, [workspace_row()])
    exchange.take_in([release_file(tmp_path, 1)])
    learner = TransferService(warehouse=warehouse)
    later, before = (learner.get_transfer_insights("acme", as_of=NOW + timedelta(hours=h)) for h in (2, 0))
    assert (later["status"], later["metadata"]["mode"]) == ("ok", "private_release")
    assert before["status"] == "insufficient_coverage"


def test_two_installations_say_more_than_each_alone(
    exchange: ExchangeService, warehouse: Warehouse, tmp_path: Path
) -> None:
    """Each has too few workspaces for its noise; their sums together have enough."""
    store(warehouse, Workspace, [workspace_row()])
    few = [noisy_sums(seed, 100, 0.4) for seed in (1, 2)]
    exchange.take_in([release_file(tmp_path, 1, few[0])])
    learner = TransferService(warehouse=warehouse)
    when = NOW + timedelta(hours=2)
    alone = learner.get_transfer_insights("acme", top_k=200, as_of=when)["insights"]
    exchange.take_in([release_file(tmp_path, 2, few[1])])
    answer = learner.get_transfer_insights("acme", top_k=200, as_of=when)
    assert len(answer["insights"]) > 2 * len(alone)
    assert 100 <= answer["similar_workspaces"] <= 300


def posts(count: int, lift: float) -> list[dict[str, Any]]:
    """A post every seven hours; every third has a call to action, which multiplies its engagement."""
    rng = np.random.default_rng(5)
    rows = []
    for i in range(count):
        cta = i % 3 == 0
        rate = 0.02 * np.exp(lift * cta + 0.5 * rng.standard_normal())
        when = NOW - timedelta(days=10) - timedelta(hours=7 * (count - i))
        changes = {"published_at": when, "has_cta": cta, "engagements": int(1e6 * rate), "impressions": 1_000_000}
        rows.append(content_row(i, **changes))
    return rows


def store_posts(warehouse: Warehouse, count: int, lift: float) -> None:
    """They, and what the workspace's own nightly run makes of them."""
    store_content(warehouse, posts(count, lift))
    PublisherService(warehouse=warehouse).contribute(["acme"], as_of=NOW, run_id="r")


def one_pattern(mean: float, seed: int, times: int = 1) -> Sums:
    """A release in which everybody finds one thing about calls to action, and nothing else."""
    sums = noisy_sums(seed, 400, 0.0)
    for segment in ("everyone", "technology/smb"):
        sums[segment]["content:text:cta"][1] += int(400 * mean * 1000)
    return {name: {key: [n * times for n in three] for key, three in own.items()} for name, own in sums.items()}


def cta_effect(warehouse: Warehouse) -> float | None:
    answer = TransferService(warehouse=warehouse).get_transfer_insights(
        "acme", top_k=50, insight_types=["content"], as_of=NOW + timedelta(hours=2)
    )
    told = {insight["metadata"]["pattern"]: insight["effect_size"] for insight in answer["insights"]}
    return told.get("content:text:cta")


def test_who_claims_a_hundredfold_crowd_does_not_turn_what_is_said(
    exchange: ExchangeService, warehouse: Warehouse, tmp_path: Path
) -> None:
    """One says what holds here, the other its opposite; that they differ is seen, and own posts decide."""
    store_posts(warehouse, 200, 1.0)
    truth, lie = one_pattern(0.9, 1), one_pattern(-1.0, 2, times=100)
    exchange.take_in([release_file(tmp_path, 1, truth), release_file(tmp_path, 2, lie)])
    assert exchange.measure() == 1
    assert (cta_effect(warehouse) or 0.0) >= 0.0


def test_what_harms_a_workspace_is_left_alone_and_counted(
    exchange: ExchangeService, warehouse: Warehouse, tmp_path: Path
) -> None:
    """Large effects of everything else, where only the call to action matters."""
    store_posts(warehouse, 100, 1.0)
    wrong = noisy_sums(1, 400, 0.0)
    coin = np.random.default_rng(2)
    for key in wrong["everyone"]:
        for segment in ("everyone", "technology/smb"):
            wrong[segment][key][1] += int(400 * 1000 * coin.choice([-0.9, 0.9]))
    exchange.take_in([release_file(tmp_path, 1, wrong)])
    learner, when = TransferService(warehouse=warehouse), NOW + timedelta(hours=2)
    assert learner.get_transfer_insights("acme", as_of=when)["insights"]
    assert exchange.measure() == 1
    assert exchange.measure(unless_since=PERIOD) == 0, "it was measured a moment ago"
    (one,) = exchange.list_releases()
    assert (one.measured, one.refusing) == (1, 1)
    assert 0.0 < (one.gain_error or 0.0) < 0.2
    assert one.gain is not None
    assert one.gain < 0.0
    assert learner.get_transfer_insights("acme", as_of=when)["insights"] == []


def test_the_night_measures_and_its_report_says_what_others_sent(
    exchange: ExchangeService, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_posts(warehouse, 100, 1.0)
    exchange.take_in([release_file(tmp_path, 1)])
    monkeypatch.setattr(transfer_steps, "ExchangeService", lambda: exchange)
    monkeypatch.setattr(transfer_steps, "announce", str)
    others = transfer_steps.measure_releases.fn()
    released = {"period": "2026-05-20", "status": "published"}
    page = "\n".join(release_report(report_rows(None, [], set(), everyone=True), released, others).notes)
    assert f"| {name_of(1)[:16]} | 2026-05-20 | in use | 3.00 | 0 of 1 workspaces |" in page
    assert "gain" not in page
    exchange.forget(name_of(1))
    assert [row["state"] for row in transfer_steps.measure_releases.fn()] == ["forgotten"]


def test_a_workspace_that_shares_nothing_is_not_measured(
    exchange: ExchangeService, warehouse: Warehouse, tmp_path: Path
) -> None:
    store_content(warehouse, posts(80, 0.5))
    store(warehouse, Workspace, [workspace_row(shares_insights=False)])
    exchange.take_in([release_file(tmp_path, 1)])
    assert exchange.measure() == 0
    assert [one.measured for one in exchange.list_releases()] == [0]


def test_a_contributor_sees_what_it_has_paid_over_all_releases(
    exchange: ExchangeService, warehouse: Warehouse, tmp_path: Path
) -> None:
    store_crowd(warehouse, crowd(3))
    for days in (-60, -30, 0):
        when = NOW + timedelta(days=days)
        PublisherService(noise=SeededNoise(), clock=lambda when=when: when, warehouse=warehouse).release(run_id="r")
    exchange.export(tmp_path / "a")
    exchange.export(tmp_path / "b", period_of(NOW - PERIOD))
    exchange.export(tmp_path / "c")
    ledger = exchange.ledger("w0")
    budget = PrivacyBudget()
    assert [one.files for one in ledger] == [0, 1, 1]
    spent = [epsilon_after(n * budget.rho, budget.delta) for n in (1, 2, 3)]
    assert [one.epsilon_so_far for one in ledger] == pytest.approx(spent)
    own = exchange.list_releases()
    assert [one.epsilon_so_far for one in own] == pytest.approx(spent[::-1])
    assert own[0].contributors_at_least <= 3
    assert unit_of("w0", None) not in (tmp_path / "a").read_bytes().decode("latin-1")


def test_a_key_that_is_none_is_said_to_be_none(home: Path) -> None:
    home.mkdir()
    (home / KEY_FILE).write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(InputError, match="is not this installation's private key"):
        signing_key(home)
    (home / KEY_FILE).unlink()
    made = signing_key(home)
    (home / KEY_FILE).chmod(0o644)
    assert signing_key(home).private_bytes_raw() == made.private_bytes_raw()
    assert (home / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_a_slip_in_the_list_of_trusted_is_no_empty_list(warehouse: Warehouse, tmp_path: Path) -> None:
    service = ExchangeService(warehouse, settings=Settings(RAPTORFLOW_TRUSTED_RELEASES=f"{name_of(1)}x"))
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        service.verify(release_file(tmp_path, 1))
    assert datetime.now(UTC) > NOW


def test_a_gain_is_that_of_the_areas_under_both_curves_with_their_paired_error() -> None:
    """Against scikit-learn's areas, and the spread over many draws of the same posts."""
    rng = np.random.default_rng(0)
    gains = []
    for _ in range(300):
        above = rng.random(80) < 0.5
        plain = above + rng.standard_normal(80)
        better = np.round(plain + above * 0.8, 1)
        gain = auc_gain(above, better, plain)
        assert gain.gain == pytest.approx(roc_auc_score(above, better) - roc_auc_score(above, plain))
        gains.append((gain.gain, gain.standard_error))
    spread, stated = np.std([gain for gain, _ in gains]), np.mean([error for _, error in gains])
    assert stated == pytest.approx(spread, rel=0.15)  # the spread itself is known to ±4 %


def test_installations_that_agree_are_not_told_apart_and_those_that_differ_are() -> None:
    """Variance between four installations of 300 workspaces each, over many draws of the noise."""
    variance = {}
    scale = PrivacyBudget().noise_scale(SENSITIVITY) / SCALE
    for spread in (0.0, 0.2):
        drawn = []
        for seed in range(12):
            means = 0.2 + spread / CLIP * np.random.default_rng(seed).standard_normal(4)
            rows = [noisy_sums(100 * seed + j, 300, mean).items() for j, mean in enumerate(means)]
            sums = [sums_from_rows({"segment": name, "sums": own} for name, own in one) for one in rows]
            drawn.append(between_installations([InstallationSums(str(j), one, scale) for j, one in enumerate(sums)]))
        variance[spread] = float(np.mean(drawn))
    assert variance[0.0] < 0.03**2
    assert variance[0.2] == pytest.approx(0.2**2, rel=0.5)  # twelve draws of four: ±.4 of it
