"""What a person sees at `/`. Whoever gets here has signed in: the front door asks."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)

__all__ = ["router"]
