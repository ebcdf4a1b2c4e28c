"""`gcpmlops endpoints`."""

from __future__ import annotations

import json
import sys
from typing import IO, Any

import click

from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command, labels, pairs


@click.group()
def endpoints() -> None:
    """Endpoints of Vertex AI: deployments, traffic, predictions."""


def _endpoint(endpoint: Any) -> dict[str, Any]:
    served = {model: f"{endpoint.traffic.get(key, 0)}%" for key, model in endpoint.deployed.items()}
    return {
        "id": endpoint.id,
        "display_name": endpoint.display_name,
        "models": [f"{model.rpartition('/')[2]} {share}" for model, share in served.items()],
        "created": endpoint.proto.create_time,
    }


def _whole(endpoint: Any) -> dict[str, Any]:
    return {**_endpoint(endpoint), "name": endpoint.name, "traffic": endpoint.traffic}


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
def create(call: Call, display_name: str, **given: Any) -> None:
    """Make an endpoint."""
    with call.waiting(f"Creating endpoint {display_name}"):
        made = call.change("EndpointService.CreateEndpoint", "endpoints.create", display_name, **given)
    call.show(made, _whole)


@command(endpoints, "ensure", changes=True, example="gcpmlops endpoints ensure flights")
@click.argument("display_name")
@click.option("--description")
@labels
def ensure(call: Call, display_name: str, **given: Any) -> None:
    """Make an endpoint unless there is one of that display name."""
    call.show(call.change("EndpointService.CreateEndpoint", "endpoints.ensure", display_name, **given), _whole)


@command(endpoints, "get", example="gcpmlops endpoints get flights")
@click.argument("name")
def get(call: Call, name: str) -> None:
    """Show an endpoint."""
    call.show(call.read("endpoints.get", name), _whole)


@command(endpoints, "resolve", example="gcpmlops endpoints resolve flights")
@click.argument("name")
def resolve(call: Call, name: str) -> None:
    """Show the full resource name of an endpoint."""
    click.echo(call.read("endpoints.resolve", name))


@command(endpoints, "list", example="gcpmlops endpoints list")
@click.option("--filter", "filter_", help="As in the API.")
def list_(call: Call, filter_: str | None) -> None:
    """List the endpoints."""
    call.show_all(call.read("endpoints.list", filter=filter_), _endpoint, what="endpoints")


@command(endpoints, "update", changes=True, example="gcpmlops endpoints update flights --label stage=prod")
@click.argument("name")
@click.option("--display-name")
@click.option("--description")
@labels
def update(call: Call, name: str, **given: Any) -> None:
    """Change an endpoint's name, description or labels."""
    call.show(call.change("EndpointService.UpdateEndpoint", "endpoints.update", name, **given), _whole)


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
    call.show(changed, _whole)


@command(endpoints, "delete", changes=True, example="gcpmlops endpoints delete flights --force")
@click.argument("name")
@click.option("--force", is_flag=True, help="Undeploy its models first.")
def delete(call: Call, name: str, force: bool) -> None:
    """Delete an endpoint."""
    with call.waiting(f"Deleting endpoint {name}"):
        call.change("EndpointService.DeleteEndpoint", "endpoints.delete", name, force=force)
    call.say(f"Deleted {name}.")


@command(
    endpoints, "deploy", changes=True, example="gcpmlops endpoints deploy flights --model flights@champion --traffic 10"
)
@click.argument("name")
@click.option("--model", required=True, help="Model to deploy, such as flights@champion.")
@click.option("--traffic", "traffic_percentage", type=click.IntRange(0, 100), default=100, show_default=True)
@click.option("--machine-type", default="n1-standard-2", show_default=True)
@click.option("--min-replica-count", type=int, default=1, show_default=True)
@click.option("--max-replica-count", type=int)
@click.option("--accelerator-type", help="Such as NVIDIA_TESLA_T4.")
@click.option("--accelerator-count", type=int, default=0)
@click.option("--service-account", help="Whom the server runs as.")
@click.option("--display-name", help="Of the deployed model.")
@click.option("--timeout", type=float, default=1800, show_default=True, help="Seconds to wait.")
def deploy(call: Call, name: str, **given: Any) -> None:
    """Deploy a model to an endpoint, and wait until it serves."""
    with call.waiting(f"Deploying {given['model']} to {name}"):
        endpoint = call.change("EndpointService.DeployModel", "endpoints.deploy", name, **given)
    call.show(endpoint, _whole)


@command(endpoints, "undeploy", changes=True, example="gcpmlops endpoints undeploy flights --deployed-model 11")
@click.argument("name")
@click.option("--deployed-model", required=True, help="Its id or display name.")
@_traffic
def undeploy(call: Call, name: str, **given: Any) -> None:
    """Take a model from an endpoint."""
    with call.waiting(f"Undeploying {given['deployed_model']} from {name}"):
        endpoint = call.change("EndpointService.UndeployModel", "endpoints.undeploy", name, **given)
    call.show(endpoint, _whole)


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
