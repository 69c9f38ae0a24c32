"""Who may ask the service for what: keys of programs, and the log of what they changed."""

from __future__ import annotations

from tasks.access.records import Key, Scope
from tasks.access.service import AccessService

__all__ = ["AccessService", "Key", "Scope"]
