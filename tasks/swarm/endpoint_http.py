"""One request to an endpoint over HTTP: where it goes, and a reply of bounded size.

A body is read as it streams in and counted as it is decompressed, so that neither an endless one nor a small one that
unpacks to gigabytes is ever held. A redirect is followed within its own origin alone: a prompt and a key go nowhere
that was not configured.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urljoin, urlsplit

import httpx

from tasks.swarm.fencing import storable

OPENAI = "https://api.openai.com/v1"
CALL = "/chat/completions"
AZURE = (".openai.azure.com", ".cognitiveservices.azure.com")
AZURE_VERSION = "2024-10-21"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
MOST_BYTES = 4 * 2**20
MOST_REDIRECTS = 3
KEEPS_ITS_METHOD = (307, 308)
PACKED = {"gzip": 47, "x-gzip": 47, "deflate": 47}  # zlib's number for a header of either kind


class TransitError(Exception):
    """Why no reply could be had or kept; never leaves the modules that speak with endpoints.

    Attributes:
        is_final: whether asking again would end alike.
    """

    def __init__(self, says: str, *, is_final: bool = True) -> None:
        self.is_final = is_final
        super().__init__(says)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: headers in lower case, and the body, unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def open_client(base_url: str | None, seconds: float) -> httpx.AsyncClient:
    """An HTTP client; it reads certificates, which takes long enough to block an event loop."""
    address = urlsplit(base_url or OPENAI)
    # Proxy settings of the environment catch loopback addresses, too; plain HTTP needs no certificates read.
    is_local = address.hostname in LOOPBACK
    verify = not is_local or address.scheme != "http"
    return httpx.AsyncClient(timeout=seconds, follow_redirects=False, trust_env=not is_local, verify=verify)


def addresses_for(base_url: str | None, model: str, api_version: str | None = None) -> tuple[str, ...]:
    """Where a model may answer, the likeliest first.

    A base URL may be the folder of `/chat/completions`, that address itself, a server whose `/v1` was left out, or an
    Azure resource with or without its deployment, which then is the model.
    """
    address = urlsplit((base_url or OPENAI).strip())
    path = address.path.rstrip("/")
    if is_azure(base_url) and not path.startswith("/openai/v1"):
        return (_azure(address, path, model, api_version),)
    if path.endswith(CALL):
        return (address._replace(path=path).geturl(),)
    first = address._replace(path=path + CALL).geturl()
    has_version = any(part[:1] == "v" and part[1:2].isdigit() for part in path.split("/"))
    return (first,) if has_version else (first, address._replace(path=f"{path}/v1{CALL}").geturl())


def is_azure(base_url: str | None) -> bool:
    """Whether keys go into Azure's own header there."""
    address = urlsplit(base_url or OPENAI)
    return (address.hostname or "").endswith(AZURE) or "/openai/deployments/" in address.path


def shown(address: str) -> str:
    """The address without what may be secret in it: user, password and query."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def key_header(base_url: str | None, api_key: str | None) -> dict[str, str]:
    """How the endpoint is told the key."""
    if is_azure(base_url):
        return {"api-key": api_key or ""}
    return {"authorization": f"Bearer {api_key or 'none'}"}


async def post(client: httpx.AsyncClient, address: str, headers: Mapping[str, str], payload: Any) -> Answer:
    """One reply, whatever its status.

    Raises:
        TransitError: if none came, it was larger than 4 MB, or it leads to another origin.
    """
    content = storable(json.dumps(payload, ensure_ascii=False)).encode()
    sent = {"content-type": "application/json", "accept-encoding": "gzip, identity", **headers}
    target = address
    for _ in range(MOST_REDIRECTS + 1):
        try:
            async with client.stream("POST", target, content=content, headers=sent) as response:
                location = response.headers.get("location")
                if not (response.is_redirect and location):
                    return Answer(response.status_code, response.headers, await _bounded(response))
                status = response.status_code
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError, OSError) as problem:
            raise TransitError(f"no reply from {shown(target)} ({_why(problem)})", is_final=False) from None
        target = _within(target, location, status)
    raise TransitError(f"{shown(address)} redirects in a circle")


def _within(target: str, location: str, status: int) -> str:
    """Where a redirect leads, if the same server stands there and the request may be sent again as it is."""
    try:
        following = urljoin(target, location)
        is_same = _origin(urlsplit(following)) == _origin(urlsplit(target))
    except ValueError:
        raise TransitError(f"{shown(target)} redirects to no address") from None
    if is_same and status in KEEPS_ITS_METHOD:
        return following
    where = storable(shown(following))[:200].removesuffix(CALL)
    raise TransitError(
        f"{shown(target)} redirects to {where}, which is not followed; if it is right, name it in OPENAI_BASE_URL"
    )


def _origin(address: SplitResult) -> tuple[str, str | None, int | None]:
    return address.scheme, address.hostname, address.port or {"http": 80, "https": 443}.get(address.scheme)


def _azure(address: SplitResult, path: str, model: str, api_version: str | None) -> str:
    query: Sequence[tuple[str, str]] = parse_qsl(address.query)
    if not any(name == "api-version" for name, _ in query):
        query = [*query, ("api-version", api_version or AZURE_VERSION)]
    if "/deployments/" not in path:
        path = f"{path.removesuffix('/openai')}/openai/deployments/{quote(model, safe='')}"
    path = path if path.endswith(CALL) else path + CALL
    return address._replace(path=path, query=urlencode(query)).geturl()


class _Unpacker:
    """What is packed in one part or in several, one behind the other, as gzip allows.

    Args:
        kind: zlib's number for it.
    """

    def __init__(self, kind: int) -> None:
        self._kind, self._part = kind, zlib.decompressobj(kind)

    def unpacked(self, chunk: bytes, most: int) -> bytes:
        """At most so many bytes of what a chunk holds."""
        body = b""
        while chunk and len(body) < most:
            if self._part.eof:
                self._part = zlib.decompressobj(self._kind)
            body += self._part.decompress(chunk, most - len(body))
            chunk = self._part.unused_data
        return body


async def _bounded(response: httpx.Response) -> bytes:
    """The body, unpacked, of at most 4 MB."""
    packed = response.headers.get("content-encoding", "").strip().lower()
    if packed not in ("", "identity", *PACKED):
        raise TransitError(
            f"{shown(str(response.url))} packs its reply as {storable(packed)[:40]!r}, which was not asked for"
        )
    unpack = _Unpacker(PACKED[packed]) if packed in PACKED else None
    body = bytearray()
    async for chunk in response.aiter_raw():
        try:
            body += unpack.unpacked(chunk, MOST_BYTES + 1 - len(body)) if unpack else chunk
        except zlib.error:
            raise TransitError(f"{shown(str(response.url))} packs its reply wrongly") from None
        if len(body) > MOST_BYTES:
            raise TransitError(f"the reply of {shown(str(response.url))} is larger than {MOST_BYTES // 2**20} MB")
    return bytes(body)


def _why(problem: Exception) -> str:
    return storable(str(problem) or type(problem).__name__)[:200]
