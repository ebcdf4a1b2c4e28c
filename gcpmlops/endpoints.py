"""Endpoints of Vertex AI: deployments, rollouts, traffic and predictions."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

from gcpmlops._durations import Duration, seconds_of
from gcpmlops._endpoints import deployed_model, reaping
from gcpmlops._endpoints import rollback as rollback
from gcpmlops._endpoints.endpoint import Endpoint, price_of
from gcpmlops._endpoints.predictions import EndpointPredictions
from gcpmlops._endpoints.prices import Price
from gcpmlops._endpoints.reaping import Idle, Reaper
from gcpmlops._endpoints.rollout import Rollout
from gcpmlops._endpoints.rollout_claim import Claim, Interference
from gcpmlops._endpoints.rollout_run import Plan, RolloutRun, Tools
from gcpmlops._endpoints.rollout_watch import Clock, RolloutEvent
from gcpmlops._endpoints.sample_test import EndpointTest
from gcpmlops._endpoints.strategies import BlueGreen, Canary, Measure, Quality
from gcpmlops._endpoints.traffic import NEW, nonzero, split_with
from gcpmlops._endpoints.values import Explanation, Prediction
from gcpmlops._jobs.spec import Hardware
from gcpmlops._service_clock import ServiceClock
from gcpmlops.clients import Clients
from gcpmlops.exceptions import DeadlineExceeded, FailedPrecondition, GcpMlopsError, InvalidArgument

if TYPE_CHECKING:
    from gcpmlops._endpoints.serving_metrics import ServingMetrics
    from gcpmlops.models import Model, Models

__all__ = [
    "BlueGreen",
    "Canary",
    "Endpoint",
    "EndpointTest",
    "Endpoints",
    "Explanation",
    "Idle",
    "Prediction",
    "Quality",
    "Rollout",
    "RolloutEvent",
]

STRATEGIES = ("all", "blue-green", "canary")
OnEvent = Callable[[RolloutEvent], None]

_log = logging.getLogger(__name__)


class Endpoints(EndpointPredictions):
    """`client.endpoints`. API: Vertex AI v1 EndpointService and PredictionService; what is watched: Cloud Monitoring.

    An endpoint is named by its id, its full resource name or its display name.
    """

    def __init__(self, clients: Clients, models: Models) -> None:
        super().__init__(clients, models)
        self._clock = Clock(now=ServiceClock(clients).now)

    def _now(self) -> datetime:
        """The services' time."""
        return self._clock.now()

    @cached_property
    def _metrics(self) -> ServingMetrics:
        from gcpmlops._endpoints.serving_metrics import ServingMetrics

        return ServingMetrics(self._clients)

    @overload
    def deploy(
        self,
        name: str,
        *,
        model: str | Model,
        strategy: Literal["all"] | None = None,
        traffic_percentage: int = 100,
        machine_type: str = "n1-standard-2",
        min_replica_count: int = 1,
        max_replica_count: int | None = None,
        accelerator_type: str | None = None,
        accelerator_count: int = 0,
        service_account: str | None = None,
        display_name: str | None = None,
        explanation_spec: Any = None,
        on_event: OnEvent | None = None,
        force: bool = False,
        timeout: float | None = 1800,
    ) -> Endpoint: ...

    @overload
    def deploy(
        self,
        name: str,
        *,
        model: str | Model,
        strategy: Canary | BlueGreen | Literal["canary", "blue-green"],
        traffic_percentage: int = 100,
        machine_type: str = "n1-standard-2",
        min_replica_count: int = 1,
        max_replica_count: int | None = None,
        accelerator_type: str | None = None,
        accelerator_count: int = 0,
        service_account: str | None = None,
        display_name: str | None = None,
        explanation_spec: Any = None,
        on_event: OnEvent | None = None,
        force: bool = False,
        timeout: float | None = 1800,
    ) -> Rollout: ...

    def deploy(
        self,
        name: str,
        *,
        model: str | Model,
        strategy: Canary | BlueGreen | str | None = None,
        traffic_percentage: int = 100,
        machine_type: str = "n1-standard-2",
        min_replica_count: int = 1,
        max_replica_count: int | None = None,
        accelerator_type: str | None = None,
        accelerator_count: int = 0,
        service_account: str | None = None,
        display_name: str | None = None,
        explanation_spec: Any = None,
        on_event: OnEvent | None = None,
        force: bool = False,
        timeout: float | None = 1800,
    ) -> Endpoint | Rollout:
        """Deploy a model and wait until it serves (DeployModel).

        Without a `strategy` it gets `traffic_percentage` of the traffic at once, what is deployed already shares the
        rest, and the Endpoint is returned. With `Canary(...)` or `BlueGreen(...)` it gets traffic by degrees, is
        watched, and promoted or rolled back; the Rollout is returned. What served before is noted for `rollback`.
        With an `explanation_spec`, Google's ExplanationSpec or a mapping with its fields, `explain` explains it.
        `on_event` is told what happens (the logger `gcpmlops.endpoints` otherwise). `timeout` is for one deployment,
        without the strategy's own times. `force` deploys although another deployment seems to be under way.
        Raises NotFound; OperationFailed with the server's last words when it does not become healthy (nothing has
        changed then); RolloutFailed with steps and figures when it was rolled back; FailedPrecondition while another
        deployment is under way.
        """
        chosen = _strategy(strategy, traffic_percentage)
        endpoint = self.get(name)
        version = self._models.get(model) if isinstance(model, str) else model
        deployed = deployed_model.deployed_model(
            version.versioned_name,
            Hardware(machine_type, accelerator_type, accelerator_count),
            min_replica_count,
            max_replica_count,
            display_name=display_name or version.display_name,
            service_account=service_account or self._clients.config.account_for("serving") or "",
            explanation_spec=explanation_spec,
        )
        title = f"{version.display_name}@{version.version_id}".rstrip("@")
        plan = Plan(endpoint.name, endpoint.display_name, title, deployed, None, timeout, force)
        if chosen is None:
            return self._at_once(plan, traffic_percentage)
        samples = self._stored_samples(version.versioned_name)
        if chosen.probes and not samples:
            raise InvalidArgument(
                f"{title} has no stored samples to probe with", field="probes", allowed="a model with samples"
            )
        plan = dataclasses.replace(plan, samples=samples)
        return RolloutRun(plan, chosen, self._tools(chosen, samples, on_event)).run()

    def rollback(self, name: str, *, undeploy: bool = False, timeout: float | None = 1800) -> Endpoint:
        """Back to what served before the last deployment or switch of traffic, whichever process made it.

        Where that is still deployed it is a switch of traffic only (UpdateEndpoint), else it is deployed again first. A
        rollout that is under way ends by it. With `undeploy` what has served until now is undeployed, too. Raises
        FailedPrecondition where nothing is known to have served before.
        """
        before = self.get(name)
        proto = rollback.roll_back(self._calls, before.name, timeout=timeout)
        endpoint = self._handle(proto)
        for key in set(nonzero(before.traffic)) - set(nonzero(endpoint.traffic)) if undeploy else ():
            self._calls.undeploy(endpoint.name, deployed_model_id=key, split={}, timeout=timeout)
        return endpoint.refresh() if undeploy else endpoint

    def price(
        self,
        machine_type: str,
        *,
        min_replica_count: int = 1,
        max_replica_count: int | None = None,
        accelerator_type: str | None = None,
        accelerator_count: int = 0,
        location: str | None = None,
    ) -> Price:
        """What a deployment costs an hour: an estimate from list prices, or from `Config.prices_file`."""
        return self.price_table.of(
            machine_type,
            location=location or self._clients.config.location,
            replicas=min_replica_count,
            max_replicas=max_replica_count,
            accelerator_type=accelerator_type or "",
            accelerator_count=accelerator_count,
        )

    def idle(self, *, idle: Duration = "24h", filter: str | None = None) -> list[Idle]:  # noqa: A002 - as in list
        """Deployed models that served nothing for that time, with what they cost (Cloud Monitoring).

        Not what was deployed less long ago, and not what is kept for the rollback of an endpoint that is in use.
        """
        return self._reaper(idle).idle([endpoint.proto for endpoint in self.list(filter=filter)])

    def reap(
        self,
        *,
        idle: Duration = "24h",
        filter: str | None = None,  # noqa: A002 - as in list
        confirm: Callable[[list[Idle]], bool] | None = None,
        dry_run: bool = True,
        delete_endpoints: bool = False,
        timeout: float | None = 600,
    ) -> list[Idle]:
        """Undeploy what `idle` finds, if `confirm` says yes to the list, or without asking with `dry_run=False`.

        With `delete_endpoints` those that are empty then are deleted. The result says of each whether it was
        undeployed; one that served meanwhile, or that can't be, stays and says why.
        """
        found = self.idle(idle=idle, filter=filter)
        wanted = confirm(found) if confirm is not None and found else not dry_run
        if not found or not wanted:
            return found
        reaped = [self._reap(each, timeout) for each in found]
        for name in dict.fromkeys(each.endpoint for each in reaped if each.undeployed) if delete_endpoints else ():
            if not self._calls.get(name).deployed_models:
                self._calls.delete(name, timeout=timeout)
        return reaped

    def _reap(self, found: Idle, timeout: float | None) -> Idle:
        try:
            reaping.undeploy(self._calls, found, self._metrics, self._clock.now(), timeout)
        except GcpMlopsError as exc:
            return dataclasses.replace(found, problem=exc.message)
        return dataclasses.replace(found, undeployed=True)

    def _reaper(self, idle: Duration) -> Reaper:
        seconds = seconds_of(idle, field="idle")
        return Reaper(
            self._metrics, self._clock.now(), seconds, lambda name, row: price_of(self.price_table, name, row)
        )

    def _at_once(self, plan: Plan, percentage: int) -> Endpoint:
        """Deployed without traffic, then given its share: nobody's change of the traffic meanwhile is overwritten."""
        split_with({}, percentage)
        claim = Claim(self._calls, plan.endpoint, now=self._clock.now)
        what = f"model {plan.model} on endpoint {plan.title}"
        first: dict[str, int] = {}
        try:
            before = claim.take(seconds=(plan.timeout or 7200) + 600, force=plan.force)
            split = split_with(before.traffic_split, percentage)
            first = {} if nonzero(before.traffic_split) else split
            made = self._calls.deploy(
                plan.endpoint, deployed=plan.deployed, split=first, timeout=plan.timeout, what=what
            )
            if not first and percentage:
                claim.switch({made.id if key == NEW else key: share for key, share in split.items()}, seconds=600)
        except Interference as exc:
            raise FailedPrecondition(
                f"{what}: {exc}",
                resource=plan.endpoint,
                next_step=f"It is {made.id}, without traffic: `gcpmlops endpoints set-traffic` gives it some.",
            ) from exc
        except (KeyboardInterrupt, DeadlineExceeded) as exc:
            _let_go(claim)
            _goes_on(exc, f"{what}: it was not stopped, and may still come up{'' if first else ', without traffic'}.")
            raise
        except BaseException:
            _let_go(claim)
            raise
        return self._handle(claim.release(promoted=percentage > 0))

    def _tools(self, strategy: Canary | BlueGreen, samples: Any, on_event: OnEvent | None) -> Tools:
        parameters = getattr(samples, "parameters", None)

        def send(endpoint: str, instances: Sequence[Any]) -> Prediction:
            return self.predict(endpoint, instances=instances, parameters=parameters)

        quality = strategy.quality
        measure = self._measure(quality) if isinstance(quality, Quality) else quality
        return Tools(self._calls, self._metrics, measure, send, on_event or _logged, self._clock)

    def _measure(self, quality: Quality) -> Measure:
        if quality.measure is not None:
            return quality.measure
        sql = quality.query or ""

        def ask(deployed_model_id: str, start: datetime, end: datetime) -> float | None:
            from gcpmlops.bigquery import BigQuery

            given = {"deployed_model_id": deployed_model_id, "start": start, "end": end}
            wanted = {key: value for key, value in given.items() if f"@{key}" in sql}
            rows = BigQuery(self._clients).query(sql, parameters=wanted).rows()
            return _one_number(rows, quality.name)

        return ask


