"""First imports, one thread at a time.

A thread that first imports a package waits for its modules, one that first imports such a module waits for the package:
Python then ends one of the two half-way, and what it was for with it. So whatever a request, or a thread beside them,
imports of the house in use is imported under this lock, and nothing else is done under it.
"""

from __future__ import annotations

import threading

ONE_AT_A_TIME = threading.RLock()
