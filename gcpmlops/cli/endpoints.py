"""`gcpmlops endpoints`."""

from __future__ import annotations

import json
import sys
from typing import IO, Any

import click

from gcpmlops.cli import _endpoint_views as _views
from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command, labels, pairs
from gcpmlops.cli._rollout_options import rollout_options, strategy_of
from gcpmlops.cli._rollout_progress import RolloutProgress, ended_politely
from gcpmlops.exceptions import RolloutFailed


@click.group()
def endpoints() -> None:
    """Endpoints of Vertex AI: deployments, traffic, predictions."""


def _percentages(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, int] | None:
    found = pairs(_ctx, _param, values)
    try:
        return {key: int(value) for key, value in found.items()} if found else None
    except ValueError as exc:
        raise click.BadParameter("per cent must be whole numbers") from exc


_traffic = click.option(
    "--traffic", multiple=True, callback=_percentages, metavar="ID=PERCENT", help="May be repeated."
)


@command(endpoints, "create", changes=True, example="gcpmlops endpoints create flights --label team=risk")
@click.argument("display_name")
@click.option("--endpoint-id", help="Id; the service chooses one otherwise.")
@click.option("--description")
@labels
@click.option("--dedicated", is_flag=True, help="With a host of its own for predictions.")
@click.option("--log-requests", metavar="TABLE", help="BigQuery table for requests and responses: DATASET.TABLE.")
@click.option("--log-sampling-rate", type=float, default=1.0, show_default=True, help="Share that is logged.")
def create(call: Call, display_name: str, **given: Any) -> None:
    """Make an endpoint."""
    with call.waiting(f"Creating endpoint {display_name}"):
        made = call.change("EndpointService.CreateEndpoint", "endpoints.create", display_name, **given)
    call.show(made, _views.endpoint_whole)


@command(endpoints, "ensure", changes=True, example="gcpmlops endpoints ensure flights")
@click.argument("display_name")
@click.option("--description")
@labels
def ensure(call: Call, display_name: str, **given: Any) -> None:
    """Make an endpoint unless there is one of that display name."""
    call.show(
        call.change("EndpointService.CreateEndpoint", "endpoints.ensure", display_name, **given), _views.endpoint_whole
    )


@command(endpoints, "get", example="gcpmlops endpoints get flights")
@click.argument("name")
def get(call: Call, name: str) -> None:
    """Show an endpoint."""
    call.show(call.read("endpoints.get", name), _views.endpoint_whole)


@command(endpoints, "resolve", example="gcpmlops endpoints resolve flights")
@click.argument("name")
def resolve(call: Call, name: str) -> None:
    """Show the full resource name of an endpoint."""
    click.echo(call.read("endpoints.resolve", name))


@command(endpoints, "list", example="gcpmlops endpoints list")
@click.option("--filter", "filter_", help="As in the API.")
def list_(call: Call, filter_: str | None) -> None:
    """List the endpoints."""
    call.show_all(call.read("endpoints.list", filter=filter_), _views.endpoint_row, what="endpoints")


@command(endpoints, "update", changes=True, example="gcpmlops endpoints update flights --label stage=prod")
@click.argument("name")
@click.option("--display-name")
@click.option("--description")
@labels
def update(call: Call, name: str, **given: Any) -> None:
    """Change an endpoint's name, description or labels."""
    call.show(call.change("EndpointService.UpdateEndpoint", "endpoints.update", name, **given), _views.endpoint_whole)


@command(
    endpoints,
    "set-traffic",
    changes=True,
    example="gcpmlops endpoints set-traffic flights --traffic 11=90 --traffic 12=10",
)
@click.argument("name")
@_traffic
def set_traffic(call: Call, name: str, traffic: dict[str, int] | None) -> None:
    """Set which deployed model gets how many per cent of the requests."""
    changed = call.change("EndpointService.UpdateEndpoint", "endpoints.set_traffic", name, split=traffic or {})
    call.show(changed, _views.endpoint_whole)


