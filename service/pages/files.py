"""The pages' own style sheet and script: two files, read once, kept by browsers until they change."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

FOLDER = Path(__file__).with_name("static")
KINDS = {"pages.css": "text/css; charset=utf-8", "pages.js": "text/javascript; charset=utf-8"}
FILES = {name: (FOLDER / name).read_bytes() for name in KINDS}
A_YEAR = 31_536_000

router = APIRouter(include_in_schema=False)


def address_of(name: str) -> str:
    """Where a file is, by its content: a new version is another address."""
    return f"/static/{name}?v={hashlib.sha256(FILES[name]).hexdigest()[:12]}"


@router.get("/static/{name}")
def file(name: str) -> Response:
    """One of the files; nothing else in the folder is served."""
    if name not in FILES:
        raise HTTPException(404, "no such file")
    headers = {"cache-control": f"private, max-age={A_YEAR}, immutable"}
    return Response(FILES[name], media_type=KINDS[name], headers=headers)