def _let_go(claim: Claim) -> None:
    with contextlib.suppress(GcpMlopsError):  # what happened before says more; a claim ends by itself in time
        claim.release(promoted=False)


def _goes_on(exc: BaseException, text: str) -> None:
    """Say it where it is read: a program's user sees an error's next step, and notes of Ctrl-C."""
    if isinstance(exc, GcpMlopsError):
        exc.next_step = text
    else:
        exc.add_note(text)


def _strategy(given: Canary | BlueGreen | str | None, percentage: int) -> Canary | BlueGreen | None:
    """The strategy meant; None for all at once. Raises InvalidArgument."""
    named: dict[str, Callable[[], Canary | BlueGreen | None]] = {
        "all": lambda: None,
        "blue-green": BlueGreen,
        "canary": Canary,
    }
    if isinstance(given, str):
        if given not in named:
            raise InvalidArgument(field="strategy", value=given, allowed=", ".join(STRATEGIES))
        given = named[given]()
    if given is not None and percentage != 100:
        raise InvalidArgument(
            "a strategy decides about the traffic itself",
            field="traffic_percentage",
            value=percentage,
            allowed="with a strategy: nothing; Canary(steps=...) has the steps",
        )
    return given


def _one_number(rows: Sequence[Any], name: str) -> float | None:
    """The value of one row with one column. Raises InvalidArgument for anything else."""
    values = list(dict(rows[0]).values()) if len(rows) == 1 else []
    if not rows:
        return None
    if len(values) != 1 or not (
        values[0] is None or isinstance(values[0], (int, float)) or hasattr(values[0], "as_tuple")
    ):
        raise InvalidArgument(
            f"{name}: the query gave {len(rows)} rows: {[dict(row) for row in rows[:2]]}",
            field="quality",
            allowed="one row with one number",
        )
    return None if values[0] is None else float(values[0])


def _logged(event: RolloutEvent) -> None:
    _log.log(logging.DEBUG if event.kind == "looked" else logging.INFO, "%s", event.text)
