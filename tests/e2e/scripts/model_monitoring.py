"""Model monitoring through Google's SDK and the clock: skew, drift, logs, mail, files, metrics."""

import email
import json
import os
import random
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from google.api_core import exceptions
from google.cloud import aiplatform, bigquery, logging_v2, monitoring_v3, storage
from google.cloud.aiplatform import model_monitoring
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.clock_client import EmulatorClock

MODEL_FILE, IMAGE, DATA_DIR = sys.argv[1:]
CLOCK = EmulatorClock(SimpleNamespace(endpoint=os.environ["GCPMLOPS_ENDPOINT"], data_dir=DATA_DIR))
SCHEMA = "type: object\nproperties:\n  weight: {type: number}\n  hour: {type: integer}\n  code: {type: integer}\n"
THRESHOLDS = {"weight": 0.2, "hour": 0.3}
random.seed(7)


def rows(count, mean):
    return [[random.gauss(mean, 1), random.randrange(24), 1] for _ in range(count)]


def refused(call, kind, text):
    try:
        call()
    except kind as error:
        if text not in str(error):
            raise
    else:
        raise AssertionError(f"no error with {text!r}")


def made(bucket):
    """An endpoint with a model, its training data as CSV, and the schema of its instances."""
    training = "weight,hour,code,heavy\n" + "".join(f"{w},{h},{c},0\n" for w, h, c in rows(400, 0))
    bucket.blob("train.csv").upload_from_string(training)
    bucket.blob("schema.yaml").upload_from_string(SCHEMA)
    bucket.blob("model/model.pkl").upload_from_filename(MODEL_FILE)
    model = aiplatform.Model.upload(
        display_name="weighing", artifact_uri=f"gs://{bucket.name}/model", serving_container_image_uri=IMAGE
    )
    endpoint = aiplatform.Endpoint.create(display_name="monitored")
    refused(lambda: monitored(endpoint, bucket.name), exceptions.FailedPrecondition, "no deployed model")
    endpoint.deploy(model, machine_type="n1-standard-2")
    return endpoint


def monitored(endpoint, bucket, *, data="train.csv", target="heavy", rate=1.0, drift=THRESHOLDS):
    skew = model_monitoring.SkewDetectionConfig(
        data_source=f"gs://{bucket}/{data}", data_format="csv", target_field=target, skew_thresholds={"weight": 0.2}
    )
    return aiplatform.ModelDeploymentMonitoringJob.create(
        endpoint=endpoint,
        display_name="watch-weights",
        objective_configs=model_monitoring.ObjectiveConfig(
            skew_detection_config=skew, drift_detection_config=model_monitoring.DriftDetectionConfig(drift)
        ),
        logging_sampling_strategy=model_monitoring.RandomSampleConfig(sample_rate=rate),
        schedule_config=model_monitoring.ScheduleConfig(monitor_interval=1),
        alert_config=model_monitoring.EmailAlertConfig(["ml@example.com"], enable_logging=True),
        analysis_instance_schema_uri=f"gs://{bucket}/schema.yaml",
        stats_anomalies_base_directory=f"gs://{bucket}/stats",
        enable_monitoring_pipeline_logs=True,
    )


def is_refused_with_reasons(endpoint, bucket):
    refused(lambda: monitored(endpoint, bucket, data="none.csv"), exceptions.NotFound, "none.csv")
    refused(lambda: monitored(endpoint, bucket, target="light"), exceptions.InvalidArgument, "no column 'light'")
    refused(lambda: monitored(endpoint, bucket, rate=1.5), exceptions.InvalidArgument, "1.5 is not in (0, 1]")
    refused(lambda: monitored(endpoint, bucket, drift={}), exceptions.InvalidArgument, "no feature has a threshold")
    refused(lambda: monitored(endpoint, bucket, drift={"hour": 2}), exceptions.InvalidArgument, "2 is not in [0, 1]")


def history(client, job, objective):
    """Feature → distances, one for each window, as the API searches them."""
    wanted = types.SearchModelDeploymentMonitoringStatsAnomaliesRequest.StatsAnomaliesObjective(type_=objective)
    request = types.SearchModelDeploymentMonitoringStatsAnomaliesRequest(
        model_deployment_monitoring_job=job.resource_name,
        deployed_model_id=job._gca_resource.model_deployment_monitoring_objective_configs[0].deployed_model_id,
        objectives=[wanted],
    )
    found = list(client.search_model_deployment_monitoring_stats_anomalies(request=request))
    return {each.feature_display_name: list(each.prediction_stats) for stats in found for each in stats.feature_stats}


def logged(endpoint):
    """Rows in the documented table."""
    table = f"model_deployment_monitoring_{endpoint.name}.serving_predict"
    sql = f"SELECT COUNT(*) AS n, MIN(deployed_model_id) AS model FROM {table}"
    return next(iter(bigquery.Client().query_and_wait(sql)))


