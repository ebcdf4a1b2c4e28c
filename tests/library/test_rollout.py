"""Rollouts by the rules: what is decided on which figures, and what is where afterwards. Time and figures are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gcpmlops import BlueGreen, Canary, Client, Quality, _google, exceptions
from gcpmlops._durations import seconds_of, spoken
from gcpmlops._endpoints import history
from gcpmlops._endpoints.rollback import roll_back
from gcpmlops._endpoints.rollout_claim import Claim
from gcpmlops._endpoints.rollout_judge import violations
from gcpmlops._endpoints.rollout_run import Plan, RolloutRun, Tools
from gcpmlops._endpoints.rollout_watch import Clock, RolloutEvent
from gcpmlops._endpoints.serving_metrics import Served
from gcpmlops.types import check_labels

NAME = "projects/p/locations/us-central1/endpoints/7"
OLD, NEW = "111", "222"
FAST = Served(1000, 0, 0.01, 0.02, 0.03)
LIMITS = Canary()


class Service:
    """An endpoint in memory, with the calls that a rollout makes."""

    def __init__(self, *serving: str) -> None:
        self.endpoint = _google.endpoint.Endpoint(name=NAME, display_name="flights", labels={"team": "risk"})
        self.previews: list[str] = []
        self.splits: list[dict[str, int]] = []
        self.fails: dict[str, Exception] = {}
        for n, key in enumerate(serving):
            self.endpoint.deployed_models.append(deployed(id=key, version=key))
            self.endpoint.traffic_split[key] = 100 if n == 0 else 0

    def get(self, name: str) -> Any:
        self._may("get")
        return type(self.endpoint)(self.endpoint)

    def change(self, name: str, edit: Callable[[Any], Mapping[str, Any]]) -> Any:
        self._may("change")
        for key, value in edit(self.get(name)).items():
            setattr(self.endpoint, key, value)
            if key == "traffic_split":
                self.splits.append(dict(value))
            if key == "labels":
                check_labels(value)
        return self.get(name)

    def deploy(self, name: str, *, deployed: Any, split: Mapping[str, int], timeout: Any, what: str = "") -> Any:
        self._may("deploy")
        made = type(deployed)(deployed)
        made.id, made.model_version_id = NEW, "2"
        if name == NAME:
            self.endpoint.deployed_models.append(made)
            if split:
                self.endpoint.traffic_split = {NEW if key == "0" else key: share for key, share in split.items()}
        return made

    def undeploy(self, name: str, *, deployed_model_id: str, split: Any, timeout: Any, wait: bool = True) -> None:
        assert not self.endpoint.traffic_split.get(deployed_model_id), "it has traffic"
        rows = [row for row in self.endpoint.deployed_models if row.id != deployed_model_id]
        assert len(rows) < len(self.endpoint.deployed_models)
        self.endpoint.deployed_models = rows

    def create(self, display_name: str, *, labels: Mapping[str, str], timeout: Any) -> str:
        check_labels(labels)
        self.previews.append(display_name)
        return f"{NAME}8"

    def delete(self, name: str, *, timeout: Any) -> None:
        assert name == f"{NAME}8"
        self.previews.append("deleted")

    @property
    def deployed(self) -> list[str]:
        return [row.id for row in self.endpoint.deployed_models]

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.endpoint.labels)

    def _may(self, what: str) -> None:
        if error := self.fails.get(what):
            raise error


def deployed(**given: Any) -> Any:
    version = given.pop("version", "2")
    return _google.endpoint.DeployedModel(
        model="projects/p/locations/us-central1/models/m",
        model_version_id=version,
        dedicated_resources={
            "machine_spec": {"machine_type": "n1-standard-2"},
            "min_replica_count": 1,
            "max_replica_count": 3,
        },
        **given,
    )


class World:
    """A service, what it serves, and a clock that only sleeping moves."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        self.new: Served | Callable[[float], Served | None] | None = FAST
        self.old: Served | None = FAST
        self.outcomes: Iterator[float | None] = iter(())
        self.sent: list[tuple[str, int]] = []
        self.sending: Exception | None = None
        self.events: list[RolloutEvent] = []
        self.on_sleep: Callable[[], None] = lambda: None
        self.latest: Callable[[], datetime | None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.on_sleep()

    def window(self, endpoint: str, *, start: datetime, end: datetime) -> dict[str, Served]:
        new = self.new((end - start).total_seconds()) if callable(self.new) else self.new
        return {key: found for key, found in ((NEW, new), (OLD, self.old)) if found is not None}

    def last_request(self, endpoint: str, since: datetime) -> datetime | None:
        return self.latest()

    def send(self, endpoint: str, instances: Any) -> list[Any]:
        self.sent.append((endpoint, len(instances)))
        if self.sending:
            raise self.sending
        return list(instances)

    def run(self, strategy: Canary | BlueGreen, *, samples: Any = None, force: bool = False) -> Any:
        clock = Clock(lambda: self.time, self.sleep)
        quality = lambda *_: next(self.outcomes)  # noqa: E731
        tools = Tools(self.service, self, quality, self.send, self.events.append, clock)  # type: ignore[arg-type]
        plan = Plan(NAME, "flights", "m@2", deployed(), samples, 60, force)
        return RolloutRun(plan, strategy, tools).run()

    def fails(self, strategy: Canary | BlueGreen, **given: Any) -> exceptions.RolloutFailed:
        with pytest.raises(exceptions.RolloutFailed) as caught:
            self.run(strategy, **given)
        return caught.value


@pytest.fixture
def world() -> World:
    return World(Service(OLD))


class TestCanary:
    def test_promotes_step_by_step(self, world: World) -> None:
        started = world.time
        rollout = world.run(Canary(steps=(5, 25, 100), bake=60, settle=30))
        assert world.service.splits == [{NEW: 5, OLD: 95}, {NEW: 25, OLD: 75}, {NEW: 100}]
        assert (rollout.decision, rollout.deployed_model_id, rollout.traffic) == ("PROMOTED", NEW, {NEW: 100})
        assert [step.percent for step in rollout.steps] == [5, 25, 100]
        assert all(step.seconds == pytest.approx(90, abs=1) for step in rollout.steps)
        assert (world.time - started).total_seconds() == pytest.approx(270, abs=2)
        assert world.service.deployed == [OLD, NEW], "the old one is kept for a rollback"
        assert world.service.labels["gcpmlops-previous-0"] == f"{OLD}-100"
        assert history.CLAIM not in world.service.labels
        assert world.service.labels["team"] == "risk"
        assert "PROMOTED" in str(rollout)
        assert "0 % errors" in str(rollout.steps[0])
        assert "<table>" in rollout._repr_html_()
        assert [event.kind for event in world.events if event.kind != "looked"][-1] == "promoted"

    def test_errors_undo_it_at_once(self, world: World) -> None:
        world.new = lambda seconds: Served(40, 8) if seconds > 30 else Served(3, 0)
        failed = world.fails(Canary(steps=(10, 100), bake=600))
        (step,) = failed.steps
        assert step.seconds < 62, "not the whole bake time"
        assert failed.reasons == ("error rate 20 % (8 of 40 requests) is above 1 %",)
        assert failed.rollout.decision == "ROLLED_BACK"
        assert world.service.splits == [{NEW: 10, OLD: 90}, {OLD: 100}]
        assert world.service.deployed == [OLD]
        assert world.service.labels == {"team": "risk"}
        assert "20 % (8 of 40 requests)" in str(failed)
        assert "the traffic is what it was: {'111': 100}" in str(failed)

    def test_a_failed_model_can_be_kept(self, world: World) -> None:
        world.new = Served(100, 50)
        failed = world.fails(Canary(on_failure="keep"))
        assert world.service.deployed == [OLD, NEW]
        assert "stays deployed without traffic" in str(failed)

    def test_slow_by_a_limit_and_beside_the_old_model(self, world: World) -> None:
        world.new = Served(100, 0, 0.3, 0.5, 0.6)
        assert world.fails(Canary(max_latency_p95=0.2)).reasons[0] == "p95 latency 500 ms is above 200 ms"
        assert "more than 50 % above the old model's 20 ms" in world.fails(Canary()).reasons[0]
        assert world.run(Canary(tolerance=None, keep=0)).promoted

    def test_too_few_requests(self, world: World) -> None:
        world.new = Served(3, 0, 0.01, 0.01, 0.01)
        failed = world.fails(Canary(bake=60, settle=0, patience="2m", min_requests=20))
        assert failed.reasons == ("only 3 of 20 requests came after 3 min",)
        assert world.service.splits[-1] == {OLD: 100}
        assert world.sent == []

    def test_requests_that_come_late_are_waited_for(self, world: World) -> None:
        world.new = lambda seconds: FAST if seconds > 100 else None
        rollout = world.run(Canary(steps=(100,), bake=60, settle=0, patience=300))
        assert 100 < rollout.steps[0].seconds < 110
        assert any("waiting: only 0 of 50 requests came" in event.text for event in world.events)

    def test_monitoring_that_is_up_to_date_is_not_waited_for(self, world: World) -> None:
        world.latest = lambda: world.time - timedelta(seconds=20)
        rollout = world.run(Canary(steps=(100,), bake=60, settle=180))
        assert 80 <= rollout.steps[0].seconds < 85
        assert any("waiting: Cloud Monitoring may be late" in event.text for event in world.events)

    def test_probes(self, world: World) -> None:
        got = lambda _: Served(len(world.sent) // 2, 0, 0.01, 0.01, 0.01)  # noqa: E731 - half of them reach it
        world.new = got
        assert world.run(Canary(steps=(50, 100), bake=10, settle=0, probes=True), samples=[[1], [2]]).promoted
        assert set(world.sent) == {(NAME, 1)}
        assert len(world.sent) < 400

    def test_a_probe_shows_whether_monitoring_is_late(self, world: World) -> None:
        """Nobody else asks: without it the step would wait for `settle`."""
        world.latest = lambda: world.time if world.sent else None
        rollout = world.run(Canary(steps=(100,), bake=10, settle=180, probes=True), samples=[[1]])
        assert (len(world.sent), rollout.steps[0].seconds < 12) == (1, True)

    def test_quality(self, world: World) -> None:
        limit = Quality(query="SELECT 1", minimum=0.8, name="auc")
        world.outcomes = iter([None, None, 0.9])
        assert world.run(Canary(steps=(100,), bake=10, quality=limit)).steps[0].quality == 0.9

    def test_bad_quality(self, world: World) -> None:
        world.outcomes = iter([0.9, 0.7])
        failed = world.fails(Canary(steps=(5, 25, 100), quality=Quality(query="SELECT 1", minimum=0.8, name="auc")))
        assert [step.percent for step in failed.steps] == [5, 25]
        assert failed.reasons == ("auc 0.7 is below 0.8",)

    def test_quality_by_a_function(self, world: World) -> None:
        world.outcomes = iter([True, False])
        failed = world.fails(Canary(quality=lambda key, start, end: key == NEW))
        assert failed.reasons == ("quality 0 is below 1",)
        assert [step.passed for step in failed.steps] == [True, False]

    def test_quality_that_nobody_knows(self, world: World) -> None:
        world.outcomes = iter(lambda: None, 0)
        quality = Quality(measure=lambda *_: None, maximum=1)
        assert "no outcomes are known" in world.fails(Canary(bake=10, patience=30, quality=quality)).reasons[0]
        world.outcomes = iter(lambda: None, 0)
        optional = Quality(measure=lambda *_: None, maximum=1, required=False)
        assert world.run(Canary(bake=10, quality=optional)).promoted

    def test_nothing_served_before(self) -> None:
        world = World(Service())
        rollout = world.run(Canary())
        assert (rollout.promoted, rollout.traffic, rollout.steps) == (True, {NEW: 100}, ())
        assert "Nothing served before" in rollout.notes[0]
        assert world.service.labels == {"team": "risk"}

    def test_several_that_serve_keep_their_proportions(self, world: World) -> None:
        world.service.endpoint.deployed_models.append(deployed(id="333", version="3"))
        world.service.endpoint.traffic_split = {OLD: 60, "333": 40}
        world.run(Canary(steps=(20, 100)))
        assert world.service.splits == [{NEW: 20, OLD: 48, "333": 32}, {NEW: 100}]
        assert roll_back(world.service, NAME, timeout=1).traffic_split == {OLD: 60, "333": 40}  # type: ignore[arg-type]


class TestWhatIsKept:
    def test_nothing(self, world: World) -> None:
        world.run(Canary(keep=0))
        assert world.service.deployed == [NEW]
        assert world.service.labels["gcpmlops-previous-0-model"] == "m"

    def test_for_a_time(self, world: World) -> None:
        rollout = world.run(Canary(keep="1d"))
        assert history.kept_until(world.service.labels) == pytest.approx(world.time.timestamp() + 86400, abs=2)
        assert "for 1 d" in rollout.notes[-1]

    def test_one_generation(self, world: World) -> None:
        """What was kept until now goes when the next is promoted."""
        world.service.endpoint.deployed_models.append(deployed(id="99", version="0"))
        served = [history.Earlier("99", 100)]
        world.service.endpoint.labels = history.noted({}, served, NAME)
        world.run(Canary())
        assert world.service.deployed == [OLD, NEW]


class TestWhatGoesWrong:
    def test_ctrl_c(self, world: World) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        world.on_sleep = interrupt
        with pytest.raises(KeyboardInterrupt) as caught:
            world.run(Canary())
        assert world.service.splits == [{NEW: 5, OLD: 95}, {OLD: 100}]
        assert world.service.deployed == [OLD]
        assert world.service.labels == {"team": "risk"}
        assert "the traffic is what it was" in caught.value.__notes__[0]

    def test_somebody_changes_the_traffic(self, world: World) -> None:
        def meddle() -> None:
            world.service.endpoint.traffic_split = {OLD: 50, NEW: 50}

        world.on_sleep = meddle
        failed = world.fails(Canary())
        assert failed.rollout.decision == "STOPPED"
        assert "changed by somebody else: it is {'111': 50, '222': 50}" in failed.reasons[0]
        assert dict(world.service.endpoint.traffic_split) == {OLD: 50, NEW: 50}, "left alone"
        assert f"{NEW} (m@2) is still deployed" in str(failed)

    def test_somebody_rolls_back(self, world: World) -> None:
        world.on_sleep = lambda: roll_back(world.service, NAME, timeout=1)  # type: ignore[arg-type,assignment,return-value]
        failed = world.fails(Canary())
        assert "ended by somebody else" in failed.reasons[0]
        assert failed.rollout.traffic == {OLD: 100}

    def test_another_deployment(self, world: World) -> None:
        other = Claim(world.service, NAME, now=lambda: world.time)  # type: ignore[arg-type]
        other.take(seconds=60)
        with pytest.raises(exceptions.FailedPrecondition, match="under way") as caught:
            world.run(Canary())
        assert "endpoints rollback 7" in caught.value.next_step
        assert world.service.deployed == [OLD]
        world.time += timedelta(seconds=62)  # its process died
        assert world.run(Canary()).promoted

    def test_another_deployment_is_overruled(self, world: World) -> None:
        Claim(world.service, NAME, now=lambda: world.time).take(seconds=60)  # type: ignore[arg-type]
        assert world.run(Canary(), force=True).promoted

    def test_a_model_that_does_not_start(self, world: World) -> None:
        world.service.fails["deploy"] = exceptions.OperationFailed("the server died: no module named x")
        with pytest.raises(exceptions.OperationFailed, match="no module"):
            world.run(Canary())
        assert world.service.splits == []
        assert world.service.labels == {"team": "risk"}

    def test_figures_that_cannot_be_read(self, world: World) -> None:
        def unreadable(_: float) -> None:
            raise exceptions.Unavailable("Monitoring does not answer")

        assert world.service.deployed == [OLD]
        world.new = lambda seconds: unreadable(seconds) if NEW in world.service.deployed else None
        failed = world.fails(Canary())
        assert failed.reasons == ("Monitoring does not answer",)
        assert world.service.splits[-1] == {OLD: 100}
        world.new = unreadable  # from the beginning: before anything is deployed
        with pytest.raises(exceptions.Unavailable):
            world.run(Canary())
        assert world.service.labels == {"team": "risk"}

    def test_an_endpoint_that_no_longer_answers(self, world: World) -> None:
        world.new = Served(100, 50)

        def cut() -> None:
            world.service.fails = {what: exceptions.Unavailable("gone") for what in ("get", "change")}

        world.new = lambda _: cut() or Served(100, 50) if NEW in world.service.deployed else None  # type: ignore[func-returns-value]
        failed = world.fails(Canary())
        assert failed.rollout.decision == "STOPPED"
        assert failed.reasons == ("error rate 50 % (50 of 100 requests) is above 1 %", "gone")
        assert "rollback 7" in str(failed)


class TestAtOnce:
    """Without a strategy."""

    @pytest.fixture
    def deploy(self, world: World) -> Callable[..., Any]:
        endpoints = Client(project="p").endpoints
        endpoints._calls = world.service  # type: ignore[assignment]
        endpoints._clock = Clock()
        return lambda percentage=100: endpoints._at_once(Plan(NAME, "flights", "m@2", deployed()), percentage)

    def test_traffic_and_history(self, world: World, deploy: Callable[..., Any]) -> None:
        assert deploy(25).traffic == {OLD: 75, NEW: 25}
        assert world.service.labels["gcpmlops-previous-0"] == f"{OLD}-100"
        assert roll_back(world.service, NAME, timeout=1).traffic_split == {OLD: 100}  # type: ignore[arg-type]

    def test_without_traffic_nothing_changes(self, world: World, deploy: Callable[..., Any]) -> None:
        assert deploy(0).traffic == {OLD: 100}
        assert world.service.labels == {"team": "risk"}

    def test_somebody_changes_the_traffic(self, world: World, deploy: Callable[..., Any]) -> None:
        start = world.service.deploy

        def meanwhile(name: str, **given: Any) -> Any:
            roll = {**dict(world.service.endpoint.labels)}
            roll.pop(history.CLAIM)
            world.service.endpoint.labels = roll  # as a rollback does
            return start(name, **given)

        world.service.deploy = meanwhile  # type: ignore[method-assign]
        with pytest.raises(exceptions.FailedPrecondition, match="ended by somebody else") as caught:
            deploy()
        assert f"It is {NEW}, without traffic" in caught.value.next_step
        assert world.service.splits == []

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), exceptions.DeadlineExceeded("30 s are over")])
    def test_what_goes_on_is_said(self, world: World, deploy: Callable[..., Any], error: BaseException) -> None:
        world.service.fails["deploy"] = error  # type: ignore[assignment]
        with pytest.raises(type(error)) as caught:
            deploy()
        said = getattr(caught.value, "next_step", "") or caught.value.__notes__[0]
        assert "may still come up, without traffic" in said
        assert world.service.labels == {"team": "risk"}


