"""What a file is by its first bytes, not by its name, and the tables in it: plain or packed text, sheets, members.

Text of any encoding is handed on as a stream of UTF-8, so that one parser reads all of it.
"""

from __future__ import annotations

import codecs
import fnmatch
import gzip
import io
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

from tasks.warehouse.errors import BadFileError

UTF8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
HEAD_BYTES = 1 << 18
SUFFIXES = {
    ".csv": "text",
    ".tsv": "text",
    ".txt": "text",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".xlsx": "excel",
    ".xls": "excel",
    ".xlsm": "excel",
    ".gz": "gzip",
    ".zip": "zip",
}
OFFERED = ".csv, .parquet, .jsonl, .ndjson, .tsv, .txt, .xlsx, .xls, .gz, .zip"
NAMES = {"gzip": "a gzip-compressed file", "zip": "a zip archive", "excel": "an Excel workbook", "parquet": "Parquet"}
RENAMED = {"gzip": ".gz", "zip": ".zip", "excel": ".xlsx", "parquet": ".parquet"}
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
QUOTED = re.compile(rb'"[^"]*(?:"|$)')  # texts in which a table made on a Mac may hold line feeds
WEB_PAGE = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<table", b"<!--")
Kind = Literal["text", "json", "parquet", "excel"]


@dataclass(frozen=True)
class Container:
    """One table's worth of a file: what kind it is, how to open its bytes, and what was found on the way.

    Attributes:
        path: the file.
        name: the member or sheet; empty where the file is the table.
        kind: text, json, parquet or excel.
        encoding: of text; UTF-8 for the rest.
        packing: gzip, zip or nothing.
        size: bytes on disk.
        opener: gives the bytes as they are, unpacked.
        mark: bytes of a byte order mark before the text.
        returns: whether lines end in a carriage return alone, as old Macs write them.
    """

    path: Path
    name: str
    kind: Kind
    encoding: str
    packing: str
    opener: Callable[[], IO[bytes]]
    mark: int = 0
    returns: bool = False

    def text(self) -> IO[bytes]:
        """The text as UTF-8."""
        stream = self.opener()
        stream.read(self.mark)
        if self.encoding in ("utf-8", "utf-8-sig", "ascii") and not self.returns:
            return stream
        recoded = _Recoded(stream, self.encoding, self.path, self.returns)
        return cast(IO[bytes], io.BufferedReader(recoded, HEAD_BYTES))


class _Recoded(io.RawIOBase):
    """A stream of UTF-8 made from one of another encoding."""

    def __init__(self, stream: IO[bytes], encoding: str, path: Path, returns: bool) -> None:
        self._stream, self._path, self._encoding, self._returns = stream, path, encoding, returns
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            block = self._stream.read(HEAD_BYTES)
            try:
                self._ready = self._decoder.decode(block, final=not block).encode("utf-8", "replace")
            except UnicodeDecodeError as error:
                raise BadFileError(self._path, f"is not {self._encoding} ({error.reason})") from error
            if self._returns:
                self._ready = self._ready.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if not block:
                break
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def containers(path: Path, encodings: Sequence[str] = ()) -> list[Container]:
    """The tables a file may hold, one for each member of an archive and each sheet of a workbook.

    Raises:
        BadFileError: if it is missing, empty, no table, or not what its name says.
    """
    kind, expected = _checked_kind(path)
    if kind == "gzip":
        inner = SUFFIXES.get(Path(path.stem).suffix.lower(), "text")
        return [_plain(path, "", "gzip", lambda: cast(IO[bytes], gzip.open(path)), inner, encodings)]
    if kind == "zip":
        return _members(path, encodings)
    return _tables(path, "", "", lambda: path.open("rb"), expected, encodings)


