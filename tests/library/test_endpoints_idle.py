"""Which deployed models are idle, what reaping them does; and samples sent to an endpoint. Figures are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gcpmlops import _google, exceptions
from gcpmlops._endpoints import history, reaping, sample_test
from gcpmlops._endpoints.endpoint import price_of
from gcpmlops._endpoints.prices import Prices
from gcpmlops._endpoints.serving_metrics import Served
from gcpmlops._endpoints.values import Prediction

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = 86400.0


def endpoint(ages: Mapping[str, float], traffic: Mapping[str, int], labels: Mapping[str, str] | None = None) -> Any:
    """Its deployed models by id, with how long ago they were deployed, in seconds."""
    rows = [
        _google.endpoint.DeployedModel(
            id=key,
            model="projects/p/locations/us-central1/models/m@1",
            model_version_id="1",
            create_time=NOW - timedelta(seconds=age),
            dedicated_resources={"machine_spec": {"machine_type": "n1-standard-4"}, "min_replica_count": 2},
        )
        for key, age in ages.items()
    ]
    name = "projects/p/locations/us-central1/endpoints/1"
    return _google.endpoint.Endpoint(
        name=name, display_name="flights", deployed_models=rows, traffic_split=traffic, labels=labels or {}
    )


class Usage:
    def __init__(self, **requests: int) -> None:
        self.requests = {key.removeprefix("m"): Served(count, 0) for key, count in requests.items()}

    def window(self, endpoint: str, *, start: datetime, end: datetime) -> dict[str, Served]:
        assert end - start == timedelta(days=1)
        return self.requests


def idle(found: Any, usage: Usage) -> list[reaping.Idle]:
    table = Prices()
    reaper = reaping.Reaper(usage, NOW, DAY, lambda name, row: price_of(table, name, row))
    return reaper.idle([found])


def test_idle_with_its_price() -> None:
    (found,) = idle(endpoint({"1": 2 * DAY}, {"1": 100}), Usage())
    assert (found.deployed_model_id, found.percent, found.model) == ("1", 100, "m@1")
    assert str(found) == f"flights: m@1 (1) served nothing for 1 d; {found.price}"
    assert found.price.per_hour == pytest.approx(0.437, abs=0.001)


def test_what_is_left_alone() -> None:
    old = {"1": 2 * DAY}
    assert not idle(endpoint(old, {"1": 100}), Usage(m1=1)), "it served"
    assert not idle(endpoint({"1": DAY / 2}, {"1": 100}), Usage()), "it is new"
    assert not idle(endpoint({}, {}), Usage())
    until = int(NOW.timestamp()) + 60
    under_way = {history.CLAIM: f"abc-{until}"}
    assert not idle(endpoint(old, {"1": 100}, under_way), Usage()), "a deployment is under way"
    assert idle(endpoint(old, {"1": 100}, {history.CLAIM: f"abc-{until - 120}"}), Usage())


def test_what_is_kept_for_a_rollback() -> None:
    ages = {"1": 9 * DAY, "2": 9 * DAY, "3": 9 * DAY}
    labels = history.noted({}, [history.Earlier("1", 100)], "projects/p/locations/us-central1/endpoints/1")
    used = Usage(m2=10)
    assert [each.deployed_model_id for each in idle(endpoint(ages, {"2": 100}, labels), used)] == ["3"]
    over = {**labels, history.UNTIL: str(int(NOW.timestamp()) - 1)}
    assert [each.deployed_model_id for each in idle(endpoint(ages, {"2": 100}, over), used)] == ["1", "3"]
    later = {**labels, history.UNTIL: str(int(NOW.timestamp()) + 60)}
    assert [each.deployed_model_id for each in idle(endpoint(ages, {"2": 100}, later), used)] == ["3"]
    assert len(idle(endpoint(ages, {"2": 100}, labels), Usage())) == 3, "nobody uses the endpoint"


class Calls:
    def __init__(self, found: Any) -> None:
        self.endpoint = found
        self.undeployed: list[tuple[str, dict[str, int]]] = []

    def get(self, name: str) -> Any:
        return self.endpoint

    def undeploy(self, name: str, *, deployed_model_id: str, split: dict[str, int], timeout: Any) -> None:
        self.undeployed.append((deployed_model_id, split))


def test_others_get_its_traffic() -> None:
    found = endpoint({"1": 2 * DAY, "2": 2 * DAY, "3": 2 * DAY}, {"1": 20, "2": 60, "3": 20})
    calls, usage = Calls(found), Usage(m2=5, m3=5)
    (lazy,) = idle(found, usage)
    reaping.undeploy(calls, lazy, usage, NOW, 60)  # type: ignore[arg-type]
    assert calls.undeployed == [("1", {"2": 75, "3": 25})]


def test_served_or_gone_meanwhile() -> None:
    found = endpoint({"1": 2 * DAY}, {"1": 100})
    (lazy,) = idle(found, Usage())
    with pytest.raises(exceptions.GcpMlopsError, match="1 has served 4 requests meanwhile"):
        reaping.undeploy(Calls(found), lazy, Usage(m1=4), NOW, 60)  # type: ignore[arg-type]
    with pytest.raises(exceptions.NotFound, match="no longer deployed"):
        reaping.undeploy(Calls(endpoint({}, {})), lazy, Usage(), NOW, 60)  # type: ignore[arg-type]


def run(answers: Sequence[Any], deployed: Sequence[tuple[str, str, int]], most: int = 50) -> sample_test.EndpointTest:
    """The answers one after the other: (id, predictions), or an error."""
    coming = iter(answers)

    def send(instances: Sequence[Any]) -> Prediction:
        answer = next(coming)
        if isinstance(answer, Exception):
            raise answer
        return Prediction(answer[1], answer[0], "1", None)

    return sample_test.run("projects/p/locations/l/endpoints/1", deployed, [[1.0], [2.0]], send, most=most)


def test_samples_are_sent_until_all_have_answered() -> None:
    both = [("1", "m@1", 90), ("2", "m@2", 10)]
    found = run([*[("1", [0.5])] * 7, ("2", [{"label": "a", "score": 1}])], both)
    one, two = found
    assert (one.ok, one.shapes, two.ok, two.shapes) == (7, ("number",), 1, ("object{label, score}",))
    assert (found.passed, found.samples) == (True, 2)
    assert "m@2" in found._repr_html_()
    silent = run([("1", [[1, 2], [3, 4]])] * 5, both, most=5)
    assert (silent.passed, next(iter(silent)).shapes) == (False, ("list[2]",))


def test_samples_that_fail() -> None:
    error = exceptions.InvalidArgument("X has 1 features")
    (alone,) = run([error, error], [("1", "m@1", 100)])
    assert (alone.deployed_model_id, alone.failed, alone.errors) == ("1", 2, ("X has 1 features",))
    found = run([("1", ["a"]), error, ("2", [True]), ("2", [None])], [("1", "m@1", 50), ("2", "m@2", 50)])
    assert not found.passed
    assert [each.failed for each in found] == [0, 0, 1], "nobody knows whose error it is"