class TestBlueGreen:
    def test_tested_then_switched(self, world: World) -> None:
        rollout = world.run(BlueGreen(), samples=[[1.0], [2.0]])
        assert world.service.previews == ["flights-preview", "deleted"]
        assert world.sent == [(f"{NAME}8", 2), (NAME, 2)]
        assert world.service.splits == [{NEW: 100}]
        assert rollout.promoted

    def test_samples_fail(self, world: World) -> None:
        world.sending = exceptions.InvalidArgument("could not convert string to float")
        failed = world.fails(BlueGreen(), samples=[["x"]])
        assert failed.reasons == ("the stored samples failed: could not convert string to float",)
        assert world.service.previews == ["flights-preview", "deleted"]
        assert (world.service.splits, world.service.deployed) == ([], [OLD])

    def test_samples_fail_after_the_switch(self, world: World) -> None:
        world.sending = exceptions.Unavailable("crashed")
        world.fails(BlueGreen(preview=False), samples=[[1]])
        assert world.service.splits == [{NEW: 100}, {OLD: 100}]

    def test_no_samples(self, world: World) -> None:
        assert "not tested" in world.run(BlueGreen()).notes[0]

    def test_watched_after_the_switch(self, world: World) -> None:
        world.new = Served(100, 0, 0.3, 0.5, 0.6)
        failed = world.fails(BlueGreen(bake=60, min_requests=20, max_latency_p95=0.1))
        assert failed.reasons[0] == "p95 latency 500 ms is above 100 ms"