def _checked_kind(path: Path) -> tuple[str, str]:
    """What the first bytes say, and what the name says; they agree."""
    suffix = path.suffix.lower()
    if not path.exists():
        raise BadFileError(path, "no such file")
    if not path.is_file():
        raise BadFileError(path, "not a file; name the files in it")
    if suffix not in SUFFIXES:
        lines = (
            "; of JSON one object a line, as .jsonl: jq -c '.[]' turns a list into that" if suffix == ".json" else ""
        )
        raise BadFileError(path, f"unknown suffix '{path.suffix}', expected one of {OFFERED}{lines}")
    if path.stat().st_size == 0:
        raise BadFileError(path, "is empty")
    expected, kind = SUFFIXES[suffix], _kind(path, path.open("rb"))
    if kind == "zip" and expected == "excel":
        raise BadFileError(path, "is not an Excel file, or was cut short")
    if kind in NAMES and kind != expected:
        raise BadFileError(path, f"is {NAMES[kind]}, though its name says {suffix}; rename it to {RENAMED[kind]}")
    if expected in ("excel", "parquet", "gzip", "zip") and kind != expected:
        name = {"excel": "an Excel", "parquet": "a Parquet", "gzip": "a gzip", "zip": "a zip"}[expected]
        raise BadFileError(path, f"is not {name} file, or was cut short")
    return kind, expected


def _kind(path: Path, stream: IO[bytes]) -> str:
    """What the first bytes say: gzip, zip, excel, parquet, or text when they say nothing."""
    with stream:
        head = stream.read(4096)
        if head.startswith(b"PK\x03\x04"):
            return "excel" if _is_workbook(stream) else "zip"
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "excel"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"%PDF"):
        raise BadFileError(path, "is a PDF document, not a table; export it as CSV")
    if head.startswith(b"SQLite format 3"):
        raise BadFileError(path, "is a SQLite database, not a table; use `--from sqlite:///FILE --query QUERY.sql`")
    start = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if start.startswith(WEB_PAGE):
        raise BadFileError(path, "is a web page, not a table; download the export again while signed in")
    return "text"


