"""Who signed: an Ed25519 key a home, and the fingerprint that people compare."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from tasks.private_files import NOBODY_ELSE, private_folder, write_once
from tasks.transfer.exchange.errors import SigningKeyError

KEY_FILE = "releases.key"
PUBLIC_KEY_BYTES, SIGNATURE_BYTES = 32, 64
MOST_KEY_BYTES = 4096


def has_key(home: Path) -> bool:
    """Whether this home has signed anything yet."""
    return (home / KEY_FILE).exists()


def signing_key(home: Path) -> Ed25519PrivateKey:
    """The private key of a home, made at the first call, readable for its owner alone.

    Raises:
        SigningKeyError: if the file holds something else; another key would be another sender.
    """
    path = private_folder(home) / KEY_FILE
    if not path.exists():
        write_once(path, _new_key())
    try:
        path.chmod(path.stat().st_mode & ~NOBODY_ELSE)  # a restored copy may be open to others
        with path.open("rb") as file:
            key = load_pem_private_key(file.read(MOST_KEY_BYTES), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise SigningKeyError(path, str(error).splitlines()[0]) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(path, f"an {type(key).__name__} instead of an Ed25519 key")
    return key


def _new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes of its public key."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def fingerprint_of(public_key: bytes) -> str:
    """SHA-256 of a public key, 64 hexadecimal digits: what settings trust and people compare."""
    return hashlib.sha256(public_key).hexdigest()


def is_signed(public_key: bytes, signature: bytes, signed: bytes) -> bool:
    """Whether the owner of the public key signed these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True