class TestRollback:
    def test_again_deployed_where_it_is_gone(self, world: World) -> None:
        world.service.endpoint.deployed_models[0].service_account = "server@p.iam.gserviceaccount.com"
        world.run(Canary(keep=0))
        made: list[Any] = []
        world.service.deploy = lambda name, **given: made.append(given["deployed"]) or deployed(id="333")  # type: ignore[method-assign,func-returns-value]
        assert roll_back(world.service, NAME, timeout=1).traffic_split == {"333": 100}  # type: ignore[arg-type]
        (again,) = made
        assert again.model == "projects/p/locations/us-central1/models/m@111"
        assert again.service_account == "server@p.iam.gserviceaccount.com"
        resources = again.dedicated_resources
        assert (resources.machine_spec.machine_type, resources.max_replica_count) == ("n1-standard-2", 3)

    def test_nothing_to_go_back_to(self, world: World) -> None:
        with pytest.raises(exceptions.FailedPrecondition, match="nothing is known to have served flights before"):
            roll_back(world.service, NAME, timeout=1)  # type: ignore[arg-type]
        world.run(Canary())
        roll_back(world.service, NAME, timeout=1)  # type: ignore[arg-type]
        with pytest.raises(exceptions.FailedPrecondition):
            roll_back(world.service, NAME, timeout=1)  # type: ignore[arg-type]

    def test_labels_hold_all_that_is_needed(self) -> None:
        served = history.Earlier(
            "9" * 19,
            55,
            "projects/other/locations/europe-west4/models/" + "m" * 63 + "@12",
            "a2-highgpu-1g",
            2,
            10,
            "NVIDIA_TESLA_A100",
            1,
            "a-server@other-project.iam.gserviceaccount.com",
        )
        second = history.Earlier("8", 45, "projects/p/locations/us-central1/models/m@1", "n1-standard-2", 1, 1)
        labels = check_labels(history.noted({"team": "risk"}, [served, second], NAME))
        assert history.noted_before(labels, NAME) == [served, second]
        assert history.without_history(labels) == {"team": "risk"}

    @pytest.mark.parametrize("value", ["", "111", "x-y", "111-", "-100"])
    def test_labels_that_make_no_sense(self, value: str) -> None:
        assert history.noted_before({"gcpmlops-previous-0": value}, NAME) == []


