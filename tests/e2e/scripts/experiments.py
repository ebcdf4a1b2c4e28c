"""A data scientist's experiments with the SDK; nothing in it knows of any emulator. Argument: the SDK's transport."""

import sys
import time
import uuid

import numpy as np
from google.api_core import exceptions
from google.cloud import aiplatform, storage
from google.cloud.aiplatform import gapic
from sklearn.linear_model import LogisticRegression

SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"

transport = sys.argv[1]
name = f"exp-{uuid.uuid4().hex[:8]}"
storage.Client().create_bucket(name, location="us-central1")
aiplatform.init(location="us-central1", staging_bucket=f"gs://{name}", api_transport=transport)

board = aiplatform.Tensorboard.create(display_name=name)
# Each init names the transport: one that names neither it nor the project goes to REST.
aiplatform.init(
    experiment=name, experiment_description="flights", experiment_tensorboard=board, api_transport=transport
)
experiment = aiplatform.Experiment(name)
assert experiment.backing_tensorboard_resource_name == board.resource_name
assert experiment._metadata_context.description == "flights"

# Two runs, one of them resumed.
with aiplatform.start_run("run-1") as run:
    aiplatform.log_params({"depth": 3, "kind": "tree", "rate": 0.1})
    aiplatform.log_metrics({"accuracy": 0.8, "loss": 0.5})
    aiplatform.log_metrics({"loss": 0.25})
    for step, loss in enumerate((1.0, 0.5, 0.25), start=1):
        aiplatform.log_time_series_metrics({"loss": loss}, step=step)
    aiplatform.log_time_series_metrics({"loss": 0.125, "lr": 1e-3})
    aiplatform.log_classification_metrics(
        labels=["on time", "late"], matrix=[[9, 1], [2, 8]], fpr=[0.0, 0.5, 1.0], tpr=[0.0, 0.8, 1.0],
        threshold=[1.0, 0.5, 0.0], display_name="confusion",
    )  # fmt: skip
    assert run.state == gapic.Execution.State.RUNNING

aiplatform.start_run("run-2")
aiplatform.log_params({"depth": 5})
aiplatform.end_run(state=gapic.Execution.State.FAILED)
assert aiplatform.ExperimentRun("run-2", experiment=name).state == gapic.Execution.State.FAILED
aiplatform.start_run("run-2", resume=True)
aiplatform.log_metrics({"accuracy": 0.9})

# A model, an execution with its inputs and outputs.
features, target = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
model = LogisticRegression().fit(features, target)
aiplatform.log_model(model, artifact_id=f"{name}-model", display_name="flights", input_example=features)
data = aiplatform.Artifact.create("system.Dataset", uri=f"gs://{name}/data.csv", display_name="data")
with aiplatform.start_execution(schema_title="system.ContainerExecution", display_name="train") as execution:
    execution.assign_input_artifacts([data])
    scores = aiplatform.Artifact.create("system.Metrics", metadata={"accuracy": 0.9})
    execution.assign_output_artifacts([scores])
    execution.update(metadata={"rows": 4})
assert execution.state == gapic.Execution.State.COMPLETE
aiplatform.end_run()

run = aiplatform.ExperimentRun("run-2", experiment=name)
assert run.get_params() == {"depth": 5}
assert {artifact.schema_title for artifact in run.get_artifacts()} == {
    "google.VertexTensorboardRun", "google.ExperimentModel", "system.Dataset", "system.Metrics",
}  # fmt: skip
assert [found.display_name for found in run.get_executions()] == ["train"]
assert [found.name for found in execution.get_input_artifacts()] == [data.name]
assert [found.name for found in execution.get_output_artifacts()] == [scores.name]
saved = aiplatform.get_experiment_model(f"{name}-model")
assert saved.framework_name == "sklearn"
assert saved.load_model().predict([[3.0]]).tolist() == [1]
assert [found.name for found in run.get_experiment_models()] == [saved.name]
registered = saved.register_model(display_name=name, serving_container_image_uri=SERVING)
assert registered.uri == saved.uri
linked = aiplatform.start_execution(schema_title="system.Run")
linked.assign_output_artifacts([registered])
assert linked.get_output_artifacts()[0].metadata["resourceName"] == registered.versioned_resource_name

