"""Blocking work off the event loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

POOL: contextvars.ContextVar[ThreadPoolExecutor] = contextvars.ContextVar("storage_pool")


async def in_pool(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a blocking function on the threads of the app that serves this request."""
    loop = asyncio.get_running_loop()
    if kwargs:
        return await loop.run_in_executor(POOL.get(), lambda: function(*args, **kwargs))
    return await loop.run_in_executor(POOL.get(), function, *args)
