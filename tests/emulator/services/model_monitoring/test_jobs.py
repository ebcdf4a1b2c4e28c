"""Monitoring jobs: their windows, what they tell, their states, and what is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.services.model_monitoring.messages import AnomalyInfo, FeatureNameStatistics

from .conftest import ENDPOINT, PARENT, START, Monitoring, build

RUNNING, PAUSED = types.JobState.JOB_STATE_RUNNING, types.JobState.JOB_STATE_PAUSED
HOUR = timedelta(hours=1)


def carriers(*values: str | None) -> list[str]:
    return [json.dumps({"carrier": value, "delay": float(n % 7)}) for n, value in enumerate(values)]


def training(monitoring: Monitoring, text: str, kind: str = "csv", **fields: Any) -> dict[str, Any]:
    uri = monitoring.objects.put(f"train.{kind}", text.encode())
    dataset = {"gcs_source": {"uris": [uri]}, "data_format": kind, "target_field": "late", **fields}
    skew = {"skew_thresholds": {"carrier": {"value": 0.25}}}
    return {"training_dataset": dataset, "training_prediction_skew_detection_config": skew}


CSV = "carrier,delay,late\n" + "AA,1,0\nUA,2,1\n" * 20


def test_each_window_is_looked_at_once_and_in_order(monitoring: Monitoring) -> None:
    job = monitoring.create()
    assert (job.state.name, job.schedule_state.name) == ("JOB_STATE_PENDING", "OFFLINE")
    table = job.bigquery_tables[0].bigquery_table_path
    assert table == "bq://p1.model_deployment_monitoring_7.serving_predict"
    assert monitoring.get(job.name).state == RUNNING
    assert monitoring.get(job.name).next_schedule_time == START.replace(hour=11, minute=0)
    for values in (["AA"] * 10, ["AA"] * 10, ["AA"] * 5 + ["UA"] * 5):
        monitoring.asked.ask(*carriers(*values))
        monitoring.advance(hours=1)
    carrier = monitoring.stats(job.name)["carrier"]
    assert [point.distribution_deviation for point in carrier] == [0, 0, 0.5]
    assert [point.end_time.hour for point in carrier] == [11, 12, 13]
    assert all(point.end_time - point.start_time == HOUR for point in carrier)
    assert monitoring.get(job.name).next_schedule_time == START.replace(hour=14, minute=0)
    assert monitoring.get(job.name).latest_monitoring_pipeline_metadata.run_time == START.replace(hour=13, minute=0)
    assert [point.distribution_deviation for point in monitoring.stats(job.name)["delay"]][1:] == [0, 0]


def test_several_windows_pass_in_one_step(monitoring: Monitoring) -> None:
    job = monitoring.create()
    for hour, carrier in enumerate(["AA", "AA", "UA", "UA"]):
        at = START + hour * HOUR
        monitoring.context.agenda.at(at, lambda c=carrier: monitoring.asked.ask(*carriers(c, c)), name="caller")
    monitoring.advance(hours=10)
    points = monitoring.stats(job.name)["carrier"]
    assert [(point.end_time.hour, point.distribution_deviation) for point in points] == [
        *((11, 0), (12, 0), (13, 1), (14, 0)),
    ]
    assert max(monitoring.asked.windows).end.hour == 14  # the idle hours ask nobody


def test_a_year_without_requests_reads_nothing(monitoring: Monitoring) -> None:
    job = monitoring.create(
        model_deployment_monitoring_schedule_config={"monitor_interval": timedelta(days=1, minutes=1)}
    )
    monitoring.advance(days=365)
    assert len(monitoring.asked.windows) <= 1  # the first begins before the emulator did
    assert monitoring.get(job.name).next_schedule_time - START < timedelta(days=367)


def test_a_window_longer_than_the_interval(monitoring: Monitoring) -> None:
    schedule = {"monitor_interval": HOUR, "monitor_window": timedelta(hours=3)}
    job = monitoring.create(model_deployment_monitoring_schedule_config=schedule)
    monitoring.asked.ask(*carriers("AA"))
    monitoring.advance(hours=4)
    assert len(monitoring.stats(job.name)["carrier"]) == 3


def test_skew_tells_who_asked_to_be_told(monitoring: Monitoring) -> None:
    objective = training(monitoring, CSV)
    alerts = {
        "email_alert_config": {"user_emails": ["ml@example.com"]},
        "enable_logging": True,
        "notification_channels": ["projects/p1/notificationChannels/3"],
    }
    job = monitoring.create(
        objective=objective,
        model_monitoring_alert_config=alerts,
        stats_anomalies_base_directory={"output_uri_prefix": "gs://b/out/"},
        enable_monitoring_pipeline_logs=True,
    )
    monitoring.asked.ask(*carriers("AA", "AA", "AA", "B6"))
    monitoring.advance(hours=1)
    ((stats,),) = monitoring.stats(job.name, 1).values()
    assert stats.distribution_deviation == 0.5
    assert monitoring.points == []  # skew is no drift
    anomaly = [entry for entry in monitoring.logs if entry[0].endswith("model_monitoring_anomaly")]
    ((name, (kind, labels), severity, payload, _, when),) = anomaly
    assert name == "projects/p1/logs/aiplatform.googleapis.com%2Fmodel_monitoring_anomaly"
    assert (kind, severity, when) == (
        *("aiplatform.googleapis.com/ModelDeploymentMonitoringJob", "WARNING", START.replace(hour=11, minute=0)),
    )
    assert labels["model_deployment_monitoring_job"] == job.name.rpartition("/")[2]
    assert payload["featureAnomalies"] == [{"featureDisplayName": "carrier", "deviation": 0.5, "threshold": 0.25}]
    assert (payload["anomalyObjective"], payload["totalAnomaliesCount"]) == ("RAW_FEATURE_SKEW", 1)
    assert [
        entry[3]["statusCode"]["message"].split(" for ")[0] for entry in monitoring.logs if entry not in anomaly
    ] == [
        f"Model monitoring is set up: job {job.name}",
        "Scheduled model monitoring pipeline finished successfully",
    ]
    to, subject, text = monitoring.mails[-1]
    assert (to, subject) == ("ml@example.com", "Vertex AI model monitoring: training-prediction skew of watch")
    assert "- carrier: l_infinity 0.5000, threshold 0.25" in text
    ((channel, incident),) = monitoring.notices
    assert channel == "projects/p1/notificationChannels/3"
    assert (incident["observed_value"], incident["threshold_value"]) == ("0.500", "0.25")
    written = FeatureNameStatistics.FromString(_object(monitoring, stats.stats_uri))
    assert [(each.value, each.frequency) for each in written.string_stats.top_values] == [("AA", 3), ("B6", 1)]
    info = AnomalyInfo.FromString(_object(monitoring, stats.anomaly_uri))
    assert (list(info.path.step), info.reason[0].type) == (["carrier"], 42)


def _object(monitoring: Monitoring, uri: str) -> bytes:
    assert uri.startswith("gs://b/out/model_monitoring/job-")
    return (monitoring.objects.path / uri.removeprefix("gs://b/")).read_bytes()


def test_drift_becomes_a_time_series(monitoring: Monitoring) -> None:
    monitoring.create()
    for carrier in ("AA", "UA"):
        monitoring.asked.ask(*carriers(carrier))
        monitoring.advance(hours=1)
    found = {dict(series.metric_labels)["feature_name"]: (series, point) for series, point in monitoring.points}
    series, point = found["carrier"]
    assert point.value == 1.0
    assert dict(series.resource_labels)["model_id"] == "5"
    assert dict(series.metric_labels)["algorithm"] == "l_infinity"
    assert dict(found["delay"][0].metric_labels)["algorithm"] == "jensen_shannon_divergence"


def test_a_look_that_fails_is_told_and_the_next_one_comes(monitoring: Monitoring) -> None:
    alerts = {"email_alert_config": {"user_emails": ["ml@example.com"]}}
    job = monitoring.create(model_monitoring_alert_config=alerts)
    monitoring.asked.ask("[1, 2]")
    monitoring.advance(hours=1)
    status = monitoring.get(job.name).latest_monitoring_pipeline_metadata.status
    assert status.code == 3
    assert "arrays of 2 values, and no schema names them: set analysis_instance_schema_uri" in status.message
    assert "failed" in monitoring.mails[-1][2]
    assert monitoring.get(job.name).state == RUNNING
    monitoring.asked.ask(*carriers("AA"))
    monitoring.advance(hours=1)
    assert list(monitoring.stats(job.name)) == ["carrier", "delay"]
    assert monitoring.get(job.name).latest_monitoring_pipeline_metadata.status.code == 0


def test_arrays_by_a_schema_and_by_the_training_data(monitoring: Monitoring) -> None:
    schema = "type: object\nproperties: {carrier: {type: string}, delay: {type: number}}"
    uri = monitoring.objects.put("schema.yaml", schema.encode())
    job = monitoring.create(analysis_instance_schema_uri=uri)
    monitoring.asked.ask('["7", "1.5"]', '{"instances": [["7", "2.5"], ["8", null]]}', "not JSON")
    monitoring.advance(hours=2)
    first = monitoring.stats(job.name)
    assert list(first) == ["carrier", "delay"]
    monitoring.service.pause_model_deployment_monitoring_job(
        types.PauseModelDeploymentMonitoringJobRequest(name=job.name)
    )
    _delete(monitoring, job.name)
    again = monitoring.create(objective=training(monitoring, CSV))
    monitoring.asked.ask('["AA", 1.5]')
    monitoring.advance(hours=1)
    assert monitoring.stats(again.name, 1)["carrier"][0].distribution_deviation == 0.5


def _delete(monitoring: Monitoring, name: str) -> Any:
    request = types.DeleteModelDeploymentMonitoringJobRequest(name=name)
    return monitoring.service.delete_model_deployment_monitoring_job(request)


def test_a_restart_goes_on_where_it_was(monitoring: Monitoring, tmp_path: Path) -> None:
    job = monitoring.create()
    monitoring.asked.ask(*carriers("AA"))
    for name in list(monitoring.service._rounds._due):  # as a process that ends: nothing is due any more
        monitoring.service._rounds.end(name)
    monitoring.context.clock.set(START + 3 * HOUR)
    again = build(monitoring.context, tmp_path, monitoring.asked)
    again.service.resume()
    again.advance(hours=1)
    assert [point.end_time.hour for point in again.stats(job.name)["carrier"]] == [11]
    assert again.get(job.name).next_schedule_time == START.replace(hour=15, minute=0)


def test_a_clock_that_is_set_back(monitoring: Monitoring) -> None:
    job = monitoring.create()
    monitoring.advance(days=2)
    monitoring.context.agenda.set_back(START)
    monitoring.asked.ask(*carriers("AA"))
    monitoring.advance(hours=1)
    assert [point.end_time.hour for point in monitoring.stats(job.name)["carrier"]] == [11]


def test_states(monitoring: Monitoring) -> None:
    job = monitoring.create()
    with pytest.raises(exceptions.FailedPrecondition, match="pause it first"):
        _delete(monitoring, job.name)
    pause = types.PauseModelDeploymentMonitoringJobRequest(name=job.name)
    resume = types.ResumeModelDeploymentMonitoringJobRequest(name=job.name)
    with pytest.raises(exceptions.FailedPrecondition, match="only a paused job resumes"):
        monitoring.service.resume_model_deployment_monitoring_job(resume)
    monitoring.service.pause_model_deployment_monitoring_job(pause)
    assert monitoring.get(job.name).state == PAUSED
    with pytest.raises(exceptions.FailedPrecondition, match="only a running job is paused"):
        monitoring.service.pause_model_deployment_monitoring_job(pause)
    monitoring.asked.ask(*carriers("AA"))
    monitoring.advance(hours=5)
    assert monitoring.stats(job.name) == {}
    monitoring.service.resume_model_deployment_monitoring_job(resume)
    assert monitoring.get(job.name).next_schedule_time == START.replace(hour=16, minute=0)
    monitoring.service.pause_model_deployment_monitoring_job(pause)
    assert _delete(monitoring, job.name).done
    endpoint = monitoring.context.store.collection(types.Endpoint).get(ENDPOINT)
    assert endpoint.model_deployment_monitoring_job == ""
    with pytest.raises(exceptions.NotFound):
        monitoring.get(job.name)


def test_updates_by_mask(monitoring: Monitoring) -> None:
    job = monitoring.create()
    changed = {"name": job.name, "display_name": "other", "labels": {"team": "a"}}
    _update(monitoring, changed, "displayName")
    found = monitoring.get(job.name)
    assert (found.display_name, dict(found.labels)) == ("other", {})
    schedule = {"name": job.name, "model_deployment_monitoring_schedule_config": {"monitor_interval": 6 * HOUR}}
    _update(monitoring, schedule, "model_deployment_monitoring_schedule_config")
    assert monitoring.get(job.name).next_schedule_time == START.replace(hour=16, minute=0)
    own = {"prediction_drift_detection_config": {"drift_thresholds": {"carrier": {"value": 0.9}}}}
    configs = monitoring.job(objective=own)["model_deployment_monitoring_objective_configs"]
    whole = {"name": job.name, "model_deployment_monitoring_objective_configs": configs}
    _update(monitoring, whole, "objective_configs.prediction_drift_detection_config")
    monitoring.asked.ask(*carriers("AA"))
    monitoring.advance(hours=6)
    assert list(monitoring.stats(job.name)) == ["carrier"]
    with pytest.raises(exceptions.InvalidArgument, match="'endpoint' can't be changed"):
        _update(monitoring, {"name": job.name, "endpoint": "x"}, "endpoint")


def _update(monitoring: Monitoring, job: dict[str, Any], *paths: str) -> None:
    request = types.UpdateModelDeploymentMonitoringJobRequest(
        model_deployment_monitoring_job=job, update_mask={"paths": list(paths)}
    )
    assert monitoring.service.update_model_deployment_monitoring_job(request).done


ONE = {"value": 0.3}
REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no name": ({"display_name": ""}, exceptions.InvalidArgument, "display_name: required"),
    "no endpoint": ({"endpoint": f"{PARENT}/endpoints/8"}, exceptions.NotFound, "endpoints/8"),
    "elsewhere": (
        {"endpoint": "projects/p1/locations/europe-west4/endpoints/7"},
        *(exceptions.InvalidArgument, "is not in projects/p1"),
    ),
    "no rate": ({"logging_sampling_strategy": {}}, exceptions.InvalidArgument, r"sample_rate: 0 is not in \(0, 1\]"),
    "no interval": (
        {"model_deployment_monitoring_schedule_config": {}},
        *(exceptions.InvalidArgument, "monitor_interval: required"),
    ),
    "no objective": ({"objective": {"training_dataset": {}}}, exceptions.InvalidArgument, "is required, but missing"),
    "no features": (
        {"objective": {"prediction_drift_detection_config": {}}},
        *(exceptions.InvalidArgument, "no feature has a threshold"),
    ),
    "threshold": (
        {"objective": {"prediction_drift_detection_config": {"drift_thresholds": {"x": {"value": 1.5}}}}},
        *(exceptions.InvalidArgument, r"drift_thresholds\[x\]: 1.5 is not in \[0, 1\]"),
    ),
    "no training data": (
        {"objective": {"training_prediction_skew_detection_config": {"default_skew_threshold": ONE}}},
        *(exceptions.InvalidArgument, "a bigquery_source, a gcs_source or a dataset is required"),
    ),
    "attributions": (
        {"objective": {"explanation_config": {"enable_feature_attributes": True}}},
        *(exceptions.MethodNotImplemented, "explanation_config"),
    ),
    "attribution thresholds": (
        {"objective": {"prediction_drift_detection_config": {"attribution_score_drift_thresholds": {"x": ONE}}}},
        *(exceptions.MethodNotImplemented, "attribution_score_drift_thresholds"),
    ),
    "mail": (
        {"model_monitoring_alert_config": {"email_alert_config": {"user_emails": ["nobody"]}}},
        *(exceptions.InvalidArgument, "'nobody' is not an address"),
    ),
    "folder": (
        {"stats_anomalies_base_directory": {"output_uri_prefix": "/tmp"}},
        *(exceptions.InvalidArgument, "is not gs://BUCKET/FOLDER"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(monitoring: Monitoring, case: str) -> None:
    changes, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        monitoring.create(**changes)
    assert monitoring.context.store.collection(types.ModelDeploymentMonitoringJob).list() == []


def test_deployed_models_are_checked(monitoring: Monitoring) -> None:
    config = monitoring.job()["model_deployment_monitoring_objective_configs"][0]
    field = "model_deployment_monitoring_objective_configs"
    with pytest.raises(exceptions.NotFound, match="Deployed model '9' is not found"):
        monitoring.create(**{field: [{**config, "deployed_model_id": "9"}]})
    with pytest.raises(exceptions.InvalidArgument, match="configured twice"):
        monitoring.create(**{field: [config, config]})
    monitoring.create()
    with pytest.raises(exceptions.AlreadyExists, match="is monitored already"):
        monitoring.create()


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"gcs_source": {"uris": ["gs://b/none.csv"]}}, exceptions.NotFound, "none.csv is not found"),
        ({"data_format": "parquet"}, exceptions.InvalidArgument, "'parquet' is not one of csv, jsonl, tf-record"),
        ({"target_field": "light"}, exceptions.InvalidArgument, "no column 'light'"),
        ({"target_field": "carrier"}, exceptions.InvalidArgument, "no column 'carrier'"),
    ],
)
def test_training_data_are_checked(monitoring: Monitoring, fields: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        monitoring.create(objective=training(monitoring, CSV, **fields))


def test_training_data_that_went_away_fail_the_look(monitoring: Monitoring) -> None:
    job = monitoring.create(objective=training(monitoring, CSV))
    (monitoring.objects.path / "train.csv").unlink()
    monitoring.asked.ask(*carriers("AA"))
    monitoring.advance(hours=1)
    assert "train.csv is not found" in monitoring.get(job.name).latest_monitoring_pipeline_metadata.status.message


def test_history_of_a_feature_and_a_time(monitoring: Monitoring) -> None:
    job = monitoring.create()
    for _ in range(3):
        monitoring.asked.ask(*carriers("AA"))
        monitoring.advance(hours=1)
    assert list(monitoring.stats(job.name, feature_display_name="delay")) == ["delay"]
    noon = START.replace(hour=12, minute=0)
    assert len(monitoring.stats(job.name, start_time=noon)["delay"]) == 2
    assert len(monitoring.stats(job.name, start_time=noon, end_time=noon)["delay"]) == 1
