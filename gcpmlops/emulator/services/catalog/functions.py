"""Cloud Functions, the Cloud Run services behind them, and Cloud Scheduler."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from gcpmlops.emulator.kernel.auth import Authenticator
from gcpmlops.emulator.kernel.gate import Needed
from gcpmlops.emulator.kernel.registry import JsonRoute
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services import iam_routes
from gcpmlops.emulator.services.catalog.parts import made_once
from gcpmlops.emulator.services.catalog.vertex import Vertex
from gcpmlops.emulator.services.functions import knative_routes
from gcpmlops.emulator.services.functions.served import Directory
from gcpmlops.emulator.state.store import Store

if TYPE_CHECKING:
    from gcpmlops.emulator.services.functions.deploying import Deployments as FunctionDeployments
    from gcpmlops.emulator.services.functions.knative import Knative
    from gcpmlops.emulator.services.functions.run_services import Services as RunServices
    from gcpmlops.emulator.services.iam import Policies
    from gcpmlops.emulator.services.scheduler.timetable import Timetable


class Functions(Vertex):
    """With functions and schedules."""

    def __init__(
        self, context: Context, store: Store, authenticator: Authenticator, sockets: Path, stack: ExitStack
    ) -> None:
        super().__init__(context, store, authenticator, sockets, stack)
        self._function_directory = Directory()

    def _functions(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.functions.service import FunctionService

        functions = FunctionService(self._context, self._function_deployments, self._default_account)
        return (functions, self._function_policies)

    @property
    def _default_account(self) -> str:
        """What functions run as where they are given no account."""
        if not self._settings.enforce_iam:
            return self._authenticator.email
        return f"{self._settings.project_number}-compute@developer.gserviceaccount.com"

    def _function_routes(self) -> tuple[JsonRoute, ...]:
        first_generation = JsonRoute(
            "GET", "/v1/{parent=projects/*/locations/*}/functions", lambda *_: {},
            Needed("cloudfunctions.functions.list", "{parent}"),
        )  # fmt: skip
        pattern = "/v2/{resource=projects/*/locations/*/functions/*}"
        return (first_generation, *iam_routes.routes(lambda: self._function_policies, pattern))

    @made_once
    def _function_policies(self) -> Policies:
        from gcpmlops.emulator.services.iam import Policies

        return Policies(self._context, self._function_deployments.rows.get, permissions="cloudfunctions.")

    def _run(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.functions.run_services import Revisions

        return (self._run_services, Revisions(self._context, self._function_deployments))

    def _knative_routes(self) -> tuple[JsonRoute, ...]:
        def make() -> Knative:
            from gcpmlops.emulator.services.functions.knative import Knative

            return Knative(self._function_deployments, self._run_services, self._settings.project)

        return knative_routes.routes(make)

    @made_once
    def _run_services(self) -> RunServices:
        from gcpmlops.emulator.services.functions.run_services import Services

        return Services(self._context, self._function_deployments)

    @made_once
    def _function_deployments(self) -> FunctionDeployments:
        from gcpmlops.emulator.services.functions.deploying import Deployments
        from gcpmlops.emulator.services.functions.revisions import Revisions
        from gcpmlops.emulator.services.functions.sources import Sources
        from gcpmlops.emulator.services.functions.triggers import Triggers

        publisher, subscriber = (lambda: self._publisher), (lambda: self._subscriber)
        triggers = Triggers(publisher, subscriber, self._default_account)
        self.storage.on_event.append(triggers.on_object)
        made: FunctionDeployments = self._closed_later(
            Deployments(
                self._context,
                self._function_directory,
                revisions=Revisions(self._data / "functions", self._environments),
                sources=Sources(self.storage, self._authenticator),
                triggers=triggers,
                processes=self.processes,
                sockets=self._sockets,
                base=self._child_variables,
                append=self.logs.add,
            )
        )
        return made

    def _scheduler(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.scheduler.service import CloudScheduler

        return (CloudScheduler(self._context, self._timetable),)

    @made_once
    def _timetable(self) -> Timetable:
        from gcpmlops.emulator.services.scheduler.log import ExecutionLog
        from gcpmlops.emulator.services.scheduler.targets import Targets
        from gcpmlops.emulator.services.scheduler.timetable import Timetable

        targets = Targets(self.outbound, lambda request: self._publisher.publish(request))
        timetable = Timetable(self._context, targets, ExecutionLog(self.logs.add))
        timetable.resume()
        return timetable
