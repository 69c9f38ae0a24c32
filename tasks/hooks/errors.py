"""What can be wrong with a webhook; nothing was written when the first of these is raised.

InputError
└── HookRequestError   an address that is none, or that may not be asked
RaptorflowError
└── HookUnheardError   an address that did not take a message; the courier keeps why, nobody else meets it
"""

from __future__ import annotations

from tasks.errors import InputError, RaptorflowError


class HookRequestError(InputError):
    """Raised when a hook cannot be made as it is asked for."""


class HookUnheardError(RaptorflowError):
    """Raised when a message could not be left at an address."""
