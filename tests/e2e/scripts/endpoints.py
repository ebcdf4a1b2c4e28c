"""Endpoints by the SDK and by Google's own clients. Arguments: a model file, then the transports to use."""

import json
import sys
import uuid
from datetime import UTC, datetime, timedelta

import google.auth
import pytest
from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession
from google.cloud import aiplatform, aiplatform_v1, monitoring_v3, storage
from google.cloud.aiplatform import explain
from google.cloud.aiplatform.preview import models as preview

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
HOST = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
MACHINE = {"machine_type": "n1-standard-2"}
ONLINE = "aiplatform.googleapis.com/prediction/online/"
STARTED = datetime.now(UTC) - timedelta(minutes=2)


def versions(bucket: storage.Bucket) -> tuple[aiplatform.Model, aiplatform.Model]:
    explained = {
        "explanation_metadata": explain.ExplanationMetadata(
            inputs={"row": {"encoding": "BAG_OF_FEATURES", "index_feature_mapping": ["x"]}}, outputs={"y": {}}
        ),
        "explanation_parameters": explain.ExplanationParameters(sampled_shapley_attribution={"path_count": 5}),
    }
    given = {"artifact_uri": f"gs://{bucket.name}/model", "serving_container_image_uri": IMAGE, **explained}
    first = aiplatform.Model.upload(display_name=bucket.name, model_id=bucket.name, **given)
    return first, aiplatform.Model.upload(parent_model=bucket.name, is_default_version=False, **given)


def by_the_sdk(name: str, first: aiplatform.Model, second: aiplatform.Model) -> aiplatform.Endpoint:
    """Created, two versions deployed, the traffic shared, listed, updated."""
    endpoint = aiplatform.Endpoint.create(display_name=name, labels={"team": name}, description="flights")
    first.deploy(endpoint=endpoint, deployed_model_display_name="one", **MACHINE)
    (one,) = endpoint.list_models()
    assert endpoint.traffic_split == {one.id: 100}
    assert (one.display_name, one.model_version_id, one.model) == ("one", "1", first.resource_name)
    endpoint.deploy(second, deployed_model_display_name="two", traffic_percentage=25, max_replica_count=2, **MACHINE)
    two = next(each for each in endpoint.list_models() if each.id != one.id)
    assert endpoint.traffic_split == {one.id: 75, two.id: 25}
    served = [endpoint.predict([[0.5], [8.5]]).deployed_model_id for _ in range(20)]
    assert 3 <= served.count(two.id) <= 7, served

    endpoint.update(display_name=f"{name} x", labels={"team": name, "stage": "prod"}, traffic_split={two.id: 100})
    assert endpoint.traffic_split == {two.id: 100}
    (found,) = aiplatform.Endpoint.list(filter=f'labels.stage=prod AND display_name="{name} x"', order_by="create_time")
    assert (found.name, found.gca_resource.description) == (endpoint.name, "flights")
    answer = endpoint.predict(instances=[[0.5], [8.5]])
    assert (answer.predictions, answer.deployed_model_id, answer.model_version_id) == ([0, 1], two.id, "2")
    assert endpoint.predict([[8.5]], use_raw_predict=True).predictions == [1]
    raw = endpoint.raw_predict(json.dumps({"instances": [[8.5]]}).encode(), {"Content-Type": "application/json"})
    assert json.loads(raw.text) == {"predictions": [1]}
    with pytest.raises(exceptions.BadRequest, match="features"):
        endpoint.predict([[1.0, 2.0]])
    return endpoint


