"""One release as one file, and back: a line, a public key, a signature, two lengths, JSON, Parquet.

The signature covers every other byte and is checked first, so that nothing but a line and 104 bytes of a file from
somebody who is not trusted is ever interpreted. What a trusted sender wrote is still held to what a release can be:
JSON in its one spelling, and a small Parquet table without compression, whose pages cannot unfold into more.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tasks.effects.shared_experiments import ROWS as EXPERIMENT_ROWS
from tasks.transfer.catalogue import KEYS
from tasks.transfer.exchange.errors import ReleaseFileError, UntrustedReleaseError
from tasks.transfer.exchange.manifest import MOST_BYTES, Manifest, canonical, read_manifest
from tasks.transfer.exchange.signing import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, fingerprint_of, is_signed, public_bytes
from tasks.transfer.release import COMPONENTS, sum_rows, sums_from_rows
from tasks.transfer.released_experiments import EXPERIMENTS, experiments_by_row, experiments_from_rows
from tasks.transfer.similarity import SEGMENTS

FAMILY = b"raptorflow-release "
FIRST_LINE = FAMILY + b"1\n"
LENGTHS = struct.Struct(">II")
HEAD_BYTES = len(FIRST_LINE) + PUBLIC_KEY_BYTES + SIGNATURE_BYTES + LENGTHS.size
MOST_TABLE_BYTES = 2**20
MOST_FILE_BYTES = HEAD_BYTES + MOST_BYTES + MOST_TABLE_BYTES
ENTRIES = (
    *((segment, key) for segment in SEGMENTS for key in KEYS),
    *((EXPERIMENTS, row) for row in EXPERIMENT_ROWS),
)
ROWS = len(ENTRIES)
LARGEST_SUM = 10**12  # a billion workspaces, in fixed point
COLUMNS = ("segment", "pattern_key", *COMPONENTS)
PLAIN_ENCODINGS = {"PLAIN", "RLE"}

Sums = dict[str, dict[str, list[int]]]


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """A release, and whose it is.

    Attributes:
        fingerprint: of the public key that signed it.
        manifest: its parameters.
        sums: segment to pattern key to its three noisy sums, in fixed point; every segment and pattern, and what is
            released of experiments.
        file_sha256: hash of the whole file.
    """

    fingerprint: str
    manifest: Manifest
    sums: Sums
    file_sha256: str


def sums_of(rows: Iterable[Mapping[str, Any]]) -> Sums:
    """Stored rows of a release's sums, by segment; every segment and pattern of the catalogue, and experiments."""
    stored = list(rows)
    sums = {row["segment"]: row["sums"] for row in sum_rows(sums_from_rows(stored), "")}
    return sums | {EXPERIMENTS: experiments_by_row(experiments_from_rows(stored))}


def sums_sha256(sums: Sums) -> str:
    """What a release is, whatever file it came in."""
    return hashlib.sha256(canonical(sums)).hexdigest()


def write_release(manifest: Manifest, sums: Sums, key: Ed25519PrivateKey) -> bytes:
    """The file. The same release gives the same bytes: nothing in it is drawn or dated when it is written."""
    return sealed(manifest.as_bytes(), _table_bytes(sums), key)


def sealed(text: bytes, table: bytes, key: Ed25519PrivateKey) -> bytes:
    """Both parts in one file, signed."""
    lengths, public = LENGTHS.pack(len(text), len(table)), public_bytes(key)
    return FIRST_LINE + public + key.sign(_signed(public, lengths, text + table)) + lengths + text + table


def read_release(path: Path, trusted: Iterable[str]) -> SignedRelease:
    """The release in a file that was signed by somebody trusted.

    Args:
        path: the file.
        trusted: fingerprints.

    Raises:
        ReleaseFileError: if it is no release, or not as it was signed, or says what cannot be.
        UntrustedReleaseError: if it is as it was signed, by somebody else.
    """
    try:
        content = _content(path)
        public, signature, lengths, rest = _parts(content)
        if not is_signed(public, signature, _signed(public, lengths, rest)):
            raise ValueError("its signature does not fit: it was edited, damaged or forged")
        fingerprint = fingerprint_of(public)
        if fingerprint not in set(trusted):
            raise UntrustedReleaseError(path, fingerprint)
        size = LENGTHS.unpack(lengths)[0]
        manifest, sums = read_manifest(rest[:size]), _sums(rest[size:])
        if sums_sha256(sums) != manifest.sums_sha256:
            raise ValueError("its sums are not those that it describes")
    except UntrustedReleaseError:
        raise
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ReleaseFileError(path, " ".join(reason.split())[:300]) from error
    return SignedRelease(fingerprint, manifest, sums, hashlib.sha256(content).hexdigest())


