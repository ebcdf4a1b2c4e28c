"""Requests that wait together are predicted together, and nobody notices but the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from gcpmlops.emulator.runtimes.model_server.batching import MAX_ROWS, Predictor
from gcpmlops.emulator.runtimes.model_server.estimators import is_row_wise
from gcpmlops.emulator.runtimes.model_server.models import PredictionError

from .conftest import Serve


class Doubles:
    """Doubles the first cell; refuses rows with a negative one, and says how many rows each call had."""

    file_name, kind, row_wise = "model.pkl", "Doubles", True

    def __init__(self) -> None:
        self.calls: list[int] = []

    def predict(self, instances: list[Any], options: dict[str, Any]) -> list[Any]:
        return self.predict_rows(self.rows(instances), options)

    def rows(self, instances: list[Any]) -> Any:
        try:
            return np.array(instances)
        except ValueError as error:
            raise PredictionError(str(error)) from error

    def predict_rows(self, rows: Any, options: dict[str, Any]) -> list[Any]:
        self.calls.append(len(rows))
        if rows.dtype.kind in "iuf" and (rows < 0).any():
            raise PredictionError("negative")
        factor = options.get("factor", 2)
        return [factor * row[0] if rows.dtype.kind in "iuf" else row[0] for row in rows.tolist()]


def outcomes(
    model: Doubles, requests: list[tuple[list[Any], dict[str, Any]]], *, join: bool = True, quick: bool = True
) -> list[Any]:
    """What becomes of requests that arrive in one turn of the loop."""
    found: list[Any] = [None] * len(requests)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        left, done = len(requests), loop.create_future()
        predictor = Predictor(model, loop, join=join)
        if quick:
            predictor._seconds = 0.0

        def deliver(number: int) -> Callable[[Any], None]:
            def store(outcome: Any) -> None:
                nonlocal left
                found[number] = outcome
                left -= 1
                if not left:
                    done.set_result(None)

            return store

        for number, (instances, options) in enumerate(requests):
            predictor.submit(instances, options, deliver(number))
        await done

    asyncio.run(run())
    return found


@pytest.mark.parametrize("quick", [True, False])
def test_waiting_requests_are_one_call(quick: bool) -> None:
    model = Doubles()
    found = outcomes(model, [([[n, 1]] * (n % 3 + 1), {}) for n in range(16)], quick=quick)
    assert found == [[2 * n] * (n % 3 + 1) for n in range(16)]
    assert sum(model.calls) == sum(n % 3 + 1 for n in range(16))
    assert len(model.calls) == 1


def test_only_the_guilty_request_fails() -> None:
    model = Doubles()
    requests: list[Any] = [([[1, 1]], {}), ([[-1, 1]], {}), ([[2, 1], [3, 1]], {}), ([[1, 1], [2]], {})]
    one, guilty, two, ragged = outcomes(model, requests)
    assert (one, two) == ([2], [4, 6])
    assert (str(guilty), "inhomogeneous" in str(ragged)) == ("negative", True)


def test_what_does_not_fit_together_stays_apart() -> None:
    model = Doubles()
    requests: list[Any] = [
        ([[1, 1]], {}),
        ([[1.5, 1]], {}),
        ([["a", "b"]], {}),
        ([["a", 1]], {}),
        ([[None, 1]], {}),
        ([[1, 1, 1]], {}),
        ([[2, 1]], {"factor": 3}),
        ([[2**53 + 1, 1]], {}),
        ([[4, 1]], {}),
    ]
    found = outcomes(model, requests)
    assert found == [[2], [3.0], ["a"], ["a"], [None], [2], [6], [2 * (2**53 + 1)], [8]]


def test_a_batch_has_a_limit_and_can_be_turned_off() -> None:
    model = Doubles()
    rows = [[1, 1]] * 60
    assert outcomes(model, [(rows, {})] * 40) == [[2] * 60] * 40
    assert max(model.calls) <= MAX_ROWS
    assert len(model.calls) == 40 // (MAX_ROWS // 60) + 1
    model = Doubles()
    assert outcomes(model, [([[1, 1]], {})] * 5, join=False) == [[2]] * 5
    assert model.calls == [1] * 5


def test_a_model_that_answers_a_batch_wrongly_is_asked_one_by_one() -> None:
    model = Doubles()
    whole = model.predict_rows
    model.predict_rows = lambda rows, options: whole(rows, options)[: 1 if len(rows) > 1 else None]  # type: ignore[method-assign]
    assert outcomes(model, [([[n, 1]], {}) for n in range(4)]) == [[0], [2], [4], [6]]


class Mean(BaseEstimator):
    """Looks at the whole batch."""

    def fit(self, rows: Any, targets: Any = None) -> Mean:
        return self

    def transform(self, rows: Any) -> Any:
        return rows - rows.mean(axis=0)


@pytest.mark.parametrize(
    ("estimator", "safe"),
    [
        (LinearRegression(), True),
        (RandomForestClassifier(), True),
        (make_pipeline(StandardScaler(), LinearRegression()), True),
        (make_pipeline(FunctionTransformer(np.log1p), LinearRegression()), True),
        (GridSearchCV(make_pipeline(StandardScaler(), LinearRegression()), {}), True),
        (make_pipeline(FunctionTransformer(lambda rows: rows - rows.mean()), LinearRegression()), False),
        (make_pipeline(Mean(), LinearRegression()), False),
        (make_pipeline(ColumnTransformer([("mean", Mean(), [0])]), LinearRegression()), False),
        (GridSearchCV(make_pipeline(Mean(), LinearRegression()), {}), False),
        (DummyClassifier(strategy="stratified"), False),
        (Mean(), False),
    ],
)
def test_only_libraries_own_estimators_are_joined(estimator: Any, safe: bool) -> None:
    assert is_row_wise(estimator) is safe


def test_a_server_under_load_mixes_nothing_up(serve: Serve, tmp_path: Path) -> None:
    rows = np.arange(200.0).reshape(100, 2)
    model = DecisionTreeRegressor(random_state=0).fit(rows, np.arange(100.0))
    joblib.dump(model, tmp_path / "model.joblib")
    server = serve(tmp_path).ready()

    def ask(number: int) -> None:
        for step in range(10):
            row = rows[(number * 10 + step) % 100].tolist()
            if step % 7 == 3:
                status, body = server.predict({"instances": [row[:1]]})
                assert (status, "X has 1 features" in body["error"]) == (400, True)
            elif step % 7 == 5:
                status, body = server.predict({"instances": [["a", "b"]]})
                assert status == 400
            else:
                status, body = server.predict({"instances": [row, row]})
                assert (status, body["predictions"]) == (200, [row[0] / 2] * 2)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(16)))