def otherwise(client: aiplatform_v1.PredictionServiceClient, endpoint: aiplatform.Endpoint) -> None:
    """Explained, streamed, as tensors, and by the preview's v1beta1."""
    answer = endpoint.explain([[8.5]])
    (attribution,) = answer.explanations[0].attributions
    assert answer.predictions == [1]
    assert (attribution.instance_output_value, attribution.baseline_output_value) == (1, 0)
    override = {"parameters": {"sampled_shapley_attribution": {"path_count": 3}}}
    beta = preview.Endpoint(endpoint.resource_name).explain([[8.5]], explanation_spec_override=override)
    assert beta.explanations[0].attributions[0].instance_output_value == 1
    body = json.dumps({"instances": [[0.5]]}).encode()
    streamed = endpoint.stream_raw_predict(body, {"Content-Type": "application/json"})
    assert json.loads(b"".join(streamed)) == {"predictions": [0]}
    name, http = endpoint.resource_name, {"data": body, "content_type": "application/json"}
    parts = client.stream_raw_predict(request={"endpoint": name, "http_body": http})
    assert json.loads(b"".join(part.data for part in parts)) == {"predictions": [0]}
    rows = {"dtype": "DOUBLE", "shape": [2, 1], "double_val": [0.5, 8.5]}
    (output,) = client.direct_predict(request={"endpoint": name, "inputs": [rows]}).outputs
    assert list(output.int64_val) == [0, 1]
    with pytest.raises(exceptions.BadRequest, match="grpc_ports"):
        client.direct_raw_predict(request={"endpoint": name, "method_name": "/a.B/C", "input": b""})


def on_its_own_host(model: aiplatform.Model) -> None:
    endpoint = aiplatform.Endpoint.create(display_name=model.display_name, dedicated_endpoint_enabled=True)
    preview.Model(model.resource_name).deploy(endpoint=preview.Endpoint(endpoint.resource_name), **MACHINE)
    endpoint = aiplatform.Endpoint(endpoint.resource_name)
    assert endpoint.dedicated_endpoint_dns.startswith(f"{endpoint.name}.us-central1-")
    assert endpoint.predict([[8.5]], use_dedicated_endpoint=True).predictions == [1]
    body = json.dumps({"instances": [[8.5]]}).encode()
    raw = endpoint.raw_predict(body, {"Content-Type": "application/json"}, use_dedicated_endpoint=True)
    assert raw.json() == {"predictions": [1]}
    endpoint.delete(force=True)


def by_the_client(client: aiplatform_v1.EndpointServiceClient, endpoint: aiplatform.Endpoint, model: str) -> None:
    """What the SDK has no call for, and what is refused."""
    name = endpoint.resource_name
    one, two = client.get_endpoint(name=name).deployed_models
    with pytest.raises(exceptions.BadRequest, match="100"):
        client.update_endpoint(
            endpoint={"name": name, "traffic_split": {one.id: 50}}, update_mask={"paths": ["traffic_split"]}
        )
    with pytest.raises(exceptions.BadRequest, match="traffic"):
        client.undeploy_model(endpoint=name, deployed_model_id=two.id).result()
    with pytest.raises(exceptions.BadRequest, match="undeploy"):
        client.delete_endpoint(name=name).result()
    resources = {"machine_spec": MACHINE, "min_replica_count": 2, "max_replica_count": 2}
    mask = {"paths": ["dedicated_resources.min_replica_count", "dedicated_resources.max_replica_count"]}
    changed = client.mutate_deployed_model(
        endpoint=name, deployed_model={"id": two.id, "dedicated_resources": resources}, update_mask=mask
    ).result()
    assert changed.deployed_model.dedicated_resources.min_replica_count == 2
    assert client.get_endpoint(name=name).deployed_models[1].status.available_replica_count == 2
    shared = {"name": name, "display_name": "long", "traffic_split": {one.id: 50, two.id: 50}}
    assert client.update_endpoint_long_running(endpoint=shared).result().display_name == "long"
    with pytest.raises(exceptions.BadRequest, match="undeploy"):  # a version that serves
        aiplatform_v1.ModelServiceClient(client_options=HOST).delete_model_version(name=f"{model}@2").result()
    page = client.list_endpoints(request={"parent": name.rpartition("/endpoints/")[0], "page_size": 1})
    assert len(next(page.pages).endpoints) == 1