def main():
    project = storage.Client().project
    bucket = storage.Client().create_bucket(f"monitored-{random.randrange(10**9)}-{time.time_ns()}")
    aiplatform.init(project=project, location="us-central1", staging_bucket=bucket.name)
    endpoint = made(bucket)
    is_refused_with_reasons(endpoint, bucket.name)
    job = monitored(endpoint, bucket.name)
    refused(lambda: monitored(endpoint, bucket.name), exceptions.AlreadyExists, "monitored already")
    assert job.state.name == "JOB_STATE_RUNNING", job.state
    client = job.api_client
    # Two hours like the training data, one that is not, an idle one: each window is looked at once.
    for mean in (0, 0, 3):
        endpoint.predict(rows(150, mean))
        endpoint.raw_predict(json.dumps({"instances": rows(50, mean)}).encode(), {"Content-Type": "application/json"})
        CLOCK.advance("1h")
    CLOCK.advance("2h")
    skew, drift = history(client, job, 1), history(client, job, 2)
    assert [point.distribution_deviation > 0.2 for point in skew["weight"]] == [False, False, True], skew
    assert [point.distribution_deviation > 0.2 for point in drift["weight"]] == [False, False, True], drift
    assert max(point.distribution_deviation for point in drift["hour"]) < 0.3
    assert list(skew) == ["weight"]
    assert list(drift) == ["hour", "weight"]
    ends = [point.end_time for point in skew["weight"]]
    assert [(end.minute, end.second) for end in ends] == [(0, 0)] * 3
    assert logged(endpoint).n == 6
    has_told(project, bucket, job, skew["weight"][2], ends[2])
    changes_pauses_and_goes(client, job, endpoint)
    endpoint.delete(force=True)
    print("OK")


def has_told(project, bucket, job, point, end):
    """The anomaly log and the pipeline's, the mail, the files, the time series."""
    entries = list(
        logging_v2.Client().list_entries(
            filter_=f'resource.labels.model_deployment_monitoring_job="{job.name}" severity=WARNING'
        )
    )
    payloads = {entry.payload["anomalyObjective"]: entry.payload for entry in entries}
    assert set(payloads) == {"RAW_FEATURE_SKEW", "RAW_FEATURE_DRIFT"}, entries
    (feature,) = payloads["RAW_FEATURE_SKEW"]["featureAnomalies"]
    assert feature == {"featureDisplayName": "weight", "deviation": point.distribution_deviation, "threshold": 0.2}
    assert payloads["RAW_FEATURE_SKEW"]["endTime"] == f"{end:%Y-%m-%dT%H:%M:%SZ}"
    assert entries[0].log_name.endswith("/logs/aiplatform.googleapis.com%2Fmodel_monitoring_anomaly")
    mails = [email.message_from_bytes(path.read_bytes()) for path in Path(DATA_DIR, "outbox").glob("*.eml")]
    subjects = [mail["Subject"] for mail in mails if mail["To"] == "ml@example.com"]
    assert "Vertex AI model monitoring: training-prediction skew of watch-weights" in subjects, subjects
    names = [blob.name for blob in bucket.list_blobs(prefix="stats/")]
    assert sum(name.endswith("/weight/stats") for name in names) == 6, names
    assert sum(name.endswith("/weight/anomalies") for name in names) == 2, names
    series = monitoring_v3.MetricServiceClient().list_time_series(
        name=f"projects/{project}",
        filter='metric.type="aiplatform.googleapis.com/model_monitoring/feature_drift_deviation"'
        f' AND metric.labels.feature_name="weight" AND metric.labels.schedule_id="{job.name}"',
        interval={
            "end_time": {"seconds": int(end.timestamp()) + 1},
            "start_time": {"seconds": int(end.timestamp()) - 9},
        },
    )
    ((value,),) = [[each.value.double_value for each in found.points] for found in series]
    assert value > 0.2


def changes_pauses_and_goes(client, job, endpoint):
    refused(job.delete, exceptions.FailedPrecondition, "pause it first")
    job.update(display_name="watch", schedule_config=model_monitoring.ScheduleConfig(monitor_interval=6))
    job.pause()
    assert job.state.name == "JOB_STATE_PAUSED"
    endpoint.predict(rows(1, 0))
    assert logged(endpoint).n == 6
    job.resume()
    (found,) = aiplatform.ModelDeploymentMonitoringJob.list(filter='display_name="watch"')
    interval = found._gca_resource.model_deployment_monitoring_schedule_config.monitor_interval
    assert (found.name, interval.total_seconds()) == (job.name, 6 * 3600)
    job.pause()
    client.delete_model_deployment_monitoring_job(name=job.resource_name)
    refused(lambda: client.get_model_deployment_monitoring_job(name=job.resource_name), exceptions.NotFound, job.name)


main()