def _is_workbook(stream: IO[bytes]) -> bool:
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as archive:
            return any(name.startswith("xl/workbook") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _members(path: Path, encodings: Sequence[str]) -> list[Container]:
    """The tables in an archive; other files in it, such as the pages of a blog, are left alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            infos = [info for info in archive.infolist() if _may_be_table(info)]
            if any(info.flag_bits & 1 for info in infos):
                raise BadFileError(path, "is protected by a password; unpack it first")
    except (zipfile.BadZipFile, OSError) as error:
        raise BadFileError(path, "is not a zip archive, or was cut short") from error
    if not infos:
        packed = [name for name in members if SUFFIXES.get(Path(name).suffix.lower()) in ("gzip", "zip")]
        if packed:
            raise BadFileError(path, f"holds '{packed[0]}', which is packed itself; unpack the archive first")
        raise BadFileError(path, f"holds no table; expected a member that ends in one of {OFFERED}")
    tables: list[Container] = []
    for info in infos:
        kind = SUFFIXES[Path(info.filename).suffix.lower()]
        tables += _tables(path, info.filename, "zip", _member_opener(path, info.filename), kind, encodings)
    return tables


def _may_be_table(info: zipfile.ZipInfo) -> bool:
    name = Path(info.filename)
    hidden = name.name.startswith(".") or "__MACOSX" in name.parts
    known = SUFFIXES.get(name.suffix.lower()) not in (None, "gzip", "zip")
    return known and not hidden and not info.is_dir() and info.file_size > 0


def _member_opener(path: Path, name: str) -> Callable[[], IO[bytes]]:
    return lambda: zipfile.ZipFile(path).open(name)


def _tables(
    path: Path, name: str, packing: str, opener: Callable[[], IO[bytes]], kind: str, encodings: Sequence[str]
) -> list[Container]:
    if kind == "excel":
        from tasks.warehouse.reading.excel_rows import sheet_names

        return [Container(path, sheet, "excel", "utf-8", packing, opener) for sheet in sheet_names(path, opener)]
    return [_plain(path, name, packing, opener, kind, encodings)]


def _plain(
    path: Path, name: str, packing: str, opener: Callable[[], IO[bytes]], kind: str, encodings: Sequence[str]
) -> Container:
    if kind == "parquet":
        return Container(path, name, "parquet", "utf-8", packing, opener)
    try:
        with opener() as stream:
            head = stream.read(HEAD_BYTES)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise BadFileError(path, "was cut short or is damaged; download it again") from error
    if packing:
        if head[:4] == b"PAR1":
            return Container(path, name, "parquet", "utf-8", packing, opener)
        _refuse_web_page(path, head)
    encoding, mark = encoding_of(path, head, encodings)
    unquoted = QUOTED.sub(b"", head)
    returns = b"\r" in unquoted and b"\n" not in unquoted
    return Container(path, name, "json" if kind == "json" else "text", encoding, packing, opener, mark, returns)


def _refuse_web_page(path: Path, head: bytes) -> None:
    if head.lstrip().lower().startswith(WEB_PAGE[:2]):
        raise BadFileError(path, "holds a web page, not a table; download the export again while signed in")


def encoding_of(path: Path, head: bytes, declared: Sequence[str]) -> tuple[str, int]:
    """The encoding, by its mark, else the first declared one that fits, else UTF-8; and the bytes of the mark.

    Raises:
        BadFileError: if none fits; the message names the likeliest as a suggestion, nothing is guessed.
    """
    for mark, name in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return name, len(mark)
    for name in declared or ("utf-8",):
        if _fits(head, name):
            if declared and declared[0] == "utf-8" != name and _is_mostly_utf8(head):
                line = first_line_not_in(head)
                raise BadFileError(path, f"line {line} is not UTF-8, others are; save all of it as UTF-8")
            return name, 0
    wide = _wide_encoding(head)
    if wide is not None:
        raise BadFileError(path, f"is UTF-16 without a mark; say `encoding: {wide}` in a mapping file")
    line = first_line_not_in(head, declared[-1] if declared else "utf-8")
    guess = likeliest_encoding(head)
    hint = f", or say `encoding: {guess}` in a mapping file, which it looks like" if guess else ""
    wanted = " or ".join(name.upper() if name == "utf-8" else name for name in declared) or "UTF-8"
    raise BadFileError(path, f"line {line} is not {wanted}; save the file as UTF-8{hint}")


def _fits(head: bytes, encoding: str) -> bool:
    if b"\x00" in head and not encoding.startswith(("utf-16", "utf-32")) and _wide_encoding(head) is not None:
        return False
    try:
        codecs.getincrementaldecoder(encoding)().decode(head, final=len(head) < HEAD_BYTES)
    except UnicodeDecodeError:
        return False
    return True


def _wide_encoding(head: bytes) -> str | None:
    """Which UTF-16 it is where every other byte is zero, as Latin letters have it; zeros alone are none."""
    sample = head[:2000]
    first, second = sample[::2].count(0), sample[1::2].count(0)
    if max(first, second) <= 0.4 * (len(sample) / 2) or min(first, second) > 0.1 * max(first, second):
        return None
    return "utf-16-be" if first > second else "utf-16-le"


def _is_mostly_utf8(head: bytes) -> bool:
    """Whether most bytes beyond ASCII are letters of UTF-8: text of another encoding beside it, or cut in a letter."""
    letters = sum(map(len, UTF8_LETTER.findall(head)))
    return 2 * letters >= sum(byte >= 0x80 for byte in head) > 0


def first_line_not_in(head: bytes, encoding: str = "utf-8") -> int | None:
    """The first line of some bytes that is not in an encoding, if there is one."""
    for number, line in enumerate(head.split(b"\n"), 1):
        try:
            line.decode(encoding)
        except UnicodeDecodeError:
            return number
    return None


def likeliest_encoding(head: bytes) -> str | None:
    """What an encoding's detector thinks of the bytes: a suggestion for a person, never a decision."""
    import charset_normalizer

    try:
        head.decode("cp1252")
        letters = sum(byte in b"\xe4\xf6\xfc\xdf\xe9\xe8\xe0\xe7\xf1\xed\xf3\x80\x84\x93\x94\x96" for byte in head)
        if 2 * letters >= sum(byte >= 0x80 for byte in head) > 0:
            return "windows-1252"
    except UnicodeDecodeError:
        pass
    best = charset_normalizer.from_bytes(head[: 1 << 16]).best()
    return None if best is None else str(best.encoding).replace("cp125", "windows-125").replace("_", "-")


def chosen(path: Path, tables: Sequence[Container], wanted: Sequence[str]) -> list[Container]:
    """The tables whose name is one of those wanted (`*` matches anything); all where none is wanted.

    Raises:
        BadFileError: if none has such a name.
    """
    if not wanted:
        return list(tables)
    kept = [
        table
        for table in tables
        if not table.name or any(fnmatch.fnmatch(Path(table.name).name.lower(), name.lower()) for name in wanted)
    ]
    if not kept:
        there = ", ".join(f"'{table.name}'" for table in tables[:20])
        raise BadFileError(path, f"has no table '{wanted[0]}'; it has {there}")
    return kept
