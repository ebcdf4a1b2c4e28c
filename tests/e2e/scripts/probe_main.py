"""A function that does what its query says, and one that takes events."""

import json
import os
import time

import functions_framework
from flask import Response


@functions_framework.http
def probe(request):
    args = request.args
    if "raise" in args:
        raise ValueError("as asked")
    if "exit" in args:
        os._exit(7)
    if "hang" in args:
        time.sleep(60)
    if "say" in args:
        print(args["say"])
        print(json.dumps({"severity": "WARNING", "message": args["say"], "n": 1}))
    if "stream" in args:
        return Response((f"part {number}\n" for number in range(3)), mimetype="text/plain")
    if "token" in args:
        return {"authorization": request.headers.get("authorization", "")}
    return {
        "method": request.method,
        "path": request.path,
        "body": len(request.get_data()),
        "env": {key: os.environ.get(key) for key in ("K_SERVICE", "K_REVISION", "FUNCTION_TARGET", "PORT", "GREETING")},
        "pid": os.getpid(),
    }


@functions_framework.cloud_event
def take(event):
    attributes = event.get_attributes()
    named = event.data.get("name", "") if "message" not in event.data else event.data["message"]["data"]
    print(json.dumps({"message": "taken", "type": attributes["type"], "source": attributes["source"], "what": named}))
    if named == "cG9pc29u":  # poison
        raise ValueError("poison")