first = aiplatform.ExperimentRun("run-1", experiment=name)
classified = first.get_classification_metrics()[0]
assert classified["labels"] == ["on time", "late"]
assert classified["matrix"] == [[9, 1], [2, 8]]
series = first.get_time_series_data_frame()
assert list(series["loss"]) == [1.0, 0.5, 0.25, 0.125], series
assert list(series["step"]) == [1, 2, 3, 4], series

# Two programs log into one run: the SDK reads it again when the service says that it has changed (over gRPC only).
if transport == "grpc":
    other = aiplatform.ExperimentRun("run-1", experiment=name)
    first.log_params({"seed": 7})
    other.log_params({"workers": 2})
    assert aiplatform.ExperimentRun("run-1", experiment=name).get_params().keys() >= {"depth", "seed", "workers"}

# Tables, lists.
frame = aiplatform.get_experiment_df().set_index("run_name")
assert set(frame.index) == {"run-1", "run-2"}
assert frame.loc["run-1", "metric.loss"] == 0.25
assert frame.loc["run-1", "param.kind"] == "tree"
assert frame.loc["run-1", "time_series_metric.loss"] == 0.125
assert set(frame["state"]) == {"COMPLETE"}
assert "time_series_metric.loss" not in aiplatform.get_experiment_df(name, include_time_series=False)
assert {found.name for found in aiplatform.ExperimentRun.list(experiment=name)} == {"run-1", "run-2"}
assert name in [found.name for found in aiplatform.Experiment.list()]
assert [found.name for found in aiplatform.Experiment.list(filter=f'display_name="{name}"')] == [name]
assert aiplatform.Experiment.get_or_create(name, description="new words")._metadata_context.description == "new words"
assert aiplatform.Experiment.get(f"{name}-nothing") is None
try:
    aiplatform.ExperimentRun.create("run-1", experiment=name)
except (RuntimeError, exceptions.Conflict):  # the SDK recognises it over gRPC only
    pass
else:
    raise AssertionError("a run was created twice")

# Artifacts, contexts, executions, lineage by themselves.
assert aiplatform.Artifact.get_with_uri(f"gs://{name}/data.csv").name == data.name
context = aiplatform.Context.create("system.Pipeline", resource_id=f"{name}-flow", metadata={"owner": "me"})
context.add_artifacts_and_executions([data.resource_name], [execution.resource_name])
context.add_context_children([aiplatform.Context.get(f"{name}-run-1")])
assert aiplatform.Context.get(f"{name}-run-1").parent_contexts[-1] == context.resource_name
graph = context.query_lineage_subgraph()
assert [found.name for found in graph.executions] == [execution.resource_name]
assert len(graph.events) == 1
assert aiplatform.Artifact.list(filter=f'in_context("{context.resource_name}")')[0].name == data.name
accurate = aiplatform.Artifact.list(filter='schema_title="system.Metrics" AND metadata.accuracy.number_value>0.85')
assert scores.name in [found.name for found in accurate]
client = gapic.MetadataServiceClient(
    client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"}, transport=transport
)
lineage = client.query_artifact_lineage_subgraph(artifact=data.resource_name)
assert {found.name for found in lineage.artifacts} == {data.resource_name, scores.resource_name}

# Many runs in one table.
many = aiplatform.Experiment.create(f"{name}-many")
parent = many.resource_name.partition("/contexts/")[0]
runs = []
for number in range(int(sys.argv[2])):
    metadata = {"_params": {"n": number}, "_metrics": {"loss": 1 / (1 + number)}, "_state": "COMPLETE"}
    given = {
        "display_name": f"r{number}", "schema_title": "system.ExperimentRun", "metadata": metadata,
    }  # fmt: skip
    runs.append(client.create_context(parent=parent, context=given, context_id=f"{name}-many-r{number}").name)
client.add_context_children(context=many.resource_name, child_contexts=runs)
start = time.perf_counter()
table = aiplatform.get_experiment_df(f"{name}-many", include_time_series=False)
print(f"a table of {len(table)} runs took {time.perf_counter() - start:.2f} s")
assert sorted(table["param.n"]) == list(range(len(runs)))
many.delete()
assert aiplatform.Experiment.get(f"{name}-many") is None
assert runs[0] not in [found.name for found in client.list_contexts(parent=parent)]

experiment.delete(delete_backing_tensorboard_runs=True)
assert aiplatform.Experiment.get(name) is None
assert aiplatform.Context.get(f"{name}-run-1") is None
assert aiplatform.Artifact.get(data.name).uri == f"gs://{name}/data.csv"  # what was in a run outlives it
print(f"experiments over {transport}")