def _signed(public: bytes, lengths: bytes, rest: bytes) -> bytes:
    return FIRST_LINE + public + lengths + rest


def _content(path: Path) -> bytes:
    """All of the file; devices, pipes and what is larger than any release are left alone."""
    state = path.stat()
    if not S_ISREG(state.st_mode):
        raise ValueError("it is not a file")
    if state.st_size > MOST_FILE_BYTES:
        raise ValueError(f"it has {state.st_size:,} bytes, a release at most {MOST_FILE_BYTES:,}")
    with path.open("rb") as file:
        return file.read(MOST_FILE_BYTES + 1)


def _parts(content: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Public key, signature, the two lengths as written, and the rest, which is exactly as long as they say."""
    if not content.startswith(FIRST_LINE):
        if content.startswith(FAMILY):
            stated = content[len(FAMILY) :].split(b"\n")[0][:20].decode("ascii", "replace")
            raise ValueError(f"it has format {stated!r}, this version reads 1; both sides need one version")
        raise ValueError("it is not a release file")
    if len(content) < HEAD_BYTES:
        raise ValueError("it ends early")
    at = len(FIRST_LINE)
    public, at = content[at : at + PUBLIC_KEY_BYTES], at + PUBLIC_KEY_BYTES
    signature, at = content[at : at + SIGNATURE_BYTES], at + SIGNATURE_BYTES
    lengths, rest = content[at:HEAD_BYTES], content[HEAD_BYTES:]
    text, table = LENGTHS.unpack(lengths)
    if text > MOST_BYTES or table > MOST_TABLE_BYTES:
        raise ValueError("its parts are larger than a release's")
    if len(rest) != text + table:
        raise ValueError("it ends early" if len(rest) < text + table else "something was added to its end")
    return public, signature, lengths, rest


def _table_bytes(sums: Sums) -> bytes:
    """The sums as Parquet: one row an entry, plain and without compression."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = [sums[segment][key] for segment, key in ENTRIES]
    columns = [
        *(pa.array([entry[i] for entry in ENTRIES], pa.string()) for i in range(2)),
        *(pa.array([row[i] for row in numbers], pa.int64()) for i in range(len(COMPONENTS))),
    ]
    sink = io.BytesIO()
    table = pa.table(dict(zip(COLUMNS, columns, strict=True)))
    pq.write_table(table, sink, compression="NONE", use_dictionary=False, store_schema=False)
    return sink.getvalue()


def _sums(table: bytes) -> Sums:
    """The sums in a Parquet table that has the one shape a release's has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(
            io.BytesIO(table), thrift_string_size_limit=MOST_TABLE_BYTES, thrift_container_size_limit=10_000
        )
        _require_plain(file)
        rows = file.read(use_threads=False)
        rows.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise ValueError("its table cannot be read as Parquet") from error
    if rows.num_rows != ROWS or any(column.null_count for column in rows.columns):
        raise ValueError(f"its table does not have the {ROWS:,} rows of a release")
    return _by_segment(rows)


def _require_plain(file: Any) -> None:
    """Look at the table's own description before any page is unfolded."""
    import pyarrow as pa

    kinds = {name: pa.string() for name in COLUMNS[:2]} | {name: pa.int64() for name in COMPONENTS}
    schema, description = file.schema_arrow, file.metadata
    if schema.names != list(COLUMNS) or any(schema.field(name).type != kind for name, kind in kinds.items()):
        raise ValueError(f"its table does not have the columns {', '.join(COLUMNS)}, names and whole numbers")
    if description.num_rows != ROWS or description.num_row_groups != 1:
        raise ValueError(f"its table does not have the {ROWS:,} rows of a release")
    group = description.row_group(0)
    for column in (group.column(i) for i in range(group.num_columns)):
        if column.compression != "UNCOMPRESSED" or not set(column.encodings) <= PLAIN_ENCODINGS:
            raise ValueError("its table is compressed, which a release's never is")
        if column.num_values != ROWS or column.total_uncompressed_size > MOST_TABLE_BYTES:
            raise ValueError("its table is larger than a release's")


def _by_segment(rows: Any) -> Sums:
    segments, keys = (rows.column(name).to_pylist() for name in COLUMNS[:2])
    numbers = np.stack([rows.column(name).to_numpy() for name in COMPONENTS], axis=1)
    if set(zip(segments, keys, strict=True)) != set(ENTRIES):
        raise ValueError("its table does not hold each segment and pattern, and what is said of experiments, once")
    if np.abs(numbers.astype(np.float64)).max() > LARGEST_SUM:
        raise ValueError("its sums are larger than any number of workspaces could make them")
    sums: Sums = {segment: {} for segment in (*SEGMENTS, EXPERIMENTS)}
    for segment, key, three in zip(segments, keys, numbers.tolist(), strict=True):
        sums[segment][key] = three
    return sums
