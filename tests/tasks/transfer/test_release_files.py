"""A file that is no release, not as it was signed, or says what cannot be is refused in one line, whoever sent it."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import InputError
from tasks.transfer.exchange.errors import ReleaseFileError, UntrustedReleaseError
from tasks.transfer.exchange.manifest import canonical, read_manifest
from tasks.transfer.exchange.release_file import (
    FIRST_LINE,
    HEAD_BYTES,
    MOST_FILE_BYTES,
    read_release,
    sealed,
    write_release,
)
from tests.release_factories import key_of, manifest_of, name_of, noisy_sums, parquet, sums_table, values_of

SUMS = noisy_sums()
TABLE = sums_table(SUMS)
GOOD = write_release(manifest_of(SUMS), SUMS, key_of(1))
PLAIN = parquet(TABLE)


def refused(tmp_path: Path, content: bytes) -> str:
    """What is said of a file that a trusted installation may have signed."""
    file = tmp_path / "their.release"
    file.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_release(file, [name_of(1)])
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 700
    return str(error.value)


def signed(values: Any, table: bytes = PLAIN) -> bytes:
    return sealed(values if isinstance(values, bytes) else canonical(values), table, key_of(1))


def test_a_release_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "their.release"
    file.write_bytes(GOOD)
    release = read_release(file, [name_of(2), name_of(1)])
    assert (release.fingerprint, release.manifest, release.sums) == (name_of(1), manifest_of(SUMS), SUMS)
    assert write_release(release.manifest, release.sums, key_of(1)) == GOOD


def test_whoever_is_not_trusted_is_named_and_not_read(tmp_path: Path) -> None:
    file = tmp_path / "their.release"
    file.write_bytes(sealed(b"[" * 5000, b"no table", key_of(3)))
    with pytest.raises(UntrustedReleaseError, match=name_of(3)):
        read_release(file, [name_of(1)])


def test_somebody_elses_signature_or_key_is_a_forgery(tmp_path: Path) -> None:
    public, signature = slice(len(FIRST_LINE), len(FIRST_LINE) + 32), slice(len(FIRST_LINE) + 32, len(FIRST_LINE) + 96)
    other = write_release(manifest_of(SUMS), SUMS, key_of(3))
    for part in (public, signature):
        forged = bytearray(other)
        forged[part] = GOOD[part]
        assert "its signature does not fit" in refused(tmp_path, bytes(forged))


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(GOOD) - 1), bit=st.integers(0, 7))
def test_no_bit_can_be_changed(at: int, bit: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    edited = bytearray(GOOD)
    edited[at] ^= 1 << bit
    refused(tmp_path_factory.mktemp("edited"), bytes(edited))


@pytest.mark.parametrize("length", [0, 1, len(FIRST_LINE), HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 10, len(GOOD) - 1])
def test_a_file_that_was_cut_is_refused(length: int, tmp_path: Path) -> None:
    refused(tmp_path, GOOD[:length])


def test_whatever_else_a_file_may_be(tmp_path: Path) -> None:
    assert "something was added to its end" in refused(tmp_path, GOOD + b"\0")
    assert "it has format '2'" in refused(tmp_path, GOOD.replace(FIRST_LINE, b"raptorflow-release 2\n"))
    assert "it is not a release file" in refused(tmp_path, gzip.compress(bytes(2**24)))
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("release", bytes(2**24))
    assert "it is not a release file" in refused(tmp_path, (tmp_path / "bomb.zip").read_bytes())
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 2**40)
    with pytest.raises(ReleaseFileError, match=f"a release at most {MOST_FILE_BYTES:,}"):
        read_release(large, [name_of(1)])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ReleaseFileError, match="it is not a file"):
        read_release(pipe, [name_of(1)])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": 0}, "format '0', where this version reads 1"),
        ({"format": True}, "format"),
        ({"catalogue_version": 0}, "version '0' of the catalogue"),
        ({"noise_scale": -1.0}, "noise_scale"),
        ({"noise_scale": 0.0}, "noise_scale"),
        ({"noise_scale": 1e300}, "noise_scale"),
        ({"noise_scale": "20"}, "noise_scale"),
        ({"noise_scale": None}, "noise_scale"),
        ({"epsilon": 0.1}, "epsilon, delta and rho do not belong together"),
        ({"delta": 0.5}, "delta"),
        ({"rho_so_far": 1e-6}, "it cost more than all releases"),
        ({"contributors_at_least": -1}, "contributors_at_least"),
        ({"contributors_at_least": 3.0}, "contributors_at_least"),
        ({"releases_so_far": 10**30}, "releases_so_far"),
        ({"period": "2026-05-19"}, "not in period"),
        ({"period": "2026-13-40"}, "no day of the calendar"),
        ({"period": "2026-05-20\n"}, "period"),
        ({"as_of": "2026-06-15T03:00:00Z"}, "as_of"),
        ({"as_of": "2026-07-15T03:00:00+00:00"}, "not in period"),
        ({"period": "2099-11-23", "as_of": "2099-12-20T03:00:00+00:00"}, "yet to come"),
        ({"sums_sha256": "b" * 64}, "its sums are not those that it describes"),
        ({"code_version": "\x1b[31m"}, "code_version"),
        ({"more": 1}, "more"),
    ],
)
def test_a_description_that_cannot_be_is_refused(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    assert says in refused(tmp_path, signed(values_of(SUMS) | changes))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(b'"epsilon":3.0', b'"epsilon":3.0,"epsilon":3.0'),
        lambda text: text.replace(b'"epsilon":3.0', b'"epsilon":NaN'),
        lambda text: text.replace(b'"epsilon":3.0', b'"epsilon":Infinity'),
        lambda text: text.replace(b'"epsilon":3.0', b'"epsilon":3.00'),
        lambda text: text.replace(b'"epsilon":3.0', b'"epsilon": 3.0'),
        lambda text: text.replace(b'"epsilon":3.0', b'"epsilon":' + b"9" * 5000),
        lambda text: text.replace(b'"epsilon":3.0', b'"epsilon":1e999'),
        lambda text: text + b"\n",
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.decode().encode("utf-16"),
        lambda text: b"[" * 8000,
        lambda text: b"[]",
        lambda text: b"null",
        lambda text: b"",
        lambda text: b"\xff",
    ],
)
def test_json_is_written_in_one_way(spoil: Callable[[bytes], bytes], tmp_path: Path) -> None:
    refused(tmp_path, signed(spoil(canonical(values_of(SUMS)))))


def without_row(table: pa.Table) -> pa.Table:
    return table.slice(1)


def with_a_row_twice(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table.slice(1), table.slice(1, 1)])


def column(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (b"", "cannot be read as Parquet"),
        (b"PAR1PAR1", "cannot be read as Parquet"),
        (PLAIN[:-9] + b"\xff" * 9, "cannot be read as Parquet"),
        (parquet(without_row(TABLE)), "rows of a release"),
        (parquet(with_a_row_twice(TABLE)), "each segment and pattern, and what is said of experiments, once"),
        (parquet(TABLE, compression="ZSTD"), "compressed"),
        (parquet(TABLE, use_dictionary=True), "compressed"),
        (parquet(TABLE, row_group_size=100), "rows of a release"),
        (parquet(TABLE.drop_columns(["product"])), "columns"),
        (parquet(TABLE.append_column("more", TABLE["mean"])), "columns"),
        (parquet(column(TABLE, "mean", TABLE["mean"].cast(pa.float64()))), "whole numbers"),
        (parquet(column(TABLE, "mean", TABLE["mean"].cast(pa.string()))), "whole numbers"),
        (parquet(column(TABLE, "mean", pa.nulls(TABLE.num_rows, pa.int64()))), "rows of a release"),
        (parquet(column(TABLE, "count", pa.array([2**62] * TABLE.num_rows))), "larger than any number of workspaces"),
        (
            parquet(column(TABLE, "count", pa.array([-(2**63)] * TABLE.num_rows))),
            "larger than any number of workspaces",
        ),
        (
            parquet(column(TABLE, "segment", pa.array(["a/b"] * TABLE.num_rows))),
            "each segment and pattern, and what is said of experiments, once",
        ),
    ],
)
def test_a_table_that_is_not_a_releases_is_refused(table: bytes, says: str, tmp_path: Path) -> None:
    assert says in refused(tmp_path, signed(values_of(SUMS), table))


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(PLAIN) - 1), byte=st.integers(0, 255))
def test_a_damaged_table_is_refused_or_the_same(at: int, byte: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Signed after it was damaged: the table is parsed, and must neither crash nor pass for other sums."""
    damaged = bytearray(PLAIN)
    damaged[at] = byte
    file = tmp_path_factory.mktemp("damaged") / "their.release"
    file.write_bytes(signed(values_of(SUMS), bytes(damaged)))
    with suppress(ReleaseFileError):
        assert read_release(file, [name_of(1)]).sums == SUMS


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_bytes_are_more_than_an_unreadable_description(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_manifest(text)