class TestJudge:
    def test_one_error_is_enough_where_the_limit_allows_none(self) -> None:
        assert violations(Canary(min_requests=50), Served(3, 1), None)
        assert not violations(Canary(min_requests=200), Served(3, 1), None)

    def test_few_requests_do_not_speak_of_latency(self) -> None:
        slow = Served(10, 0, 5.0, 5.0, 5.0)
        assert not violations(Canary(max_latency_p95=1), slow, FAST)
        assert violations(Canary(max_latency_p95=1, min_requests=10), slow, FAST)

    def test_more_errors_than_the_old_model_and_not_by_chance(self) -> None:
        limits = Canary(max_error_rate=None)
        old = Served(10_000, 100, 0.01, 0.02)
        assert "above the old model's 1 %" in violations(limits, Served(1000, 40, 0.01, 0.02), old)[0]
        assert not violations(limits, Served(100, 2, 0.01, 0.02), old), "chance"
        assert not violations(limits, Served(1000, 12, 0.01, 0.02), old), "tolerated"
        assert violations(limits, Served(100, 100, 0.01, 0.02), Served(100, 0, 0.01, 0.02))

    def test_slower_and_not_by_chance(self) -> None:
        old = Served(1000, 0, 0.01, 0.02)
        assert violations(Canary(), Served(60, 0, 0.03, 0.06), old), "all of them are slower"
        assert not violations(Canary(), Served(60, 0, 0.01, 0.05), old), "a few of few"
        assert violations(Canary(), Served(6000, 0, 0.01, 0.05), old), "as many of many"

    def test_no_limits(self) -> None:
        lax = Canary(max_error_rate=1, tolerance=float("inf"))
        assert not violations(lax, Served(100, 99, 5.0, 9.0), Served(100, 0, 0.01, 0.02))

    def test_nothing_speaks_against_a_model_without_requests(self) -> None:
        assert violations(LIMITS, None, FAST) == violations(LIMITS, Served(0, 0), FAST) == ()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"steps": (25, 5, 100)}, "steps"),
        ({"steps": (5, 50)}, "steps"),
        ({"steps": ()}, "steps"),
        ({"steps": (0, 100)}, "steps"),
        ({"steps": (0.5, 100)}, "steps"),
        ({"bake": "soon"}, "bake"),
        ({"settle": -1}, "settle"),
        ({"keep": "forever"}, "keep"),
        ({"max_error_rate": 5}, "max_error_rate"),
        ({"max_latency_p95": -1}, "max_latency_p95"),
        ({"on_failure": "explode"}, "on_failure"),
    ],
)
def test_strategies_that_make_no_sense(given: dict[str, Any], field: str) -> None:
    with pytest.raises(exceptions.InvalidArgument) as caught:
        Canary(**given)
    assert caught.value.field == field


def test_quality_needs_a_source_and_a_limit() -> None:
    for given in ({}, {"query": "SELECT 1"}, {"query": "SELECT 1", "measure": print, "minimum": 1}):
        with pytest.raises(exceptions.InvalidArgument):
            Quality(**given)  # type: ignore[arg-type]


def test_durations() -> None:
    values: list[Any] = [timedelta(minutes=2), 90, "90s", "1.5m", "24h", "7d", "0"]
    assert [seconds_of(value, field="x") for value in values] == [120, 90, 90, 90, 86400, 604800, 0]
    assert [spoken(each) for each in (0.5, 45, 60, 5400, 86400)] == ["0.5 s", "45 s", "1 min", "90 min", "1 d"]
    for wrong in ("", "x", True, None, float("nan"), float("inf"), "-5m"):
        with pytest.raises(exceptions.InvalidArgument):
            seconds_of(wrong, field="x")  # type: ignore[arg-type]
