"""One Workbench instance and all who use it: Google's client, a kernel, the library, the command line, gcloud."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
import uuid
from typing import Any

import pytest
import websocket
from google.api_core import exceptions
from google.cloud import notebooks_v2

from gcpmlops import Client

from .conftest import Shell, until

ZONE = "us-central1-a"
CELL = """
import sys
from google.cloud import storage
print(sorted(bucket.name for bucket in storage.Client().list_buckets()))
open("kept.txt", "w").write("of the first run")
"""


class Jupyter:
    """JupyterLab's server, as a browser reaches it by the instance's link."""

    def __init__(self, url: str) -> None:
        self.base, _, self.token = url.partition("/lab?token=")
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __call__(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"token {self.token if token is None else token}"}
        request = urllib.request.Request(self.base + path, method=method, data=data, headers=headers)
        with self._opener.open(request, timeout=30) as reply:
            return json.loads(reply.read() or b"null")

    def run(self, code: str) -> str:
        """What a cell prints, in a new kernel."""
        kernel = self("POST", "/api/kernels", {"name": "python3"})["id"]
        address = f"{self.base.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?token={self.token}"
        connection = websocket.create_connection(address, timeout=60, http_no_proxy=["127.0.0.1"])
        try:
            return _printed(connection, code)
        finally:
            connection.close()


def _printed(connection: Any, code: str) -> str:
    message = uuid.uuid4().hex
    header = {"msg_id": message, "msg_type": "execute_request", "version": "5.3", "username": "", "session": message}
    content = {"code": code, "silent": False}
    request = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
    connection.send(json.dumps(request))
    printed = ""
    while True:
        reply = json.loads(connection.recv())
        kind, said = reply["msg_type"], reply["content"]
        if reply["parent_header"].get("msg_id") != message:
            continue
        assert kind != "error", "\n".join(said["traceback"])
        if kind == "stream":
            printed += said["text"]
        if kind == "status" and said["execution_state"] == "idle":
            return printed


@pytest.mark.xdist_group("e2e-gcloud")
def test_an_instances_life(shell: Shell, client: Client, bucket: str, google_environment: Any, unique: Any) -> None:
    name = unique("nb")
    project = client.config.project
    api = notebooks_v2.NotebookServiceClient()
    parent = f"projects/{project}/locations/{ZONE}"
    wanted = notebooks_v2.Instance(
        labels={"team": "a"}, gce_setup={"machine_type": "n1-standard-8", "metadata": {"idle-timeout-seconds": "7200"}}
    )
    creating = api.create_instance(parent=parent, instance_id=name, instance=wanted)
    assert (creating.metadata.verb, creating.metadata.target) == ("create", f"{parent}/instances/{name}")
    made = creating.result(timeout=200)
    assert (made.state.name, made.health_state.name, made.gce_setup.machine_type) == (
        *("ACTIVE", "HEALTHY"),
        "n1-standard-8",
    )

    jupyter = Jupyter(made.proxy_uri)
    assert bucket in jupyter.run(CELL)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        jupyter("GET", "/api/contents/kept.txt", token="another")

    mine = f"{ZONE}/{name}"
    stopped = client.notebooks.stop(mine)
    assert (stopped.state, stopped.url) == ("STOPPED", "")
    with pytest.raises(OSError, match="refused"):
        jupyter("GET", "/api/contents/kept.txt")
    if shutil.which("gcloud"):
        _gcloud(shell, name)
    started = client.notebooks.start(mine)
    assert client.notebooks.open(mine, browser=False) == started.url == made.proxy_uri
    assert jupyter("GET", "/api/contents/kept.txt")["content"] == "of the first run"
    lines = client.clients.logging.list_log_entries(
        resource_names=[f"projects/{project}"], filter=f'labels.instance_name="{name}" "jupyter"'
    )
    assert next(iter(lines)).resource.type == "gce_instance"

    jupyter("POST", "/api/shutdown")
    until(lambda: api.get_instance(name=made.name).health_state.name == "UNHEALTHY")
    assert "reset the instance" in client.notebooks.get(mine).error
    assert name in [each.id for each in client.notebooks.list()]
    client.notebooks.delete(mine)
    with pytest.raises(exceptions.NotFound):
        api.get_instance(name=made.name)


def _gcloud(shell: Shell, name: str) -> None:
    def workbench(*arguments: str) -> str:
        place = f"--location={ZONE}"
        return str(shell.tool("gcloud", "--quiet", "workbench", "instances", *arguments, place).stdout)

    workbench("update", name, "--accelerator-type=NVIDIA_TESLA_T4", "--accelerator-core-count=1", "--labels=team=b")
    described = json.loads(workbench("describe", name, "--format=json"))
    assert described["gceSetup"]["acceleratorConfigs"] == [{"type": "NVIDIA_TESLA_T4", "coreCount": "1"}]
    assert (described["labels"], described["state"]) == ({"team": "b"}, "STOPPED")
    assert name in workbench("list", "--filter=state=STOPPED", "--format=value(name)")
    workbench("add-iam-policy-binding", name, "--member=user:a@example.com", "--role=roles/notebooks.viewer")
    assert "user:a@example.com" in workbench("get-iam-policy", name)
