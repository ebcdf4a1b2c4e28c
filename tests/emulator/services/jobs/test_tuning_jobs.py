"""Hyperparameter tuning jobs through the official client, with real trials."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.cloud import aiplatform_v1
from google.cloud.aiplatform_v1 import types

IMAGE = f"python:3.{sys.version_info[1]}"
Trial = types.Trial.State
MAXIMIZE, MINIMIZE = 1, 2
DOUBLE = {"parameter_id": "x", "double_value_spec": {"min_value": 0, "max_value": 1}}
INTEGER = {"parameter_id": "n", "integer_value_spec": {"min_value": 1, "max_value": 9}}
DISCRETE = {"parameter_id": "batch", "discrete_value_spec": {"values": [16, 32]}}
CATEGORICAL = {"parameter_id": "kind", "categorical_value_spec": {"values": ["a", "b"]}}
PRELUDE = """
import json, os, sys, time
given = dict(word[2:].split("=", 1) for word in sys.argv[1:] if word.startswith("--"))
trial, lines = int(os.environ["CLOUD_ML_TRIAL_ID"]), []
def report(value, step=0, name="accuracy"):
    body = {"timestamp": time.time(), "trial": str(trial), name: str(value), "global_step": str(step)}
    lines.append(json.dumps(body) + "\\n")
    with open(os.environ["CLOUD_ML_HP_METRIC_FILE"], "w") as file:
        file.writelines(lines)
"""


@pytest.fixture
def jobs(google_environment) -> aiplatform_v1.JobServiceClient:
    options = ClientOptions(api_endpoint="us-central1-aiplatform.googleapis.com")
    return aiplatform_v1.JobServiceClient(client_options=options)


@pytest.fixture
def parent(emulator) -> str:
    return f"projects/{emulator.project}/locations/us-central1"


def tuning_job(script: str, *parameters: Any, trials: int = 2, parallel: int = 2, **fields: Any) -> dict[str, Any]:
    study = {"metrics": [{"metric_id": "accuracy", "goal": MAXIMIZE}], "parameters": list(parameters) or [DOUBLE]}
    command = [sys.executable, "-S", "-c", PRELUDE + script]
    pool = {
        "machine_spec": {"machine_type": "n1-standard-4"},
        "replica_count": 1,
        "container_spec": {"image_uri": IMAGE, "command": command, "args": fields.pop("args", [])},
    }
    trial_job = {"worker_pool_specs": [pool], **fields.pop("job_spec", {})}
    return {
        "display_name": fields.pop("display_name", uuid.uuid4().hex),
        "study_spec": {**study, **fields.pop("study", {})},
        "max_trial_count": trials,
        "parallel_trial_count": parallel,
        "trial_job_spec": trial_job,
        **fields,
    }


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # between two looks
    return found


def run(jobs, parent: str, job: dict[str, Any]) -> types.HyperparameterTuningJob:
    created = jobs.create_hyperparameter_tuning_job(parent=parent, hyperparameter_tuning_job=job)
    return until(lambda: _ended(jobs, created.name))


def _ended(jobs, name: str) -> types.HyperparameterTuningJob | None:
    found = jobs.get_hyperparameter_tuning_job(name=name)
    return found if found.end_time else None


def state(job: types.HyperparameterTuningJob) -> str:
    return job.state.name.removeprefix("JOB_STATE_")


def states(job: types.HyperparameterTuningJob) -> list[str]:
    return [trial.state.name for trial in job.trials]


def values(trial: types.Trial) -> dict[str, Any]:
    return {parameter.parameter_id: parameter.value for parameter in trial.parameters}


def logged(name: str, **labels: str) -> list[str]:
    from google.cloud import logging_v2

    client = logging_v2.services.logging_service_v2.LoggingServiceV2Client()
    text = f'resource.type="ml_job" AND resource.labels.job_id="{name.rpartition("/")[2]}"'
    text += "".join(f' AND labels."ml.googleapis.com/{key}"="{value}"' for key, value in labels.items())
    entries = client.list_log_entries(request={"resource_names": [name[: name.index("/locations")]], "filter": text})
    return [dict(entry.json_payload or {}).get("message", entry.text_payload) for entry in entries]


def test_a_search(jobs, parent: str, bucket: str) -> None:
    script = """