@command(endpoints, "delete", changes=True, example="gcpmlops endpoints delete flights --force")
@click.argument("name")
@click.option("--force", is_flag=True, help="Undeploy its models first.")
def delete(call: Call, name: str, force: bool) -> None:
    """Delete an endpoint."""
    with call.waiting(f"Deleting endpoint {name}"):
        call.change("EndpointService.DeleteEndpoint", "endpoints.delete", name, force=force)
    call.say(f"Deleted {name}.")


@command(
    endpoints,
    "deploy",
    changes=True,
    example="""gcpmlops endpoints deploy flights --model flights@champion --traffic 10
gcpmlops endpoints deploy flights --model flights@challenger --strategy canary --steps 5,25,100 --bake 10m
gcpmlops endpoints deploy flights --model flights@challenger --strategy blue-green --keep 24h""",
)
@click.argument("name")
@click.option("--model", required=True, help="Model to deploy, such as flights@champion.")
@click.option("--traffic", "traffic_percentage", type=click.IntRange(0, 100), default=100, show_default=True)
@rollout_options
@click.option("--machine-type", default="n1-standard-2", show_default=True)
@click.option("--min-replica-count", type=int, default=1, show_default=True)
@click.option("--max-replica-count", type=int)
@click.option("--accelerator-type", help="Such as NVIDIA_TESLA_T4.")
@click.option("--accelerator-count", type=int, default=0)
@click.option("--service-account", help="Whom the server runs as.")
@click.option("--display-name", help="Of the deployed model.")
@click.option("--explanation-spec", type=click.File("r"), help="JSON file with Google's ExplanationSpec, for explain.")
@click.option("--force", is_flag=True, help="Although another deployment seems to be under way.")
@click.option("--timeout", type=float, default=1800, show_default=True, help="Seconds that one deployment may take.")
def deploy(call: Call, name: str, **given: Any) -> None:
    """Deploy a model to an endpoint, and wait until it serves; by a strategy, until it is promoted or rolled back.

    A rollout that fails, or is interrupted, puts the traffic back to what it was.
    """
    given["strategy"] = strategy_of(given)
    if given["explanation_spec"] is not None:
        given["explanation_spec"] = _json_body(None, given["explanation_spec"])
    machine = {key: given[key] for key in ("min_replica_count", "max_replica_count", "accelerator_type")}
    count = given["accelerator_count"]
    call.say(str(call.read("endpoints.price", given["machine_type"], **machine, accelerator_count=count)))
    if given["strategy"] is None:
        with call.waiting(f"Deploying {given['model']} to {name}"):
            endpoint = call.change("EndpointService.DeployModel", "endpoints.deploy", name, **given)
        call.show(endpoint, _views.endpoint_whole)
        return
    with RolloutProgress() as progress, ended_politely():
        on_event = None if call.dry_run else progress.event
        try:
            rollout = call.change("EndpointService.DeployModel", "endpoints.deploy", name, **given, on_event=on_event)
        except RolloutFailed as exc:
            _show_rollout(call, exc.rollout)
            raise
    _show_rollout(call, rollout)


def _show_rollout(call: Call, rollout: Any) -> None:
    if call.format != "table":
        call.show(rollout, _views.rollout_whole)
        return
    if rollout.steps:
        _output.show_table(_views.rollout_rows(rollout))
    call.show(rollout, lambda done: {key: value for key, value in _views.rollout_whole(done).items() if key != "steps"})


@command(endpoints, "rollback", changes=True, example="gcpmlops endpoints rollback flights")
@click.argument("name")
@click.option("--undeploy", is_flag=True, help="Undeploy what has served until now, too.")
@click.option("--timeout", type=float, default=1800, show_default=True, help="Seconds to wait.")
def rollback(call: Call, name: str, **given: Any) -> None:
    """Go back to what served before: a switch of traffic, or a deployment where it is gone."""
    call.show(call.change("EndpointService.UpdateEndpoint", "endpoints.rollback", name, **given), _views.endpoint_whole)


