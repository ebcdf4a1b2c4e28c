"""Children, members, events, and lineage queries over them."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types


@pytest.fixture
def pipeline(metadata):
    """raw → clean → (data, report); data → train → model; model, data → test → scores; and one unrelated artifact."""
    for artifact in ("raw", "data", "report", "model", "scores", "alone"):
        metadata.artifact(artifact, schema_title="system.Model" if artifact == "model" else "system.Dataset")
    for execution in ("clean", "train", "test"):
        metadata.execution(execution, schema_title="system.ContainerExecution", state="COMPLETE")
    for execution, inputs, outputs in [
        ("clean", ["raw"], ["data", "report"]),
        ("train", ["data"], ["model"]),
        ("test", ["model", "data"], ["scores"]),
    ]:
        events = [{"artifact": metadata.name("artifacts", name), "type_": "INPUT"} for name in inputs]
        events += [{"artifact": metadata.name("artifacts", name), "type_": "OUTPUT"} for name in outputs]
        metadata.client.add_execution_events(execution=metadata.name("executions", execution), events=events)
    metadata.context("run")
    metadata.client.add_context_artifacts_and_executions(
        context=metadata.name("contexts", "run"),
        artifacts=[metadata.name("artifacts", name) for name in ("raw", "data", "model", "alone")],
        executions=[metadata.name("executions", name) for name in ("clean", "train")],
    )
    return metadata


def edges(metadata, subgraph: types.LineageSubgraph) -> set[tuple[str, str, str]]:
    """(execution, artifact, type) of each event."""
    last = [(event.execution, event.artifact, event.type_.name) for event in subgraph.events]
    return {(e.rpartition("/")[2], a.rpartition("/")[2], kind) for e, a, kind in last}


def nodes(metadata, subgraph: types.LineageSubgraph) -> set[str]:
    return {*metadata.ids(subgraph.artifacts), *metadata.ids(subgraph.executions)}


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_inputs_and_outputs(pipeline, connect, transport) -> None:
    name = pipeline.name("executions", "train")
    subgraph = connect(transport).query_execution_inputs_and_outputs(execution=name)
    assert nodes(pipeline, subgraph) == {"train", "data", "model"}
    assert edges(pipeline, subgraph) == {("train", "data", "INPUT"), ("train", "model", "OUTPUT")}
    assert subgraph.executions[0].state.name == "COMPLETE"
    assert all(event.event_time for event in subgraph.events)


def test_of_a_context(pipeline) -> None:
    subgraph = pipeline.client.query_context_lineage_subgraph(context=pipeline.name("contexts", "run"))
    assert nodes(pipeline, subgraph) == {"raw", "data", "model", "alone", "clean", "train"}
    assert edges(pipeline, subgraph) == {
        ("clean", "raw", "INPUT"),
        ("clean", "data", "OUTPUT"),
        ("train", "data", "INPUT"),
        ("train", "model", "OUTPUT"),
    }


@pytest.mark.parametrize(
    ("hops", "text", "expected"),
    [
        (0, "", {"raw", "data", "report", "model", "scores", "clean", "train", "test"}),
        (1, "", {"model", "train", "test"}),
        (2, "", {"model", "train", "test", "data", "scores"}),
        (3, "", {"model", "train", "test", "data", "scores", "clean"}),
        (0, 'NOT name="{store}/artifacts/data"', {"model", "train", "test", "scores"}),
    ],
)
def test_of_an_artifact(pipeline, hops, text, expected) -> None:
    request = types.QueryArtifactLineageSubgraphRequest(
        artifact=pipeline.name("artifacts", "model"), max_hops=hops, filter=text.replace("{store}", pipeline.store)
    )
    subgraph = pipeline.client.query_artifact_lineage_subgraph(request)
    assert nodes(pipeline, subgraph) == expected
    assert {part for edge in edges(pipeline, subgraph) for part in edge[:2]} <= expected


def test_filters_by_events(pipeline) -> None:
    data, clean = pipeline.name("artifacts", "data"), pipeline.name("executions", "clean")
    assert pipeline.executions(f'with_artifact("{data}")') == ["test", "train", "clean"]
    assert pipeline.executions(f'with_artifact("{data}", "input=true")') == ["test", "train"]
    assert pipeline.executions('with_artifact("*", "schema_title=\'system.Model\'")') == ["test", "train"]
    assert pipeline.executions('with_artifact("*", "schema_title=\'system.Model\' AND input=false")') == ["train"]
    assert pipeline.executions('with_artifact("*", "event_time<\'2021-01-01T00:00:00Z\'")') == []
    assert pipeline.executions('with_artifact("*", "event_time>\'2021-01-01T00:00:00Z\' AND input=true")')
    assert pipeline.artifacts(f'with_execution("{clean}")') == ["report", "data", "raw"]
    assert pipeline.artifacts(f'with_execution("{clean}", "input=false") AND schema_title="system.*"')
    assert pipeline.contexts(f'with_execution("{clean}")') == ["run"]
    assert pipeline.contexts(f'with_artifact("{pipeline.name("artifacts", "scores")}")') == []
    assert pipeline.contexts('with_artifact("*", "schema_title=\'system.Model\'")') == ["run"]
    with pytest.raises(exceptions.InvalidArgument, match="true or false"):
        pipeline.executions('with_artifact("*", "input=maybe")')


def test_deletes_keep_the_graph_right(pipeline) -> None:
    client = pipeline.client
    client.delete_artifact(name=pipeline.name("artifacts", "data")).result()
    client.delete_execution(name=pipeline.name("executions", "test")).result()
    subgraph = client.query_artifact_lineage_subgraph(artifact=pipeline.name("artifacts", "model"))
    assert nodes(pipeline, subgraph) == {"model", "train"}
    run = client.query_context_lineage_subgraph(context=pipeline.name("contexts", "run"))
    assert nodes(pipeline, run) == {"raw", "model", "alone", "clean", "train"}
    pipeline.artifact("data", schema_title="system.Dataset")  # the same name again has no old edges
    assert pipeline.executions(f'with_artifact("{pipeline.name("artifacts", "data")}")') == []
    client.delete_context(name=pipeline.name("contexts", "run")).result()
    assert "raw" in pipeline.artifacts()


def test_events_that_are_there_are_skipped_and_bad_ones_refused(pipeline) -> None:
    client, train = pipeline.client, pipeline.name("executions", "train")
    data = pipeline.name("artifacts", "data")
    pipeline.event(train, data, "INPUT", labels={"second": "yes"})
    before = client.query_execution_inputs_and_outputs(execution=train)
    assert len(before.events) == 2
    assert not any(event.labels for event in before.events)
    with pytest.raises(exceptions.InvalidArgument, match="type: required"):
        client.add_execution_events(execution=train, events=[{"artifact": data}])
    scores = {"artifact": pipeline.name("artifacts", "scores"), "type_": "OUTPUT"}
    ghost = {"artifact": pipeline.name("artifacts", "ghost"), "type_": "INPUT"}
    with pytest.raises(exceptions.NotFound, match="artifacts/ghost"):
        client.add_execution_events(execution=train, events=[scores, ghost])
    assert client.query_execution_inputs_and_outputs(execution=train) == before  # all or none
    with pytest.raises(exceptions.NotFound, match="executions/ghost"):
        pipeline.event(pipeline.name("executions", "ghost"), data)
    for call, field, collection in [
        (client.query_execution_inputs_and_outputs, "execution", "executions"),
        (client.query_context_lineage_subgraph, "context", "contexts"),
        (client.query_artifact_lineage_subgraph, "artifact", "artifacts"),
    ]:
        with pytest.raises(exceptions.NotFound, match="ghost"):
            call(**{field: pipeline.name(collection, "ghost")})
    with pytest.raises(exceptions.InvalidArgument, match="max_hops"):
        client.query_artifact_lineage_subgraph(request={"artifact": data, "max_hops": -1})


def test_children_of_contexts(metadata) -> None:
    client = metadata.client
    top, middle, low = (metadata.context(name).name for name in ("top", "middle", "low"))
    client.add_context_children(context=top, child_contexts=[middle])
    client.add_context_children(context=middle, child_contexts=[low])
    client.add_context_children(context=top, child_contexts=[middle, low])  # what is there is skipped
    assert list(client.get_context(name=low).parent_contexts) == [middle, top]
    assert metadata.contexts(f'parent_contexts:"{top}"') == ["low", "middle"]
    assert metadata.contexts(f'parent_contexts:"{top}","{middle}"') == ["low"]
    assert metadata.contexts(f'child_contexts:"{low}"') == ["middle", "top"]
    for parent, child in [(low, top), (low, middle), (top, top)]:
        with pytest.raises(exceptions.InvalidArgument, match="would create a cycle"):
            client.add_context_children(context=parent, child_contexts=[child])
    client.remove_context_children(context=top, child_contexts=[low, low])
    client.remove_context_children(context=top, child_contexts=[metadata.name("contexts", "ghost")])
    assert list(client.get_context(name=low).parent_contexts) == [middle]
    client.add_context_children(context=low, child_contexts=[metadata.context("last").name])
    client.delete_context(name=middle).result()
    assert list(client.get_context(name=low).parent_contexts) == []
    client.add_context_children(context=low, child_contexts=[top])  # no cycle any more


def test_limits_of_children_and_members(metadata) -> None:
    client = metadata.client
    child = metadata.context("child").name
    for number in range(10):
        client.add_context_children(context=metadata.context(f"parent-{number}").name, child_contexts=[child])
    with pytest.raises(exceptions.InvalidArgument, match="more than 10 parent contexts"):
        client.add_context_children(context=metadata.context("parent-10").name, child_contexts=[child])
    assert len(client.get_context(name=child).parent_contexts) == 10
    with pytest.raises(exceptions.NotFound, match="contexts/ghost"):
        client.add_context_children(context=child, child_contexts=[metadata.name("contexts", "ghost")])
    with pytest.raises(exceptions.NotFound, match="artifacts/ghost"):
        client.add_context_artifacts_and_executions(context=child, artifacts=[metadata.name("artifacts", "ghost")])
    elsewhere = f"{metadata.parent}/metadataStores/other/contexts/x"
    with pytest.raises(exceptions.InvalidArgument, match="not in the same metadata store"):
        client.add_context_children(context=child, child_contexts=[elsewhere])


def test_a_huge_subgraph_is_refused(metadata) -> None:
    client, context = metadata.client, metadata.context("big").name
    execution = metadata.execution("big").name
    for start in range(0, 1001, 77):
        made = [metadata.artifact(f"a{number}").name for number in range(start, min(start + 77, 1001))]
        client.add_execution_events(execution=execution, events=[{"artifact": n, "type_": "OUTPUT"} for n in made])
        client.add_context_artifacts_and_executions(context=context, artifacts=made)
    for call, field, name in [
        (client.query_context_lineage_subgraph, "context", context),
        (client.query_execution_inputs_and_outputs, "execution", execution),
        (client.query_artifact_lineage_subgraph, "artifact", metadata.name("artifacts", "a1")),
    ]:
        with pytest.raises(exceptions.FailedPrecondition, match="more than 1000"):
            call(**{field: name})