assert os.environ["CLOUD_ML_JOB_ID"].isdigit()
print("trial", trial, *sys.argv[1:], os.environ["AIP_MODEL_DIR"])
report(0.1 * trial, 1); report(0.9 - 0.1 * trial, 2); report(0.2, 3)
"""
    parameters = (DOUBLE, INTEGER, DISCRETE, CATEGORICAL)
    fields = {"study": {"measurement_selection_type": 2}, "args": ["--epochs=3"], "labels": {"team": "a"}}
    output = {"base_output_directory": {"output_uri_prefix": f"gs://{bucket}/out"}}
    job = run(jobs, parent, tuning_job(script, *parameters, trials=4, job_spec=output, **fields))
    assert (state(job), job.labels["team"]) == ("SUCCEEDED", "a")
    assert job.create_time <= job.start_time <= job.end_time
    assert [trial.id for trial in job.trials] == ["1", "2", "3", "4"]
    assert states(job) == ["SUCCEEDED"] * 4
    for number, trial in enumerate(job.trials, 1):
        point = values(trial)
        best = max(0.1 * number, 0.9 - 0.1 * number)
        assert trial.final_measurement.metrics[0].value == pytest.approx(best)
        assert [each.step_count for each in trial.measurements] == [1, 2, 3]
        assert trial.start_time < trial.end_time
        said = logged(job.name, trial_id=str(number))
        assert f"Trial {number} completed successfully." in said  # what wakes those who follow the search
        (line,) = (text for text in said if text.startswith("trial "))
        arguments = [f"--x={point['x']!r}", f"--n={point['n']:.0f}", f"--batch={point['batch']:.0f}"]
        expected = ["--epochs=3", *arguments, f"--kind={point['kind']}"]
        assert line.split() == ["trial", str(number), *expected, f"gs://{bucket}/out/{number}/model/"]


def test_the_last_measurement_unless_told_otherwise(jobs, parent: str) -> None:
    job = run(jobs, parent, tuning_job("report(0.9, 1); report(0.3, 2)", trials=1, parallel=1))
    assert job.trials[0].final_measurement.metrics[0].value == 0.3
    assert job.trials[0].final_measurement.step_count == 2


def test_several_metrics_meet_at_their_step(jobs, parent: str) -> None:
    script = "report(0.5, 1); report(9, 1, 'loss'); report(7, 2, 'loss'); report(0.6, 2); report(1, 2, 'other')"
    metrics = [{"metric_id": "loss", "goal": MINIMIZE}, {"metric_id": "accuracy", "goal": MAXIMIZE}]
    job = run(jobs, parent, tuning_job(script, trials=1, parallel=1, study={"metrics": metrics}))
    final = {metric.metric_id: metric.value for metric in job.trials[0].final_measurement.metrics}
    assert final == {"loss": 7, "accuracy": 0.6}
    assert list(final) == ["loss", "accuracy"]
    assert len(job.trials[0].measurements) == 2


def test_failed_trials_are_infeasible(jobs, parent: str) -> None:
    script = "report(0.5)\nif trial == 2: sys.exit('no such file: x.csv')"
    job = run(jobs, parent, tuning_job(script, trials=3))
    assert (state(job), states(job)) == ("SUCCEEDED", ["SUCCEEDED", "INFEASIBLE", "SUCCEEDED"])
    reason = job.trials[1].infeasible_reason
    assert "workerpool0-0 exited with a non-zero status of 1" in reason
    assert "no such file: x.csv" in reason
    assert "final_measurement" not in job.trials[1]
    assert job.trials[1].end_time


def test_max_failed_trial_count(jobs, parent: str) -> None:
    script = "report(0.5)\nif trial > 1: sys.exit(3)"
    job = run(jobs, parent, tuning_job(script, trials=9, parallel=1, max_failed_trial_count=2))
    assert (state(job), states(job)) == ("FAILED", ["SUCCEEDED", "INFEASIBLE", "INFEASIBLE"])
    assert "2 trials failed, max_failed_trial_count is 2" in job.error.message
    assert "status of 3" in job.error.message


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("report(0.5, name='acc')", r"without reporting metric 'accuracy' (reported: 'acc')"),
        ("pass", r"without reporting metric 'accuracy' (reported: none)"),
        ("report('nan')", "reported nan for metric 'accuracy'"),
        ("report('-inf')", "reported -inf for metric 'accuracy'"),
    ],
)
def test_trials_without_a_usable_metric(jobs, parent: str, script: str, reason: str) -> None:
    job = run(jobs, parent, tuning_job(script))
    assert (state(job), states(job)) == ("FAILED", ["INFEASIBLE", "INFEASIBLE"])
    assert reason in job.trials[0].infeasible_reason
    assert reason in job.error.message
    if "acc'" in script:
        assert "No trial reported 'accuracy'; reported were: 'acc'." in job.error.message


def test_a_nan_among_good_ones(jobs, parent: str) -> None:
    best = {"study": {"measurement_selection_type": 2}}
    job = run(jobs, parent, tuning_job("report(0.4, 1); report('nan', 2)", trials=1, parallel=1, **best))
    assert job.trials[0].final_measurement.metrics[0].value == 0.4


def test_an_exhausted_grid_ends_the_job(jobs, parent: str) -> None:
    script = "report(len(given))"
    job = run(jobs, parent, tuning_job(script, DISCRETE, CATEGORICAL, trials=9, study={"algorithm": 2}))
    assert (state(job), len(job.trials)) == ("SUCCEEDED", 4)
    assert len({str(values(trial)) for trial in job.trials}) == 4


def test_conditional_parameters_are_arguments_only_where_they_exist(jobs, parent: str) -> None:
    child = {"parent_categorical_values": {"values": ["b"]}, "parameter_spec": INTEGER}
    parameter = {**CATEGORICAL, "conditional_parameter_specs": [child]}
    job = run(jobs, parent, tuning_job("report(given.get('n', 0))", parameter, trials=4, study={"algorithm": 2}))
    found = [(values(trial)["kind"], trial.final_measurement.metrics[0].value) for trial in job.trials]
    assert found == [("a", 0), ("b", 1), ("b", 2), ("b", 3)]


def test_early_stopping_ends_the_process(jobs, parent: str) -> None:
    script = """
