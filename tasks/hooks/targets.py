"""Which addresses a hook may have, and where exactly a message goes.

A hook's address is a customer's word, and the request comes from inside our network: it must reach the public
internet alone (server-side request forgery). A name is looked up once for each message, every answer is checked, and
the connection goes to the address that was checked: a second look-up could answer otherwise.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from tasks.hooks.errors import HookRequestError, HookUnheardError

LONGEST = 2_000
PORTS = {"http": 80, "https": 443}
# IPv6 addresses that lead to an IPv4 one, whichever it is: NAT64 twice, 6to4, Teredo.
TRANSLATED = tuple(ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
SETTING = "RAPTORFLOW_HOOK_NETWORKS"
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class HookTarget:
    """An address in its parts.

    Attributes:
        host: as it is written, for the certificate and the Host header.
        path: with the query.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def target_of(url: str) -> HookTarget:
    """The parts of an address, as far as it can be one.

    Raises:
        HookRequestError: if it is none that a hook may have.
    """
    if not (url.isascii() and url.isprintable() and " " not in url and "\\" not in url and len(url) <= LONGEST):
        raise HookRequestError(f"a hook's address has up to {LONGEST:,} plain characters; encode what else it holds")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise HookRequestError("a hook's address is https://HOST/PATH") from None
    if parts.scheme not in PORTS or not host or port == 0:
        raise HookRequestError("a hook's address is https://HOST/PATH")
    if parts.username is not None or parts.password is not None:
        raise HookRequestError("a hook's address holds no user or password; check the signature instead")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return HookTarget(parts.scheme, host, port or PORTS[parts.scheme], path)


def require_allowed(target: HookTarget, allowed: Sequence[Network]) -> None:
    """Refuse at once what can be seen to be inside; a name is looked up when a message goes.

    Raises:
        HookRequestError: for plain HTTP or an inner address, unless the setting allows it.
    """
    try:
        address = ip_address(target.host)
    except ValueError:
        if target.scheme != "https" and not allowed:
            raise HookRequestError(f"a hook's address begins with https://; {SETTING} allows others") from None
        return
    problem = _problem(target.scheme, address, allowed)
    if problem:
        raise HookRequestError(problem)


def checked_address(target: HookTarget, allowed: Sequence[Network]) -> str:
    """The numeric address to connect to; all that the name leads to are allowed.

    Raises:
        HookUnheardError: if there is none, or one of them may not be asked.
    """
    try:
        answers = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise HookUnheardError(f"{target.host} has no address") from None
    addresses = [str(answer[4][0]) for answer in answers]
    for text in addresses:
        problem = _problem(target.scheme, ip_address(text.partition("%")[0]), allowed)
        if problem:
            raise HookUnheardError(problem)
    return addresses[0]


def _problem(scheme: str, address: IPv4Address | IPv6Address, allowed: Sequence[Network]) -> str | None:
    """Why this address may not be asked; None where it may."""
    real = address.ipv4_mapped if isinstance(address, IPv6Address) and address.ipv4_mapped else address
    if any(real in network for network in allowed):
        return None
    is_translated = any(real in network for network in TRANSLATED)
    if not real.is_global or real.is_multicast or real.is_reserved or is_translated:
        return f"{address} is no public address; {SETTING} allows inner networks"
    if scheme != "https":
        return f"messages go out over https:// alone; {SETTING} names networks where plain HTTP may do"
    return None
