"""What can be wrong with a request for a key; nothing was written when one of these is raised.

InputError
└── KeyRequestError   a key of nobody, of two, without a scope, or that never was
"""

from __future__ import annotations

from tasks.errors import InputError


class KeyRequestError(InputError):
    """Raised when a key cannot be made, or taken back, as it is asked for."""