@command(endpoints, "scale", changes=True, example="gcpmlops endpoints scale flights --max-replica-count 4")
@click.argument("name")
@click.option("--deployed-model", help="Its id or display name, where there are several.")
@click.option("--min-replica-count", type=int)
@click.option("--max-replica-count", type=int)
@click.option("--timeout", type=float, default=1800, show_default=True, help="Seconds to wait.")
def scale(call: Call, name: str, **given: Any) -> None:
    """Change how many replicas a deployed model has."""
    with call.waiting(f"Scaling {name}"):
        endpoint = call.change("EndpointService.MutateDeployedModel", "endpoints.scale", name, **given)
    call.show(endpoint, _views.endpoint_whole)


@command(endpoints, "price", example="gcpmlops endpoints price n1-standard-4 --max-replica-count 4")
@click.argument("machine_type")
@click.option("--min-replica-count", type=int, default=1, show_default=True)
@click.option("--max-replica-count", type=int)
@click.option("--accelerator-type", help="Such as NVIDIA_TESLA_T4.")
@click.option("--accelerator-count", type=int, default=0)
def price(call: Call, machine_type: str, **given: Any) -> None:
    """Show what a deployment costs an hour: an estimate from list prices."""
    call.show(call.read("endpoints.price", machine_type, **given), _views.price_whole)


@command(endpoints, "test", example="gcpmlops endpoints test flights")
@click.argument("name")
@click.option("--file", "file", type=click.File("r"), help="JSON list of instances; the stored samples otherwise.")
@click.option("--max-requests", type=int, default=200, show_default=True, help="Until every model has answered.")
def test(call: Call, name: str, file: IO[str] | None, max_requests: int) -> None:
    """Send the stored samples, and show what each deployed model made of them; exit with 1 if any failed."""
    instances = None if file is None else _json_body(None, file)
    found = call.read("endpoints.test", name, instances=instances, max_requests=max_requests)
    call.show_all(list(found), _views.test_row, what="answers")
    if not found.passed:
        click.get_current_context().exit(1)


@command(endpoints, "idle", example="gcpmlops endpoints idle --idle 7d")
@click.option("--idle", default="24h", show_default=True, metavar="DURATION", help="Without a request for so long.")
@click.option("--filter", "filter_", help="Which endpoints, as in the API.")
def idle(call: Call, idle: str, filter_: str | None) -> None:
    """List deployed models that served nothing for a time, with what they cost."""
    call.show_all(call.read("endpoints.idle", idle=idle, filter=filter_), _views.idle_row, what="idle models")