for step in range(1, 4): report(0.9 if trial == 1 else 0.1, step); time.sleep(0.05)
if trial == 2: time.sleep(1000)
"""
    rule = {"median_automated_stopping_spec": {}}
    job = run(jobs, parent, tuning_job(script, trials=2, parallel=1, study=rule))
    assert (state(job), states(job)) == ("SUCCEEDED", ["SUCCEEDED", "SUCCEEDED"])
    assert job.trials[1].final_measurement.metrics[0].value == 0.1
    assert "Trial 2 is stopped early." in logged(job.name)


def test_study_stopping_config(jobs, parent: str) -> None:
    study = {"study_stopping_config": {"max_num_trials": 2}}
    job = run(jobs, parent, tuning_job("report(1)", trials=5, study=study))
    assert (state(job), states(job)) == ("SUCCEEDED", ["SUCCEEDED", "SUCCEEDED"])
    script = "report(trial)\nif trial == 2: time.sleep(1000)"
    study = {"study_stopping_config": {"max_num_trials": 1, "should_stop_asap": True}}
    job = run(jobs, parent, tuning_job(script, trials=5, study=study))
    assert state(job) == "SUCCEEDED"
    study = {
        "study_stopping_config": {
            "maximum_runtime_constraint": {"max_duration": timedelta(seconds=1)},
            "should_stop_asap": True,
        }
    }
    job = run(jobs, parent, tuning_job("report(1); time.sleep(1000)", trials=5, parallel=1, study=study))
    assert (state(job), states(job)) == ("SUCCEEDED", ["SUCCEEDED"])


def test_cancel(jobs, parent: str) -> None:
    script = "report(0.5)\nif trial > 1: print('pid', os.getpid(), flush=True); time.sleep(1000)"
    job = jobs.create_hyperparameter_tuning_job(
        parent=parent, hyperparameter_tuning_job=tuning_job(script, trials=9, parallel=1)
    )
    pid = int(until(lambda: [text for text in logged(job.name) if text and text.startswith("pid ")])[0].split()[1])
    asked = time.monotonic()
    jobs.cancel_hyperparameter_tuning_job(name=job.name)
    job = until(lambda: _ended(jobs, job.name))
    assert time.monotonic() - asked < 3  # 1 s on a machine that does nothing else
    assert (state(job), states(job)) == ("CANCELLED", ["SUCCEEDED", "INFEASIBLE"])
    assert job.error.code == 1
    assert "cancelled" in job.trials[1].infeasible_reason
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    jobs.cancel_hyperparameter_tuning_job(name=job.name)  # nothing to do any more


def test_get_list_delete(jobs, parent: str) -> None:
    job = run(jobs, parent, tuning_job("report(1)", trials=1, parallel=1))
    text = f'display_name="{job.display_name}"'
    (found,) = jobs.list_hyperparameter_tuning_jobs(request={"parent": parent, "filter": text})
    assert found == job
    mask = {"paths": ["name", "state"]}
    (part,) = jobs.list_hyperparameter_tuning_jobs(request={"parent": parent, "filter": text, "read_mask": mask})
    assert (part.name, part.display_name, len(part.trials)) == (job.name, "", 0)
    jobs.delete_hyperparameter_tuning_job(name=job.name).result()
    with pytest.raises(exceptions.NotFound, match=job.name):
        jobs.get_hyperparameter_tuning_job(name=job.name)
    assert job.name not in [custom.name for custom in jobs.list_custom_jobs(parent=parent)]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"display_name": ""}, "hyperparameter_tuning_job.display_name"),
        ({"study": {"metrics": []}}, "hyperparameter_tuning_job.study_spec.metrics"),
        ({"study": {"metrics": [{"metric_id": "a b"}]}}, r"study_spec.metrics\[0\].metric_id"),
        ({"study": {"parameters": []}}, "study_spec.parameters.*empty"),
        ({"study": {"algorithm": 2}}, "study_spec.algorithm.*'x' is DOUBLE"),
        ({"trials": 0}, "max_trial_count"),
        ({"trials": -1}, "max_trial_count"),
        ({"parallel": 0}, "parallel_trial_count"),
        ({"parallel": 3}, "parallel_trial_count: 3 is above max_trial_count 2"),
        ({"max_failed_trial_count": -1}, "max_failed_trial_count"),
        ({"labels": {"A": "b"}}, "hyperparameter_tuning_job.labels"),
        ({"job_spec": {"worker_pool_specs": []}}, "hyperparameter_tuning_job.trial_job_spec.worker_pool_specs"),
    ],
)
def test_what_is_refused(jobs, parent: str, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=field):
        jobs.create_hyperparameter_tuning_job(
            parent=parent, hyperparameter_tuning_job=tuning_job("report(1)", **fields)
        )


def test_ranges_images_and_buckets_are_checked(jobs, parent: str) -> None:
    turned = {**DOUBLE, "double_value_spec": {"min_value": 2, "max_value": 1}}
    path = r"hyperparameter_tuning_job\.study_spec\.parameters\[0\]\.double_value_spec\.min_value: 2.0 is above"
    with pytest.raises(exceptions.InvalidArgument, match=path):
        run(jobs, parent, tuning_job("", turned))
    unknown = tuning_job("")
    unknown["trial_job_spec"]["worker_pool_specs"][0]["container_spec"]["image_uri"] = "gcr.io/nobody/nothing"
    with pytest.raises(exceptions.InvalidArgument, match=r"gcr\.io/nobody/nothing"):
        run(jobs, parent, unknown)
    output = {"base_output_directory": {"output_uri_prefix": "gs://no-such-bucket-here/x"}}
    with pytest.raises(exceptions.NotFound, match="no-such-bucket-here"):
        run(jobs, parent, tuning_job("", job_spec=output))


def test_a_trial_is_a_run_in_the_tensorboard(jobs, parent: str, bucket: str) -> None:
    script = """
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter
writer = EventFileWriter(os.environ["LOGS"])
value = summary_pb2.Summary.Value(tag="loss", simple_value=0.5)
writer.add_event(event_pb2.Event(step=1, wall_time=time.time(), summary=summary_pb2.Summary(value=[value])))
writer.close()
report(0.5)
"""
    options = ClientOptions(api_endpoint="us-central1-aiplatform.googleapis.com")
    client = aiplatform_v1.TensorboardServiceClient(client_options=options)
    board = client.create_tensorboard(parent=parent, tensorboard={"display_name": "t"}).result()
    output = {"base_output_directory": {"output_uri_prefix": f"gs://{bucket}/out"}, "tensorboard": board.name}
    job = tuning_job(
        script, trials=1, parallel=1, job_spec={**output, "service_account": "a@b.iam.gserviceaccount.com"}
    )
    container = job["trial_job_spec"]["worker_pool_specs"][0]["container_spec"]
    container["command"].remove("-S")
    container["env"] = [{"name": "LOGS", "value": f"/gcs/{bucket}/out/1/logs"}]
    done = run(jobs, parent, job)
    assert states(done) == ["SUCCEEDED"], done
    name = f"{board.name}/experiments/{done.name.rpartition('/')[2]}"
    assert client.get_tensorboard_experiment(name=name).display_name == done.display_name
    (logged_run,) = client.list_tensorboard_runs(parent=name)
    assert logged_run.display_name == "1"
    (series,) = client.list_tensorboard_time_series(parent=logged_run.name)
    assert series.display_name == "loss"
    missing = {**output, "tensorboard": board.name[:-1] + "x"}
    with pytest.raises(exceptions.GoogleAPICallError, match="tensorboards"):
        run(jobs, parent, tuning_job(script, job_spec=missing))
