"""Which requests are logged for a monitoring job, where, and that a look sees all that were noted before."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.services.model_monitoring.sampling import Sampling
from gcpmlops.emulator.services.prediction.request_log import RequestLog
from gcpmlops.emulator.services.prediction.served import Served

from .conftest import ENDPOINT, PARENT, START, Monitoring

OWN = {"enabled": True, "sampling_rate": 0.25, "bigquery_destination": {"output_uri": "bq://p1.own.log"}}


class Tables:
    """What was logged, by table."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def append(self, uri: str, location: str, schema: Any, rows: Any) -> None:
        self.rows.setdefault(uri, []).extend(json.loads(row) for row in rows)


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def ask(monitoring: Monitoring, tables: Tables):
    """Asks the endpoint so often; what the sample takes is logged at once."""
    log = RequestLog(lambda: tables, monitoring.context.clock.now, monitored=Sampling(monitoring.context.store))

    def ask_(times: int) -> None:
        row = monitoring.context.store.collection(types.Endpoint).get(ENDPOINT)
        endpoint = Served.read(row)
        target: Any = SimpleNamespace(endpoint=endpoint, deployed=SimpleNamespace(id="1"))
        for number in range(times):
            if log.takes(endpoint):
                log.write(target, [{"n": number}], [number])
        log.flush()

    yield ask_
    assert log.newest(ENDPOINT) in (None, START)
    log.close()


def test_a_share_of_the_requests_goes_to_the_documented_table(monitoring: Monitoring, tables: Tables, ask) -> None:
    ask(10)
    assert tables.rows == {}
    job = monitoring.create(logging_sampling_strategy={"random_sample_config": {"sample_rate": 0.5}})
    ask(1000)
    (rows,) = tables.rows.values()
    assert list(tables.rows) == [job.bigquery_tables[0].bigquery_table_path]
    assert len(rows) == pytest.approx(500, abs=3)
    assert rows[0]["deployed_model_id"] == "1"
    monitoring.service.pause_model_deployment_monitoring_job(
        types.PauseModelDeploymentMonitoringJobRequest(name=job.name)
    )
    ask(10)
    assert sum(map(len, tables.rows.values())) == len(rows)


def test_the_endpoints_own_log_is_the_one(monitoring: Monitoring, tables: Tables, ask) -> None:
    endpoints = monitoring.context.store.collection(types.Endpoint)
    monitoring.create(logging_sampling_strategy={"random_sample_config": {"sample_rate": 0.5}})
    row = endpoints.get(ENDPOINT)
    row.predict_request_response_logging_config = OWN
    endpoints.put(ENDPOINT, row, parent=PARENT)
    ask(1000)
    assert list(tables.rows) == ["bq://p1.own.log"]
    assert len(tables.rows["bq://p1.own.log"]) == pytest.approx(500, abs=3)  # the larger of the two rates
