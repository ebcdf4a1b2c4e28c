"""A deployment: from the message and the archive to a function that has started and is served."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from google.api_core import exceptions
from google.cloud.functions_v2 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.function_instances import Instances
from gcpmlops.emulator.runtimes.function_spec import FunctionSpec
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.runtimes.server_programs import KEPT_VARIABLES
from gcpmlops.emulator.services.functions import access, naming, run_resources
from gcpmlops.emulator.services.functions.logs import Append, RevisionLog
from gcpmlops.emulator.services.functions.revisions import Revisions
from gcpmlops.emulator.services.functions.run_resources import RunRows
from gcpmlops.emulator.services.functions.served import Directory, Served
from gcpmlops.emulator.services.functions.sources import Sources
from gcpmlops.emulator.services.functions.triggers import Triggers

log = logging.getLogger(__name__)

_STATE: Any = types.Function.State
_ACTIVE, _FAILED, _DEPLOYING = _STATE.ACTIVE, _STATE.FAILED, _STATE.DEPLOYING
_NEVER = types.EventTrigger.RetryPolicy.RETRY_POLICY_DO_NOT_RETRY


class Deployments:
    """Deploys functions, serves them again after a restart, takes them away.

    Args:
        directory: where the front finds what is served.
        base: variables that every instance gets, by the account that it runs as.
        sockets: a private folder with a short path.
        append: takes log entries.
    """

    def __init__(
        self,
        context: Context,
        directory: Directory,
        *,
        revisions: Revisions,
        sources: Sources,
        triggers: Triggers,
        processes: Processes,
        sockets: Path,
        base: Callable[[str], Mapping[str, str]],
        append: Append,
    ) -> None:
        self._context = context
        self.revisions = revisions
        self.sources = sources
        self.triggers = triggers
        self.directory = directory
        self.rows: Any = context.store.collection(types.Function)
        self.run = RunRows(context.store)
        self._processes = processes
        self._sockets = sockets
        self._base = base
        self._append = append

    def deploy(self, function: types.Function, before: types.Function | None) -> types.Function:
        """Builds, starts, serves; a new revision takes over when it listens.

        Raises: what the build or the start failed with; then what was served before is served still.
        """
        with self._context.agenda.busy(f"deployment of {function.name}"):
            try:
                return self._deploy(function, before)
            except exceptions.GoogleAPICallError as error:
                self._fail(function, before, str(error.message))
                raise
            except Exception as error:
                log.exception("%s could not be deployed", function.name)
                self._fail(function, before, str(error))
                raise

    def delete(self, name: str) -> None:
        """Serves it no more and forgets it."""
        function = self.rows.get(name)
        self.triggers.remove(function)
        served = self.directory.remove(naming.service_of(name))
        if served is not None:
            served.instances.stop()
        self.run.delete(naming.service_of(name))
        self.rows.delete(name)
        self.revisions.forget(name)

    def resume(self) -> None:
        """After a restart: everything that was served is served again, cold."""
        try:
            for function in self.rows.list():
                if function.state == _DEPLOYING:
                    function = self._interrupted(function)
                if function.state == _ACTIVE:
                    self._resume(function)
        finally:
            self.directory.complete.set()

    def set_policy(self, service: str, policy: Any) -> Any:
        """The service's IAM policy counts from the next request on."""
        self.run.policies.put(service, policy)
        served = self.directory.of_service(service)
        if served is not None:
            served.invokers = access.invokers(policy)
        return self.run.policy(service)

    def close(self) -> None:
        """Ends all instances."""
        for served in self.directory.all():
            served.instances.stop(drain=0)

    def _deploy(self, function: types.Function, before: types.Function | None) -> types.Function:
        service, now = naming.service_of(function.name), self._context.clock.now()
        kept, archive = self.sources.kept(function.name, function.build_config.source)
        number = self.run.next_number(service)
        function.service_config.revision = naming.revision_id(service, number, f"{service}{now}{kept.generation}")
        function.build_config.source = types.Source(storage_source=kept)
        function.build_config.source_provenance = types.SourceProvenance(resolved_storage_source=kept)
        self.revisions.unpack(function, archive, f"gs://{kept.bucket}/{kept.object_}")
        instances = self._instances(function, self.revisions.spec(function))
        try:
            instances.warm()
            self._change_trigger(function, before)
        except BaseException:
            instances.stop(drain=0)
            raise
        function.state, function.state_messages = _ACTIVE, []
        function.update_time = self._context.clock.now()
        self._commit(function, number, service)
        self._serve(function, instances)
        older = before.service_config.revision if before is not None else ""  # it may still be at work
        self.revisions.forget(function.name, keep=(function.service_config.revision, older))
        return function

    def _commit(self, function: types.Function, number: int, service: str) -> None:
        """Function, service and revision in one transaction."""
        revision = run_resources.revision_of(function, number, function.update_time)

        def write(_: Any) -> None:
            row = run_resources.service_of(function, revision, self.run.services.find(service))
            self.run.revisions.put(revision.name, revision, parent=service)
            self.run.services.put(service, row)
            self.rows.put(function.name, function)

        self._context.store.write(write)

    def _change_trigger(self, function: types.Function, before: types.Function | None) -> None:
        old = before.event_trigger.trigger if before is not None and "event_trigger" in before else ""
        new = function.event_trigger.trigger if "event_trigger" in function else ""
        if old and old != new and before is not None:
            self.triggers.remove(before)
        if new:
            self.triggers.make(function)

    def _instances(self, function: types.Function, spec: FunctionSpec) -> Instances:
        line = RevisionLog(naming.service_of(function.name), spec.revision, self._append).line
        return Instances(spec, self._processes, self._sockets, self._variables(spec), line)

    def _variables(self, spec: FunctionSpec) -> dict[str, str]:
        """What each instance has beside the revision's own: this machine's, and what leads to the emulator."""
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        path = f"{spec.python.parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
        return {**kept, **self._base(spec.account), "PATH": path}

    def _serve(self, function: types.Function, instances: Instances) -> None:
        policy = self.run.policy(naming.service_of(function.name))
        drops = "event_trigger" in function and function.event_trigger.retry_policy == _NEVER
        served = Served(function.name, instances, access.invokers(policy), drops)
        before = self.directory.put(served)
        if before is not None:
            before.instances.stop()

    def _resume(self, function: types.Function) -> None:
        try:
            instances = self._instances(function, self.revisions.spec(function))
        except (exceptions.GoogleAPICallError, OSError) as error:
            log.error("%s is not served again: %s", function.name, error)
            self._set_failed(function, f"After the restart of the emulator it could not be started: {error}")
            return
        self._serve(function, instances)
        self.triggers.listen(function)
        instances.keep_minimum()

    def _interrupted(self, function: types.Function) -> types.Function:
        """The emulator ended while it was being deployed: what served before serves again."""
        if self.run.services.find(naming.service_of(function.name)) is None:
            self._set_failed(function, "The emulator was restarted while this function was being deployed.")
            return function
        function.state = _ACTIVE
        self.rows.put(function.name, function)
        return function

    def _fail(self, function: types.Function, before: types.Function | None, text: str) -> None:
        """A new function stays, FAILED; one that serves already goes on as it was, with a message."""
        if before is not None and before.state == _ACTIVE:
            kept = types.Function(before)
            kept.state_messages = [_message(text)]
            self.rows.put(kept.name, kept)
            self.revisions.forget(kept.name, keep=(kept.service_config.revision,))
        else:
            self._set_failed(function, text)

    def _set_failed(self, function: types.Function, text: str) -> None:
        function.state, function.state_messages = _FAILED, [_message(text)]
        self.rows.put(function.name, function)
        project = names.project_of(function.name)
        log.info("a function of %s is FAILED: %s", project, function.name)


def _message(text: str) -> types.StateMessage:
    return types.StateMessage(
        severity=types.StateMessage.Severity.ERROR, type_="BuildOrHealthcheckFailed", message=text
    )
