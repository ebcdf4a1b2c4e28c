"""Serves model.joblib or model.pkl by Vertex AI's contract for containers (AIP_HTTP_PORT, AIP_STORAGE_URI, ...)."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import joblib
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

FILES = ("model.joblib", "model.pkl")


def fetch(uri: str) -> Path:
    """The folder of the model: a local path, or a copy of what is below gs://BUCKET/PREFIX."""
    if not uri.startswith("gs://"):
        return Path(uri)
    from google.cloud import storage

    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    folder, client = Path(tempfile.mkdtemp()), storage.Client()
    for name in FILES:
        blob = client.bucket(bucket).blob(f"{prefix.rstrip('/')}/{name}".lstrip("/"))
        if blob.exists():
            blob.download_to_filename(str(folder / name))
    return folder


def load(folder: Path) -> Any:
    """The model. Exits where there is none: a server without one is no server."""
    for name in FILES:
        if (folder / name).is_file():
            return joblib.load(folder / name)
    sys.exit(f"{folder} has neither {' nor '.join(FILES)}")


def plain(value: Any) -> Any:
    """As JSON can hold it: NaN and infinities are null."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def application(model: Any, *, health: str, predict: str) -> Starlette:
    """Answers both routes."""

    async def healthy(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def predictions(request: Request) -> JSONResponse:
        try:
            body = await request.json()
        except ValueError as error:
            return JSONResponse({"error": f"not JSON: {error}"}, 400)
        instances = body.get("instances") if isinstance(body, dict) else None
        if not isinstance(instances, list) or not instances:
            return JSONResponse({"error": "instances has to be a list that is not empty"}, 400)
        try:
            found = await run_in_threadpool(model.predict, instances)
        except (ValueError, TypeError) as error:  # what the model refuses is the caller's business
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"predictions": plain(found)})

    return Starlette(routes=[Route(health, healthy), Route(predict, predictions, methods=["POST"])])


if __name__ == "__main__":
    uvicorn.run(
        application(
            load(fetch(os.environ.get("AIP_STORAGE_URI") or "/model")),
            health=os.environ.get("AIP_HEALTH_ROUTE", "/health"),
            predict=os.environ.get("AIP_PREDICT_ROUTE", "/predict"),
        ),
        host=os.environ.get("SERVE_HOST", "0.0.0.0"),  # noqa: S104 - a container is reached from outside
        port=int(os.environ.get("AIP_HTTP_PORT", "8080")),
        log_level="warning",
    )
