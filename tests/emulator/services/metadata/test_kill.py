"""kill -9: what was acknowledged is there, and the graph hangs together."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops import Client
from gcpmlops.emulator import launch


@pytest.fixture
def start(tmp_path: Path):
    """Starts an emulator on the test's data directory; official clients of its own for each start."""
    made = []

    def start():
        state = launch.start(tmp_path / "data")
        credentials = str(Path(state.data_dir) / "credentials.json")
        made.append(Client(project=state.project, endpoint=state.endpoint, credentials_file=credentials))
        return state, made[-1].clients.metadata

    yield start
    for client in made:
        client.close()
    state = launch.alive(tmp_path / "data")
    if state is not None:
        launch.stop(state)


def test_what_was_acknowledged_survives(start) -> None:
    state, client = start()
    parent = f"projects/{state.project}/locations/us-central1"
    store = client.create_metadata_store(parent=parent, metadata_store={}, metadata_store_id="default").result().name
    top = client.create_context(parent=store, context={}, context_id="top").name
    told: list[list[str]] = [[] for _ in range(4)]
    enough = threading.Event()

    def work(mine: list[str]) -> None:
        """Artifact, execution, event, context, membership, child: a step is noted when it was acknowledged."""
        try:
            while True:
                artifact = client.create_artifact(parent=store, artifact={}, retry=None).name
                execution = client.create_execution(parent=store, execution={}, retry=None).name
                event = types.Event(artifact=artifact, type_="OUTPUT")
                client.add_execution_events(execution=execution, events=[event], retry=None)
                run = client.create_context(parent=store, context={}, retry=None).name
                client.add_context_artifacts_and_executions(context=run, executions=[execution], retry=None)
                client.add_context_children(context=top, child_contexts=[run], retry=None)
                mine.append(f"{run} {execution} {artifact}")
                if sum(map(len, told)) >= 40:
                    enough.set()
        except (exceptions.ServiceUnavailable, exceptions.Unknown, exceptions.RetryError, exceptions.Cancelled):
            enough.set()  # it is dead

    threads = [threading.Thread(target=work, args=(mine,)) for mine in told]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    os.kill(state.pid, signal.SIGKILL)
    launch.stop(state)  # reaps it
    for thread in threads:
        thread.join(60)

    _, client = start()
    done = [step.split() for mine in told for step in mine]
    assert len(done) >= 40
    request = types.ListContextsRequest(parent=store, filter=f'parent_contexts:"{top}"', page_size=1000)
    children = {context.name for context in client.list_contexts(request)}
    for run, execution, artifact in done:
        assert run in children
        subgraph = client.query_execution_inputs_and_outputs(execution=execution)
        assert [found.name for found in subgraph.artifacts] == [artifact]
    assert client.get_metadata_store(name=store)
    assert len(done) <= len(children) <= len(done) + 4  # at most one step of each thread was not acknowledged
