"""Free TCP ports of 127.0.0.1 for programs that are told where to listen."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import threading

from google.api_core import exceptions

_FIRST, _LAST = 20_000, 32_767
"""Below the ports that Linux (32768 and up) and macOS (49152 and up) give to connections and to `bind` without a port:
none of these becomes another one's between this answer and the program's own `bind`."""
_lock = threading.Lock()
_candidates = itertools.cycle(range(_FIRST, _LAST + 1))
# another process's begin elsewhere
next(itertools.islice(_candidates, random.SystemRandom().randrange(_LAST - _FIRST), None))


def free_port(wanted: int = 0) -> int:
    """The wanted port where it is free, else one that nobody listens on, and that was not given for long.

    Raises: FailedPrecondition where there is none.
    """
    if wanted and _is_free(wanted):
        return wanted
    with _lock:
        for port in itertools.islice(_candidates, _LAST - _FIRST + 1):
            if _is_free(port):
                return port
    raise exceptions.FailedPrecondition(f"None of the ports {_FIRST} to {_LAST} of 127.0.0.1 is free.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False
