"""Which experiments and runs a custom job may name."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import JobServiceClient

from .conftest import HOST

CONTAINER = {"image_uri": "python:3.11", "command": ["python", "-c", "pass"]}
POOL = {"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1, "container_spec": CONTAINER}


@pytest.fixture
def create(metadata):
    """Creates a job with further fields in its spec."""
    with JobServiceClient(client_options={"api_endpoint": HOST}) as client:

        def create(**fields: Any) -> Any:
            spec = {"worker_pool_specs": [POOL], **fields}
            return client.create_custom_job(parent=metadata.parent, custom_job={"display_name": "j", "job_spec": spec})

        yield create
        assert not [job for job in client.list_custom_jobs(parent=metadata.parent) if metadata.store in str(job)]


def test_what_is_no_experiment_or_no_run_is_refused(metadata, create) -> None:
    experiment = metadata.context("exp", schema_title="system.Experiment").name
    flow = metadata.context("flow", schema_title="system.Pipeline").name
    with pytest.raises(exceptions.InvalidArgument, match="required where experiment_run is given"):
        create(experiment_run=f"{experiment}-run")
    with pytest.raises(exceptions.NotFound, match="exp-run"):
        create(experiment=experiment, experiment_run=f"{experiment}-run")
    with pytest.raises(exceptions.NotFound, match="exp-none"):
        create(experiment=f"{experiment}-none")
    with pytest.raises(exceptions.InvalidArgument, match=r"job_spec.experiment: .* is a system.Pipeline"):
        create(experiment=flow)
    with pytest.raises(exceptions.InvalidArgument, match=r"job_spec.experiment_run: .* is a system.Pipeline"):
        create(experiment=experiment, experiment_run=flow)
    with pytest.raises(exceptions.InvalidArgument, match="'exp' is not of the form projects"):
        create(experiment="exp")
    long = metadata.context("e" * 120, schema_title="system.Experiment").name
    with pytest.raises(exceptions.InvalidArgument, match="too long"):
        create(experiment=long)
