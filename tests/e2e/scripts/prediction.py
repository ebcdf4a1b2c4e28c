"""Online prediction through Google's SDK: explanations, streams, tensors, a dedicated endpoint, logged requests."""

import contextlib
import json
import sys
import time

from google.api_core import exceptions
from google.cloud import aiplatform, bigquery, storage
from google.cloud.aiplatform_v1 import types
from google.cloud.aiplatform_v1.services.prediction_service import PredictionServiceClient

MODEL_FILE, IMAGE = sys.argv[1:]
TABLE = "local-project.requests.logged"
BODY, JSON = json.dumps({"instances": [[1, 2, 3]]}).encode(), {"Content-Type": "application/json"}
HTTP_BODY = {"data": BODY, "content_type": "application/json"}
ANSWER = {"predictions": [14.0]}


def refused(call, text):
    try:
        call()
    except exceptions.GoogleAPICallError as error:
        if text not in str(error):
            raise
    else:
        raise AssertionError(f"no error with {text!r}")


def client(transport, host):
    return PredictionServiceClient(transport=transport, client_options={"api_endpoint": host})


def raw_request(endpoint, kind=types.RawPredictRequest):
    return kind(endpoint=endpoint.resource_name, http_body=HTTP_BODY)


def predicts(shared, gapic):
    """Predictions, raw ones and streams, by the SDK and by the client below it."""
    assert shared.predict([[1, 2, 3], [0, 0, 1]]).predictions == [14.0, 3.0]
    reply = shared.raw_predict(BODY, JSON)
    assert reply.json() == ANSWER, reply.text
    assert reply.headers["X-Vertex-AI-Endpoint-Id"] == shared.name
    assert list(map(json.loads, shared.stream_raw_predict(BODY, JSON))) == [ANSWER]
    assert json.loads(gapic.raw_predict(raw_request(shared)).data) == ANSWER
    parts = gapic.stream_raw_predict(raw_request(shared, types.StreamRawPredictRequest))
    assert json.loads(b"".join(part.data for part in parts)) == ANSWER


def explains(shared):
    explained = shared.explain([[1, 2, 3]])
    (attribution,) = explained.explanations[0].attributions
    assert dict(attribution.feature_attributions)["row"] == [1.0, 4.0, 9.0], attribution
    assert (attribution.baseline_output_value, attribution.instance_output_value) == (0.0, 14.0)
    assert explained.predictions == [14.0]


def predicts_tensors(shared, gapic):
    tensor = types.Tensor(dtype="FLOAT", shape=[2, 3], float_val=[1, 2, 3, 4, 5, 6])
    request = types.DirectPredictRequest(endpoint=shared.resource_name, inputs=[tensor])
    assert list(gapic.direct_predict(request).outputs[0].double_val) == [14.0, 32.0]
    request = types.DirectRawPredictRequest(endpoint=shared.resource_name, method_name="/a.B/C")
    refused(lambda: gapic.direct_raw_predict(request), "has no gRPC server")


def has_a_host_of_its_own(own, shared, transport, gapic):
    assert own.predict([[1, 1, 1]], use_dedicated_endpoint=True).predictions == [6.0]
    assert own.raw_predict(BODY, JSON, use_dedicated_endpoint=True).json() == ANSWER
    assert list(map(json.loads, own.stream_raw_predict(BODY, JSON, use_dedicated_endpoint=True))) == [ANSWER]
    dedicated = client(transport, own.dedicated_endpoint_dns)
    assert json.loads(dedicated.raw_predict(raw_request(own)).data) == ANSWER
    refused(lambda: gapic.raw_predict(raw_request(own)), "using its dedicated domain name")
    refused(lambda: dedicated.raw_predict(raw_request(shared)), "is not the dedicated domain")
    url = f"https://{own.dedicated_endpoint_dns}/v1/{own.resource_name}"
    assert own.authorized_session.get(url).status_code == 404  # predictions only


def deployed():
    aiplatform.init(project="local-project", location="us-central1")
    storage.Client().create_bucket("predictions").blob("m/model.pkl").upload_from_filename(MODEL_FILE)
    model = aiplatform.Model.upload(
        artifact_uri="gs://predictions/m",
        serving_container_image_uri=IMAGE,
        display_name="m",
        explanation_parameters=aiplatform.explain.ExplanationParameters(
            {"sampled_shapley_attribution": {"path_count": 10}}
        ),
        explanation_metadata=aiplatform.explain.ExplanationMetadata(
            inputs={"row": {"encoding": "BAG_OF_FEATURES", "index_feature_mapping": ["a", "b", "c"]}},
            outputs={"y": {}},
        ),
    )
    shared = aiplatform.Endpoint.create(
        display_name="shared",
        enable_request_response_logging=True,
        request_response_logging_sampling_rate=1.0,
        request_response_logging_bq_destination_table=f"bq://{TABLE}",
    )
    own = aiplatform.Endpoint.create(display_name="own", dedicated_endpoint_enabled=True)
    for endpoint in (shared, own):
        model.deploy(endpoint, machine_type="n1-standard-2")
    return shared.resource_name, own.resource_name


def logged(count):
    """The rows, which come within a second; at first the engine has to start."""
    rows, deadline = [], time.monotonic() + 30
    while len(rows) < count and time.monotonic() < deadline:
        with contextlib.suppress(exceptions.NotFound):
            rows = list(bigquery.Client().query_and_wait(f"SELECT * FROM `{TABLE}` ORDER BY request_id"))
        time.sleep(0.1)
    return rows


names = deployed()
for transport in ("grpc", "rest"):
    aiplatform.init(api_transport=transport)
    shared, own = map(aiplatform.Endpoint, names)
    gapic = client(transport, "us-central1-aiplatform.googleapis.com")
    predicts(shared, gapic)
    explains(shared)
    predicts_tensors(shared, gapic)
    has_a_host_of_its_own(own, shared, transport, gapic)
rows = logged(10)
assert [row.endpoint for row in rows] == [names[0]] * 10, rows
assert (rows[0].request_payload, rows[0].response_payload) == (["[1,2,3]", "[0,0,1]"], ["14.0", "3.0"]), rows[0]
assert rows[1].request_payload == [BODY.decode()], rows[1]
assert [row.logging_time for row in rows] == sorted(row.logging_time for row in rows)
print("OK")
