"""Who may use the platform: one login, a session for a browser, and links that open one without typing.

The login is RAPTORFLOW_AUTH, or what is set for Prefect itself, or a secret that is made once and kept in the home,
where nobody else can read it. Command line, workers and runs carry it; a browser gets a session, which is worth
nothing once the login has changed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from flows.platform.errors import EmptySecretError
from tasks.private_files import private_folder, write_once
from tasks.settings import get_settings

USER = "raptorflow"
SESSION_SECONDS = 30 * 24 * 3600
TICKET_SECONDS = 24 * 3600
SIGN_IN = "/raptorflow/sign-in"


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """A user and a password, which are never shown.

    Attributes:
        text: `user:password`, as Prefect's `auth_string` has it.
    """

    text: str

    @property
    def user(self) -> str:
        """What stands before the first colon."""
        return self.text.partition(":")[0]

    @property
    def password(self) -> str:
        """What stands behind it."""
        return self.text.partition(":")[2]

    @property
    def header(self) -> str:
        """The Authorization header that carries it."""
        return f"Basic {base64.b64encode(self.text.encode()).decode()}"

    def opens(self, header: str) -> bool:
        """Whether an Authorization header carries this login."""
        scheme, _, credentials = header.partition(" ")
        try:
            given = base64.b64decode(credentials.strip(), validate=True)
        except ValueError:
            return False
        expected = self.text if ":" in self.text else f"{self.text}:"
        return scheme.lower() == "basic" and any(
            hmac.compare_digest(given, text.encode()) for text in (self.text, expected)
        )

    def is_given(self, user: str, password: str) -> bool:
        """Whether a form was filled in with it."""
        return hmac.compare_digest(f"{user}:{password}".encode(), f"{self.user}:{self.password}".encode())

    @property
    def cookie(self) -> str:
        """The name of its session's cookie: a browser keeps one set of cookies for all ports of a machine."""
        return f"raptorflow-{self._signed('cookie')[:8]}"

    def session(self) -> str:
        """What a browser keeps: until when it is signed in, signed."""
        until = str(int(time.time()) + SESSION_SECONDS)
        return f"{until}.{self._signed(until)}"

    def knows(self, session: str) -> bool:
        """Whether a session was made by this login and has not ended."""
        until, _, signature = session.partition(".")
        if not until.isdecimal() or not hmac.compare_digest(signature.encode(), self._signed(until).encode()):
            return False
        return time.time() < int(until)

    def _signed(self, text: str) -> str:
        key = hashlib.sha256(b"raptorflow session\0" + self.text.encode()).digest()
        return hmac.new(key, text.encode(), "sha256").hexdigest()


def login() -> Login:
    """The login of this home's platform; its secret is made where there is none."""
    if (chosen := chosen_login()) is not None:
        return chosen
    path = get_settings().home.resolve() / "secret"
    secret = _read(path)
    if secret is None:
        private_folder(path.parent)
        write_once(path, f"{secrets.token_urlsafe(32)}\n".encode())
        secret = _read(path)
    if not secret:
        raise EmptySecretError(path)
    return Login(f"{USER}:{secret}")


def chosen_login() -> Login | None:
    """The login that a person has set: RAPTORFLOW_AUTH, or Prefect's own settings; None where none is set."""
    chosen = get_settings().auth
    for name in ("PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"):
        chosen = chosen or os.environ.get(name)
    return Login(chosen) if chosen else None


def new_link(address: str) -> str:
    """An address that signs the browser in that opens it first, within a day; every call makes another."""
    folder = private_folder(_tickets())
    for old in folder.iterdir():
        if _is_stale(old):
            old.unlink(missing_ok=True)
    ticket = secrets.token_urlsafe(24)
    (folder / _name_of(ticket)).touch(mode=0o600)
    return f"{address}{SIGN_IN}?ticket={ticket}"


def redeem(ticket: str) -> bool:
    """Whether a link's ticket is good; it never is again."""
    path = _tickets() / _name_of(ticket)
    try:
        is_good = not _is_stale(path)
        path.unlink()  # of two browsers at once, one
    except FileNotFoundError:
        return False
    return is_good


def _is_stale(ticket: Path) -> bool:
    return time.time() - ticket.stat().st_mtime > TICKET_SECONDS


def _name_of(ticket: str) -> str:
    """Whoever reads the folder's names cannot sign in with them."""
    return hashlib.sha256(ticket.encode()).hexdigest()


def _tickets() -> Path:
    return get_settings().home.resolve() / "tickets"


def _read(secret: Path) -> str | None:
    try:
        return secret.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