@command(endpoints, "reap", changes=True, example="gcpmlops endpoints reap --idle 7d --delete-endpoints")
@click.option("--idle", default="24h", show_default=True, metavar="DURATION", help="Without a request for so long.")
@click.option("--filter", "filter_", help="Which endpoints, as in the API.")
@click.option("--delete-endpoints", is_flag=True, help="Delete endpoints that are empty then.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def reap(call: Call, idle: str, filter_: str | None, delete_endpoints: bool, yes: bool) -> None:
    """Undeploy models that served nothing for a time, after asking; exit with 1 if one could not be."""
    from gcpmlops._endpoints.prices import total

    def confirm(found: Any) -> bool:
        for each in found:
            call.say(str(each))
        return not call.dry_run and (yes or click.confirm(f"Undeploy {_count(len(found))}?", err=True))

    found = call.read("endpoints.reap", idle=idle, filter=filter_, confirm=confirm, delete_endpoints=delete_endpoints)
    call.show_all(found, _views.idle_row, what="idle models")
    if done := [each for each in found if each.undeployed]:
        call.say(f"Undeployed {_count(len(done))}: {total(each.price for each in done)} less.")
    if any(each.problem for each in found):
        click.get_current_context().exit(1)


def _count(number: int) -> str:
    return f"{number} deployed model{'s' * (number != 1)}"


@command(endpoints, "undeploy", changes=True, example="gcpmlops endpoints undeploy flights --deployed-model 11")
@click.argument("name")
@click.option("--deployed-model", required=True, help="Its id or display name.")
@_traffic
def undeploy(call: Call, name: str, **given: Any) -> None:
    """Take a model from an endpoint."""
    with call.waiting(f"Undeploying {given['deployed_model']} from {name}"):
        endpoint = call.change("EndpointService.UndeployModel", "endpoints.undeploy", name, **given)
    call.show(endpoint, _views.endpoint_whole)


@command(
    endpoints,
    "predict",
    example="""gcpmlops endpoints predict flights --json '[[1.0, 2.0]]'
gcpmlops endpoints predict flights --file request.json""",
)
@click.argument("name")
@click.option("--json", "text", help='The instances, or {"instances": ...}.')
@click.option("--file", "file", type=click.File("r"), help="File with the same; - for standard input.")
def predict(call: Call, name: str, text: str | None, file: IO[str] | None) -> None:
    """Ask an endpoint for predictions."""
    body = _json_body(text, file)
    request = body if isinstance(body, dict) else {"instances": body}
    found = call.read(
        "endpoints.predict", name, instances=request.get("instances"), parameters=request.get("parameters")
    )
    if call.format == "table":
        for prediction in found:
            click.echo(json.dumps(prediction))
    else:
        _output.show_data(_output.resource(found, lambda p: {"predictions": p.predictions}), call.format)


@command(
    endpoints,
    "explain",
    example="""gcpmlops endpoints explain flights --json '[[1.0, 2.0]]' --format json""",
)
@click.argument("name")
@click.option("--json", "text", help='The instances, or {"instances": ...}.')
@click.option("--file", "file", type=click.File("r"), help="File with the same; - for standard input.")
@click.option("--deployed-model", help="Which one, by id or display name, whatever the traffic.")
def explain(call: Call, name: str, text: str | None, file: IO[str] | None, deployed_model: str | None) -> None:
    """Ask an endpoint for predictions with feature attributions."""
    body = _json_body(text, file)
    request = body if isinstance(body, dict) else {"instances": body}
    parts = {key: request.get(key) for key in ("instances", "parameters")}
    found = call.read("endpoints.explain", name, **parts, deployed_model=deployed_model)
    if call.format == "table":
        rows = zip(found.predictions, found.attributions, strict=False)
        _output.show_table([{"prediction": p, "attributions": json.dumps(a)} for p, a in rows], empty="None.")
    else:
        _output.show_data(_output.resource(found, lambda e: {"explanations": e.explanations}), call.format)


def _json_body(text: str | None, file: IO[str] | None) -> Any:
    if (text is None) == (file is None):
        raise click.UsageError("give either --json or --file")
    try:
        return json.loads(text if text is not None else file.read())  # type: ignore[union-attr]
    except ValueError as exc:
        raise click.UsageError(f"not JSON: {exc}") from exc


@command(endpoints, "raw-predict", example="gcpmlops endpoints raw-predict flights --file body.json")
@click.argument("name")
@click.option("--file", "file", type=click.File("rb"), required=True, help="The request body; - for standard input.")
@click.option("--content-type", default="application/json", show_default=True)
def raw_predict(call: Call, name: str, file: IO[bytes], content_type: str) -> None:
    """Send any body to the model server and write its answer to standard output."""
    sys.stdout.buffer.write(call.read("endpoints.raw_predict", name, body=file.read(), content_type=content_type))


@command(endpoints, "stream-raw-predict", example="gcpmlops endpoints stream-raw-predict flights --file body.json")
@click.argument("name")
@click.option("--file", "file", type=click.File("rb"), required=True, help="The request body; - for standard input.")
@click.option("--content-type", default="application/json", show_default=True)
def stream_raw_predict(call: Call, name: str, file: IO[bytes], content_type: str) -> None:
    """Send any body to the model server and write its answer to standard output as it comes."""
    for chunk in call.read("endpoints.stream_raw_predict", name, body=file.read(), content_type=content_type):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
