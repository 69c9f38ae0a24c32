"""The program of `sqlite_process.py`: a line of JSON asks, a line of JSON (`error`) answers, rows follow as Arrow.

It imports nothing of ours, and as little as it can: ADBC's DB-API brings two libraries of frames, and so does turning
a list into Arrow; either takes longer than the rest. Arrow itself can do without what is kept from it below.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import Any
from urllib.parse import quote

sys.modules.update(dict.fromkeys(("numpy", "cloudpickle")))  # type: ignore[arg-type]  # None: not to be imported

import adbc_driver_sqlite  # noqa: E402
import pyarrow as pa  # noqa: E402
from adbc_driver_manager import AdbcConnection, AdbcDatabase, AdbcStatement  # noqa: E402
from adbc_driver_manager import Error as AdbcError  # noqa: E402

# SQLite has no column types: the driver infers them from its first batch, so there must be only one.
BATCH_ROWS = 1 << 30
MAPPED_BYTES = 1 << 40
SENT_ROWS = 8192


def main() -> None:
    """Answer until the asker is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the asker's Ctrl-C; it closes the pipe where it leaves
    while question := sys.stdin.buffer.readline():
        request = json.loads(question)
        try:
            with AdbcDatabase(
                driver=adbc_driver_sqlite._driver_path(), uri=f"file:{quote(request['open'])}"
            ) as database:
                _serve(database, request["busy_timeout"])
            _say(None)  # only now: nobody is to find the file open
        except AdbcError as error:
            _say(str(error))


def _serve(database: Any, busy_timeout: int) -> None:
    """Answer selects in one transaction until the file is to be closed."""
    with AdbcConnection(database) as connection:
        for pragma in (f"busy_timeout = {busy_timeout}", f"mmap_size = {MAPPED_BYTES}", "query_only = ON"):
            _rows(connection, f"PRAGMA {pragma}", [])
        connection.set_autocommit(False)
        _say(None)
        while question := sys.stdin.buffer.readline():
            request = json.loads(question)
            if "close" in request:
                break
            try:
                table = _rows(connection, request["sql"], request["parameters"])
            except (AdbcError, pa.ArrowException) as error:
                _say(str(error))
            else:
                _say(None)
                with pa.ipc.new_stream(pa.PythonFile(sys.stdout.buffer, mode="w"), table.schema) as sent:
                    sent.write_table(table, max_chunksize=SENT_ROWS)
                sys.stdout.flush()


def _say(problem: str | None) -> None:
    sys.stdout.buffer.write(json.dumps({"error": problem}).encode() + b"\n")
    sys.stdout.flush()


def _rows(connection: Any, sql: str, parameters: list[Any]) -> pa.Table:
    with AdbcStatement(connection) as statement:
        statement.set_options(**{"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)})
        statement.set_sql_query(sql)
        if parameters:
            values = [pa.repeat(pa.scalar(value), 1) for value in parameters]
            statement.bind(pa.record_batch(values, names=[str(place) for place in range(len(values))]))
        stream, _ = statement.execute_query()
        return pa.RecordBatchReader.from_stream(stream).read_all()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # the asker is gone in the middle of an answer
        sys.stdout = None  # nor does anything remain to be flushed to it
