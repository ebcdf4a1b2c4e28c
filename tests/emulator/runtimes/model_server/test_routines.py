"""Google's custom prediction routine classes, unchanged, in our server."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Serve

pytest.importorskip("fastapi")  # what google-cloud-aiplatform[prediction] adds

ROUTINE = """
import json
import os

from fastapi import HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from google.cloud.aiplatform.prediction.handler import PredictionHandler
from google.cloud.aiplatform.prediction.predictor import Predictor
from google.cloud.aiplatform.utils import prediction_utils


class Scaling(Predictor):
    def load(self, artifacts_uri, **kwargs):
        prediction_utils.download_model_artifacts(artifacts_uri)  # into the working directory
        with open("scale.json") as file:
            self.scale = json.load(file)
        with open("scale.json", "w") as file:
            file.write("spoiled")

    def preprocess(self, prediction_input):
        if "instances" not in prediction_input:
            raise HTTPException(status_code=422, detail="no instances", headers={"X-Reason": "none"})
        return prediction_input["instances"], prediction_input.get("parameters") or {}

    def predict(self, instances):
        rows, parameters = instances
        return [{"value": self.scale * row["value"] * parameters.get("times", 1)} for row in rows]

    def postprocess(self, prediction_results):
        return {"predictions": prediction_results, "more": True}


class Streaming(PredictionHandler):
    async def handle(self, request: Request) -> Response:
        if request.query_params.get("stream") != "1":
            return await super().handle(request)

        async def parts():
            for word in json.loads(await request.body())["instances"]:
                if word == "broken":
                    raise RuntimeError("in the middle")
                yield word + " "

        return StreamingResponse(parts(), media_type="text/plain", headers={"x-words": request.headers["x-words"]})
"""


def test_predictors_and_handlers(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "routine.py").write_text(ROUTINE)
    (tmp_path / "scale.json").write_text("10")
    server = serve(
        tmp_path,
        PREDICTOR_MODULE="routine",
        PREDICTOR_CLASS="Scaling",
        HANDLER_MODULE="routine",
        HANDLER_CLASS="Streaming",
        AIP_STORAGE_URI=str(tmp_path),
    ).ready()
    assert "Loaded routine.Streaming of routine.Scaling" in server.lines
    assert (tmp_path / "scale.json").read_text() == "10"  # the model's own files are not the routine's to change
    body = {"instances": [{"value": 1}, {"value": 2}], "parameters": {"times": 2}}
    assert server.predict(body) == (200, {"predictions": [{"value": 20}, {"value": 40}], "more": True})
    assert server.predict({"rows": []}) == (422, {"detail": "no instances"})
    status, reply = server.predict({"instances": [1]})
    assert (status, "TypeError" in reply["detail"]) == (500, True)
    status, reply = server.predict(b"{broken")
    assert (status, "JSON deserialization failed" in reply["detail"]) == (400, True)
    head = b"POST /predict?stream=1 HTTP/1.1\r\nhost: x\r\nx-words: 2\r\n"

    def stream(words: bytes, head: bytes = head) -> bytes:
        data = b'{"instances": [%b]}' % words
        return server.exchange(head + b"content-length: %d\r\n\r\n" % len(data) + data)

    streamed = stream(b'"one", "two"')
    assert b"x-words: 2\r\n" in streamed
    assert streamed.endswith(b"transfer-encoding: chunked\r\n\r\n4\r\none \r\n4\r\ntwo \r\n0\r\n\r\n")
    assert stream(b'"one", "two"', head.replace(b"1.1", b"1.0")).endswith(b"connection: close\r\n\r\none two ")
    assert stream(b'"one", "broken"').endswith(b"4\r\none \r\n")  # and the connection is cut
    assert server.stop() == 0


def test_a_class_that_is_not_there(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "routine.py").write_text("")
    server = serve(tmp_path, PREDICTOR_MODULE="routine", PREDICTOR_CLASS="Missing", HANDLER_MODULE="routine",
                   HANDLER_CLASS="Gone")  # fmt: skip
    log = server.log()
    assert "could not be loaded. module 'routine' has no attribute 'Gone'" in log
    assert server.process.returncode == 1
