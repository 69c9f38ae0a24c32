"""What a person sees at `/`. Whoever gets here has signed in: the front door asks."""

from __future__ import annotations

from fastapi import APIRouter

from service.pages import files, routes

router = APIRouter(include_in_schema=False)
router.include_router(routes.router)
router.include_router(files.router)

__all__ = ["router"]
