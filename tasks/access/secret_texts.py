"""The text of a key, and what is kept of it: a slow hash, from which nobody gets the text back. Pure.

A key is `rf_<id>_<secret>`. The id is public and finds the row; the secret has 256 bits, and only its scrypt hash is
kept (Percival and Josefsson, RFC 7914; N = 2^14, r = 8, p = 1: 16 MiB and some 40 ms of CPU), so that a copy of the
warehouse, such as a backup, opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

PREFIX = "rf"
KEY = re.compile(r"rf_([0-9a-f]{16})_([A-Za-z0-9_-]{43})", re.ASCII)
COST, BLOCK, PARALLEL, MEMORY = 2**14, 8, 1, 64 * 2**20


def new_id() -> str:
    """The public half of a new key."""
    return secrets.token_hex(8)


def new_secret() -> str:
    """The secret half of a new key."""
    return secrets.token_urlsafe(32)


def new_salt() -> bytes:
    """What makes two hashes of one secret differ."""
    return secrets.token_bytes(16)


def text_of(key_id: str, secret: str) -> str:
    """The key as a person is shown it, once."""
    return f"{PREFIX}_{key_id}_{secret}"


def parts_of(text: str) -> tuple[str, str] | None:
    """Id and secret; None for what is no key at all."""
    match = KEY.fullmatch(text)
    return None if match is None else (match[1], match[2])


def slow_hash(secret: str, salt: bytes) -> bytes:
    """32 bytes that are kept in place of the secret."""
    return hashlib.scrypt(secret.encode(), salt=salt, n=COST, r=BLOCK, p=PARALLEL, maxmem=MEMORY, dklen=32)


def is_secret(secret: str, salt: bytes, kept: bytes) -> bool:
    """Whether this is the secret that was hashed, in a time that tells nothing of how near it is."""
    return hmac.compare_digest(slow_hash(secret, salt), kept)
