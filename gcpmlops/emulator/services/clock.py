"""``/emulator/clock`` on the plain port: the emulator's clock, shown and moved."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from google.api_core import exceptions

from gcpmlops.emulator.kernel import durations
from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.http import Receive, Scope, Send, read_body, reply, reply_error

PATIENCE_S = 600.0  # how long one moment may take, unless told otherwise
_VERBS = ("advance", "set", "freeze", "run")


class ClockApp:
    """ASGI application: GET shows the clock, POST moves it.

    A POST's body is JSON with one of ``{"advance": "1d"}``, ``{"set": "2013-07-01T00:00:00Z"}``, ``{"freeze": true}``
    and ``{"run": true}``; ``"wait": false`` does not wait for what falls due, ``"patience_seconds"`` bounds that wait,
    ``"back": true`` lets ``set`` go back in time. A client that hangs up ends the journey.

    Args:
        agenda: has the clock, and moves it.
        is_empty: whether the emulator holds nothing yet: its clock may be set to any time then.
    """

    def __init__(self, agenda: Agenda, is_empty: Callable[[], bool]) -> None:
        self._clock = agenda.clock
        self._agenda = agenda
        self._is_empty = is_empty

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            done = await self._answer(scope, receive)
        except exceptions.GoogleAPICallError as error:
            await reply_error(error, send)
            return
        content = orjson.dumps(self.view() | ({} if done is None else {"done": done}))
        await reply(200, content, {"content-type": "application/json"}, send)

    def view(self) -> dict[str, Any]:
        """What GET shows."""
        state, following = self._clock.state, self._agenda.next()
        return {
            "now": _text(state.now()),
            "frozen": state.stands_at is not None and not state.is_held,
            "moving": self._agenda.is_travelling,
            "offset_seconds": round((state.now() - datetime.now(UTC)).total_seconds(), 3),
            "waiting_for": self._agenda.in_flight(),
            "next": None if following is None else {"time": _text(following.when), "name": following.name},
        }

    async def _answer(self, scope: Scope, receive: Receive) -> int | None:
        if scope["path"].rstrip("/") != "/emulator/clock":
            raise exceptions.NotFound(f"{scope['path']} is nothing of the emulator's; /emulator/clock is its clock.")
        if scope["method"] in ("GET", "HEAD"):
            return None
        if scope["method"] != "POST":
            raise exceptions.MethodNotAllowed(f"{scope['method']}: the clock knows GET and POST.")
        order = _order(await read_body(receive))
        return await self._unless_gone(receive, lambda: self._obey(order))

    def _obey(self, order: dict[str, Any]) -> int:
        verb = next(verb for verb in _VERBS if verb in order)
        if verb == "freeze":
            self._agenda.freeze()
        elif verb == "run":
            self._agenda.run()
        elif verb == "advance":
            return self._travel(order, durations.duration(str(order[verb])))
        else:
            return self._set(order, durations.moment(str(order[verb])))
        return 0

    def _set(self, order: dict[str, Any], to: datetime) -> int:
        now = self._clock.now()
        if to >= now:
            return self._travel(order, to)
        if not order.get("back") and not self._is_empty():
            raise exceptions.InvalidArgument(
                f"{_text(to)} is before the emulator's time, {_text(now)}. What it holds would have times that are yet "
                "to come: if that is what you want, say --back (back=True)."
            )
        self._agenda.set_back(to)
        return 0

    def _travel(self, order: dict[str, Any], to: Any) -> int:
        patience = float(order.get("patience_seconds") or PATIENCE_S)
        try:
            return self._agenda.travel(to, patience=patience if order.get("wait", True) else None)
        except OverflowError:
            raise exceptions.InvalidArgument("The calendar ends with the year 9999.") from None

    async def _unless_gone(self, receive: Receive, work: Callable[[], int]) -> int:
        """Runs it on a thread of its own, which nothing waits for at the emulator's end."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[int] = loop.create_future()

        def settle(outcome: int | BaseException) -> None:
            if result.done():
                return
            if isinstance(outcome, BaseException):
                result.set_exception(outcome)
            else:
                result.set_result(outcome)

        def run() -> None:
            outcome: int | BaseException
            try:
                outcome = work()
            except Exception as error:  # noqa: BLE001 - the caller's to answer
                outcome = error
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, outcome)

        threading.Thread(target=run, name="clock", daemon=True).start()
        gone = asyncio.ensure_future(receive())  # resolves when the client hangs up
        try:
            await asyncio.wait((result, gone), return_when=asyncio.FIRST_COMPLETED)
            if not result.done():
                self._agenda.stop()
            return await result
        finally:
            gone.cancel()


def _order(body: bytes) -> dict[str, Any]:
    try:
        order = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise exceptions.InvalidArgument(f"The body is not JSON: {error}.") from None
    if not isinstance(order, dict) or len([verb for verb in _VERBS if verb in order]) != 1:
        raise exceptions.InvalidArgument(f"The body names one of {', '.join(_VERBS)}.")
    return order


def _text(moment: datetime) -> str:
    """Without a fraction where there is none."""
    return moment.isoformat().replace("+00:00", "Z")
