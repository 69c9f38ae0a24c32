"""How a receiver knows that a message is ours, and of now. Pure.

Standard Webhooks (standardwebhooks.com), for which there are verifiers in most languages: the header
`webhook-signature` is `v1,` and the Base64 of HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
BYTES = 32


def new_secret() -> bytes:
    """The key of a new hook."""
    return secrets.token_bytes(BYTES)


def text_of(secret: bytes) -> str:
    """The secret as a person is shown it, once."""
    return PREFIX + base64.b64encode(secret).decode()


def signed_headers(secret: bytes, message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """Headers that sign a message.

    Args:
        seconds: since 1970, when it is sent; a receiver refuses what is minutes old, so that nobody can repeat it.
    """
    signature = hmac.digest(secret, f"{message_id}.{seconds}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
