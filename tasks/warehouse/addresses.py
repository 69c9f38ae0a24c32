"""Addresses of databases that rows are read from: what kind, where, and how they may be shown. Pure.

A password is never shown: not the address as it was given, and no message of a driver that repeats part of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from tasks.errors import InputError

Kind = Literal["postgresql", "sqlite", "duckdb"]
KINDS: dict[str, Kind] = {"postgresql": "postgresql", "postgres": "postgresql", "sqlite": "sqlite", "duckdb": "duckdb"}
EXPECTED = "expected postgresql://user@host/database, sqlite:///file.db, duckdb: or duckdb:///file.duckdb"
BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """Where a database is.

    Attributes:
        kind: postgresql, sqlite or duckdb.
        target: what its driver takes: an address for PostgreSQL, a path for the others (empty: DuckDB in memory).
        shown: the address without password and options.
        secrets: texts that no message may hold.
    """

    kind: Kind
    target: str
    shown: str
    secrets: tuple[str, ...] = ()

    def without_secrets(self, message: str) -> str:
        """A driver's message that may be shown."""
        for secret in self.secrets:
            message = message.replace(secret, "…")
        return message


def address_of(given: str) -> Address:
    """Read an address.

    Raises:
        InputError: if it is none, or of a database that is not read from; what was given is not repeated.
    """
    scheme, colon, rest = given.strip().partition(":")
    if scheme == "md":  # MotherDuck's own form
        return Address("duckdb", given.strip(), "md:" + rest.partition("?")[0], _secrets("", given))
    kind = KINDS.get(scheme.partition("+")[0].lower()) if colon else None
    if kind is None:
        known = re.fullmatch(r"[a-z0-9]+(\+[a-z0-9]+)?", scheme.lower()) if colon else None
        raise InputError(f"--from: {f'no way to read from {scheme!r}' if known else 'no address'}; {EXPECTED}")
    return _server(rest) if kind == "postgresql" else _file(kind, rest)


def _file(kind: Kind, rest: str) -> Address:
    """`kind:path`, `kind:///relative` or `kind:////absolute`, as SQLAlchemy writes them."""
    path = re.sub(r"^//[^/]*/?", "", rest) if rest.startswith("//") else rest
    if kind == "sqlite" and not path:
        raise InputError(f"--from: names no file; {EXPECTED}")
    path = "" if path == ":memory:" else path
    return Address(kind, path, f"{kind}:///{path}" if path else f"{kind}:")


def _server(rest: str) -> Address:
    authority, _, path = rest.removeprefix("//").partition("/")
    if not rest.startswith("//"):
        raise InputError(f"--from: no address; {EXPECTED}")
    if authority.count("@") > 1 or "@" in path.partition("?")[0]:
        raise InputError("--from: more than one '@'; write those of a password as %40, or set PGPASSWORD")
    if BROKEN_ESCAPE.search(rest):
        raise InputError("--from: a '%' that is no escape; write it as %25, or set PGPASSWORD")
    target = f"postgresql:{rest}"
    try:
        parts = urlsplit(target)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise InputError(f"--from: the port is no number; {EXPECTED}") from error
    user = f"{parts.username}@" if parts.username else ""
    shown = f"postgresql://{user}{parts.hostname or ''}{port}{parts.path}"
    return Address("postgresql", target, shown, _secrets(parts.password or "", target))


def _secrets(password: str, address: str) -> tuple[str, ...]:
    options = [value for name, value in parse_qsl(urlsplit(address).query) if re.search("pass|token|key", name)]
    texts = {text for secret in [password, *options] for text in (secret, unquote(secret)) if text}
    return tuple(sorted(texts, key=len, reverse=True))
