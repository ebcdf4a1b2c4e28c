"""A tensorboard of its own for each test, asked through the official client: over gRPC, here and there over REST."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from google.cloud.aiplatform_v1 import TensorboardServiceClient, types

HOST = "us-central1-aiplatform.googleapis.com"

OVER_BOTH = pytest.mark.parametrize("client", ["grpc", "rest"], indirect=True)


def scalars(steps: Sequence[int], wall: int = 1_700_000_000) -> list[types.TimeSeriesDataPoint]:
    """Points whose value is half their step, a second apart."""
    return [
        types.TimeSeriesDataPoint(scalar={"value": step / 2}, step=step, wall_time={"seconds": wall + step})
        for step in steps
    ]


@dataclass
class Board:
    """One tensorboard, with short ways to make what is in it."""

    client: TensorboardServiceClient
    location: str
    name: str

    def experiment(self, own: str = "e", **fields: Any) -> str:
        request = types.CreateTensorboardExperimentRequest(
            parent=self.name, tensorboard_experiment=fields, tensorboard_experiment_id=own
        )
        return self.client.create_tensorboard_experiment(request).name

    def run(self, experiment: str, own: str = "r", title: str = "", **fields: Any) -> str:
        run = {"display_name": title or own, **fields}
        request = types.CreateTensorboardRunRequest(parent=experiment, tensorboard_run=run, tensorboard_run_id=own)
        return self.client.create_tensorboard_run(request).name

    def series(self, run: str, title: str = "loss", kind: str = "SCALAR", **fields: Any) -> str:
        series = {"display_name": title, "value_type": kind, **fields}
        return self.client.create_tensorboard_time_series(parent=run, tensorboard_time_series=series).name

    def scalar_series(self) -> str:
        """A new time series in a new run of a new experiment."""
        return self.series(self.run(self.experiment()))

    def write(self, series: str, points: Sequence[Any], kind: str = "SCALAR") -> None:
        run, _, own = series.rpartition("/timeSeries/")
        data = types.TimeSeriesData(tensorboard_time_series_id=own, value_type=kind, values=points)
        self.client.write_tensorboard_run_data(tensorboard_run=run, time_series_data=[data])

    def read(self, series: str, **options: Any) -> types.TimeSeriesData:
        request = types.ReadTensorboardTimeSeriesDataRequest(tensorboard_time_series=series, **options)
        return self.client.read_tensorboard_time_series_data(request).time_series_data

    def steps(self, series: str, **options: Any) -> list[int]:
        return [point.step for point in self.read(series, **options).values]

    def create(self, **fields: Any) -> types.Tensorboard:
        return self.client.create_tensorboard(parent=self.location, tensorboard=fields).result(timeout=60)


@pytest.fixture
def client(request, google_environment) -> Iterator[TensorboardServiceClient]:
    transport = getattr(request, "param", "grpc")
    with TensorboardServiceClient(client_options={"api_endpoint": HOST}, transport=transport) as client:
        yield client


@pytest.fixture
def board(client, emulator) -> Iterator[Board]:
    board = Board(client, f"projects/{emulator.project}/locations/us-central1", "")
    board.name = board.create(display_name="test").name
    yield board
    client.delete_tensorboard(name=board.name).result(timeout=60)
