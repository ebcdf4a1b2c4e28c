"""The machines of instances: servers that are started and stopped, and what that does to the instances' states."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import Any

from google.api_core import exceptions
from google.cloud.notebooks_v2 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.cancellation import Cancellation, Cancelled
from gcpmlops.emulator.runtimes.notebook import Disk, NotebookRuntime, NotebookServer
from gcpmlops.emulator.runtimes.process import Exit
from gcpmlops.emulator.services.logging.writer import WriteLog
from gcpmlops.emulator.services.notebooks import checks
from gcpmlops.emulator.services.notebooks.idle import IdleWatch
from gcpmlops.emulator.services.notebooks.scripts import Scripts

log = logging.getLogger(__name__)

State: Any = types.State
Health: Any = types.HealthState
RUNS = (State.ACTIVE, State.STARTING, State.PROVISIONING)


@dataclass
class Run:
    """One run of an instance's server."""

    cancellation: Cancellation = field(default_factory=Cancellation)
    server: NotebookServer | None = None
    exit: Exit | None = None
    is_active: bool = False
    is_leaving: bool = False


class Machines:
    """Boots and halts instances; `boot` and `halt` take as long as they take, one at a time for each instance."""

    def __init__(self, context: Context, runtime: NotebookRuntime, scripts: Scripts, write_log: WriteLog) -> None:
        self.rows = context.store.collection(types.Instance)
        self._context = context
        self._runtime = runtime
        self._scripts = scripts
        self._write_log = write_log
        self._idle = IdleWatch(context.agenda)
        self._runs: dict[str, Run] = {}
        self._guard = threading.Lock()
        self._closing = False

    def boot(self, name: str) -> types.Instance:
        """Starts the server of an instance whose state says that it starts; the instance, ACTIVE.

        Raises: FailedPrecondition with the reason, the instance is STOPPED then; Cancelled.
        """
        with self._context.locks(name):
            run = self._begin(name)
            try:
                server = self._start(name, run)
            except Exception as error:
                raise self._failed(name, error) from error
            return self._arrived(name, run, server)

    def halt(self, name: str) -> types.Instance:
        """Ends the server; the instance, STOPPED. A start that is under way is given up."""
        self.give_up(name)
        with self._context.locks(name):
            self._end(name)
            return self._set(name, State.STOPPED)

    def reset(self, name: str) -> types.Instance:
        """Ends the server at once and starts it again."""
        with self._context.locks(name):
            self._end(name)
            return self.boot(name)

    def remove(self, name: str) -> None:
        """Ends the server; the instance and its disk are gone."""
        self.give_up(name)
        with self._context.locks(name):
            self._end(name)
            disk = self._disk(self.rows.get(name))
            self.rows.delete(name)
            disk.remove()

    def give_up(self, name: str) -> None:
        """A start that is under way fails soon."""
        with self._guard:
            run = self._runs.get(name)
        if run is not None and not run.is_active:
            run.cancellation.request()

    def resume(self) -> None:
        """After a restart: what ran runs again, what was being stopped or deleted is."""
        for instance in self.rows.list():
            try:
                if instance.state in RUNS:
                    self.rows.update(instance.name, lambda row: setattr(row, "state", State.STARTING))
                    self.boot(instance.name)
                elif instance.state == State.STOPPING:
                    self._set(instance.name, State.STOPPED)
                elif instance.state == State.DELETED:
                    self.remove(instance.name)
            except exceptions.GoogleAPICallError as error:
                log.warning("%s does not run again: %s", instance.name, error.message)

    def close(self) -> None:
        """Ends all servers; what ran runs again with the next emulator."""
        with self._guard:
            self._closing = True
            runs = list(self._runs.values())
        for run in runs:
            run.is_leaving = True
            run.cancellation.request()
            if run.server is not None:
                run.server.end()

    def _begin(self, name: str) -> Run:
        with self._guard:
            if self._closing:
                raise exceptions.Aborted("The emulator stops.")
            run = self._runs[name] = Run()
            return run

    def _start(self, name: str, run: Run) -> NotebookServer:
        instance = self.rows.get(name)

        def on_line(_: str, text: str) -> None:
            self._log(instance, text)

        environment = self._runtime.environment(on_line, run.cancellation)
        self._set(name, State.STARTING)
        return self._runtime.start(
            self._disk(instance),
            environment,
            account=checks.account(instance.gce_setup),
            project=names.project_of(name),
            port=_port(instance.proxy_uri),
            on_line=on_line,
            on_exit=lambda result: self._ended(name, run, result),
            cancellation=run.cancellation,
        )

    def _arrived(self, name: str, run: Run, server: NotebookServer) -> types.Instance:
        run.server = server
        active = self._set(name, State.ACTIVE, server)
        with self._guard:
            run.is_active = True
        if run.exit is not None:  # since it listened
            self._ended(name, run, run.exit)
        if run.cancellation.requested:
            return active  # whoever asked waits for the lock, and ends it
        if seconds := checks.idle_seconds(active.gce_setup):
            self._idle.watch(name, server, seconds, lambda: not run.is_leaving, lambda: self._stop_idle(name, seconds))
        self._scripts.run(active, server, self._disk(active), self._log)
        return active

    def _end(self, name: str) -> None:
        with self._guard:
            run = self._runs.pop(name, None)
        if run is not None and run.server is not None:
            run.is_leaving = True
            run.server.end()
            run.server.join()

    def _failed(self, name: str, error: Exception) -> Exception:
        with self._guard:
            self._runs.pop(name, None)
            closing = self._closing
        if isinstance(error, Cancelled):
            error = exceptions.Cancelled(f"{name} was stopped while it started.")
        if not closing and self.rows.find(name) is not None:
            reason = error.message if isinstance(error, exceptions.GoogleAPICallError) else str(error)
            self._set(name, State.STOPPED, reason=reason)
        return error

    def _ended(self, name: str, run: Run, result: Exit) -> None:
        """JupyterLab went by itself: the machine is up, and not well."""
        run.exit = result
        with self._guard:
            if not run.is_active or run.is_leaving or self._closing:
                return
        reason = f"JupyterLab ended with {result.describe()}: reset the instance. " + "\n".join(result.tail[-5:])
        try:
            self.rows.update(name, lambda row: self._health(row, Health.UNHEALTHY, reason))
        except exceptions.NotFound:
            log.info("%s is gone before its server ended", name)

    def _set(self, name: str, state: Any, server: NotebookServer | None = None, reason: str = "") -> types.Instance:
        def change(row: types.Instance) -> None:
            if row.state != State.DELETED:
                row.state = state
            row.update_time = self._context.clock.now()
            if server is not None:
                row.proxy_uri = f"http://127.0.0.1:{server.port}/lab?token={server.token}"
            self._health(row, Health.HEALTHY if server is not None else Health.HEALTH_STATE_UNSPECIFIED, reason)

        instance: types.Instance = self.rows.update(name, change)
        return instance

    def _health(self, row: types.Instance, health: Any, reason: str) -> None:
        row.health_state = health
        row.health_info = {}
        if health != Health.HEALTH_STATE_UNSPECIFIED:
            status = "1" if health == Health.HEALTHY else "-1"
            updated = str(self._context.clock.now())
            row.health_info = {"jupyterlab_status": status, "jupyterlab_api_status": status, "updated": updated}
        if reason:
            row.health_info["reason"] = reason

    def _stop_idle(self, name: str, seconds: int) -> None:
        instance = self.rows.find(name)
        if instance is not None and instance.state == State.ACTIVE:
            self._log(instance, f"Idle for {seconds} s: the instance is stopped.")
            self._set(name, State.STOPPING)
            self.halt(name)

    def _disk(self, instance: types.Instance) -> Disk:
        return self._runtime.disk(instance.id)

    def _log(self, instance: types.Instance, text: str) -> None:
        project, zone = names.project_of(instance.name), names.location_of(instance.name)
        resource = {"project_id": project, "zone": zone, "instance_id": instance.id}
        own = {"instance_name": instance.name.rpartition("/")[2]}
        self._write_log(f"projects/{project}/logs/jupyter", ("gce_instance", resource), "INFO", text, own)


def _port(uri: str) -> int:
    """Where it listened before; 0 where it never did."""
    found = uri.removeprefix("http://127.0.0.1:").partition("/")[0]
    return int(found) if found.isdigit() else 0
