"""The plain server that a team would write: starlette on uvicorn. ``python _starlette_server.py MODEL PORT``."""

from __future__ import annotations

import sys

import joblib
import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

model = joblib.load(sys.argv[1])


async def predict(request: Request) -> JSONResponse:
    body = await request.json()
    return JSONResponse({"predictions": model.predict(np.array(body["instances"])).tolist()})


async def health(_: Request) -> JSONResponse:
    return JSONResponse({})


app = Starlette(routes=[Route("/predict", predict, methods=["POST"]), Route("/health", health)])

if __name__ == "__main__":
    fast = {"http": "httptools", "loop": "uvloop", "log_level": "warning", "access_log": False}
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), **fast)