def metrics(endpoint: aiplatform.Endpoint) -> None:
    """The requests above, in Cloud Monitoring: by its own client, which speaks gRPC only, and over REST."""
    project = f"projects/{endpoint.project}"
    text = f'metric.type = "{ONLINE}%s" AND resource.labels.endpoint_id = "{endpoint.name}"'
    now = datetime.now(UTC)
    totals = monitoring_v3.Aggregation(
        alignment_period={"seconds": 600},
        per_series_aligner=monitoring_v3.Aggregation.Aligner.ALIGN_SUM,
        cross_series_reducer=monitoring_v3.Aggregation.Reducer.REDUCE_SUM,
        group_by_fields=["metric.labels.response_code"],
    )
    client = monitoring_v3.MetricServiceClient()
    interval = {"start_time": STARTED, "end_time": now}
    request = {"name": project, "filter": text % "response_count", "interval": interval, "aggregation": totals}
    series = {each.metric.labels["response_code"]: each for each in client.list_time_series(request)}
    assert {code: each.points[0].value.int64_value for code, each in series.items()} == {"2xx": 28, "4xx": 2}
    until_then = {"start_time": STARTED, "end_time": now + timedelta(minutes=1)}
    request = {"name": project, "filter": text % "replicas", "interval": until_then}
    assert sorted(each.points[0].value.int64_value for each in client.list_time_series(request)) == [1, 2]
    assert client.get_metric_descriptor(name=f"{project}/metricDescriptors/{ONLINE}replicas").unit == "1"
    assert any(ONLINE in each.type for each in client.list_metric_descriptors(name=project))
    kind = "aiplatform.googleapis.com/Endpoint"
    (resource,) = (each for each in client.list_monitored_resource_descriptors(name=project) if each.type == kind)
    assert client.get_monitored_resource_descriptor(name=resource.name).type == kind

    session = AuthorizedSession(google.auth.default(["https://www.googleapis.com/auth/cloud-platform"])[0])
    query = {
        "filter": text % "prediction_latencies" + ' AND metric.labels.latency_type = "total"',
        "interval.startTime": STARTED.isoformat(),
        "interval.endTime": now.isoformat(),
        "aggregation.alignmentPeriod": "600s",
        "aggregation.perSeriesAligner": "ALIGN_PERCENTILE_99",
    }
    answer = session.get(f"https://monitoring.googleapis.com/v3/{project}/timeSeries", params=query)
    slowest = [each["points"][0]["value"]["doubleValue"] for each in answer.json()["timeSeries"]]
    assert len(slowest) == 2, answer.text
    assert all(0 < ms < 60_000 for ms in slowest)


def taken_away(client: aiplatform_v1.EndpointServiceClient, endpoint: aiplatform.Endpoint, model: str) -> None:
    one, two = endpoint.list_models()
    endpoint.undeploy(deployed_model_id=two.id, traffic_split={one.id: 100})
    assert endpoint.traffic_split == {one.id: 100}
    aiplatform_v1.ModelServiceClient(client_options=HOST).delete_model_version(name=f"{model}@2").result()
    endpoint.undeploy_all()
    with pytest.raises(exceptions.BadRequest, match="no deployed model"):
        endpoint.predict([[1.0]])
    endpoint.delete()
    with pytest.raises(exceptions.NotFound):
        client.get_endpoint(name=endpoint.resource_name)


def run(file: str, transport: str) -> None:
    name = f"endpoints-{uuid.uuid4().hex[:10]}"
    bucket = storage.Client().create_bucket(name, location="us-central1")
    bucket.blob("model/model.joblib").upload_from_filename(file)
    aiplatform.init(location="us-central1", api_transport=transport)
    client = aiplatform_v1.EndpointServiceClient(transport=transport, client_options=HOST)
    first, second = versions(bucket)
    endpoint = by_the_sdk(name, first, second)
    otherwise(aiplatform_v1.PredictionServiceClient(transport=transport, client_options=HOST), endpoint)
    if transport == "rest":  # as a dedicated host's calls are
        on_its_own_host(first)
    by_the_client(client, endpoint, first.resource_name)
    metrics(endpoint)
    taken_away(client, endpoint, first.resource_name)
    first.delete()
    bucket.delete(force=True)
    print(f"endpoints over {transport}")


for each in sys.argv[2:]:
    run(sys.argv[1], each)
