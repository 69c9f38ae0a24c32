"""Webhooks: customers' addresses that are told what became of their workspace, signed and repeated."""

from __future__ import annotations

from tasks.hooks.service import HookService

__all__ = ["HookService"]
