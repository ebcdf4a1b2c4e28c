"""`gcpmlops models`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command, labels, pairs

STAGES = ("staging", "production", "archived", "champion", "challenger")
F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def models() -> None:
    """Models, versions and aliases of the Vertex AI registry."""


def _model(model: Any) -> dict[str, Any]:
    return {
        "id": model.id,
        "display_name": model.display_name,
        "version": model.version_id,
        "aliases": model.aliases,
        "stages": model.stages,
        "updated": model.proto.update_time,
    }


def _whole(model: Any) -> dict[str, Any]:
    shown = {**_model(model), "name": model.versioned_name, "artifact_uri": model.artifact_uri, "image": model.image}
    return shown | ({"serving_check": str(model.check)} if model.check else {})


def _check(result: Any) -> dict[str, Any]:
    return {
        "ok": result.ok,
        "stage": result.stage,
        "error": result.error,
        "image": result.image,
        "samples": result.samples,
        "boot_seconds": result.boot_seconds,
        "predict_seconds": result.predict_seconds,
        "memory_mib": result.memory_mib,
        "predictions": result.predictions,
        "log_tail": result.log_tail,
    }


def _summary(result: Any) -> dict[str, Any]:
    """Only what says something, for people."""
    return {key: value for key, value in _check(result).items() if key != "log_tail" and value not in ("", (), None)}


def _server(function: F) -> F:
    """How the model is served, its samples, and the limits of the serving check."""
    for option in reversed(_SERVER):
        option(function)
    return function


def _origin(function: F) -> F:
    """--job and --data, the second repeated."""
    job = click.option("--job", help="Training job that made it: id or full name.")
    data = "What it was trained on: gs:// files, a BigQuery table, a dataset; may be repeated."
    return job(click.option("--data", multiple=True, help=data)(function))


_SERVER: list[Callable[[F], F]] = [
    click.option("--framework", help="sklearn, xgboost, tensorflow or pytorch; follows from the files."),
    click.option("--framework-version", help="MAJOR.MINOR, such as 1.6."),
    click.option("--image", help="Container image that serves it."),
    click.option(
        "--env", multiple=True, callback=pairs, metavar="KEY=VALUE", help="Variable of the server; may be repeated."
    ),
    click.option("--predict-route", help="The container's path for predictions."),
    click.option("--health-route", help="The container's path for health."),
    click.option("--port", type=int, help="The container's port."),
    click.option("--samples", type=click.Path(), help="JSON or JSONL file of instances that it can predict."),
    click.option("--max-latency", type=float, help="Seconds that the serving check allows a request."),
    click.option("--max-memory", type=float, help="MiB that the serving check allows the server."),
]


@command(
    models,
    "upload",
    changes=True,
    example="""gcpmlops models upload gs://my-data/model --name flights
gcpmlops models upload model.joblib --name flights --parent-model flights --alias challenger""",
)
@click.argument("source", type=click.Path())
@click.option("--name", "display_name", required=True, help="Display name.")
@click.option("--parent-model", help="Model to add a version to.")
@click.option("--alias", "version_aliases", multiple=True, help="Alias of the version; may be repeated.")
@click.option("--default/--no-default", "is_default", default=True, help="Whether it becomes the default version.")
@click.option("--model-id", help="Id of a new model.")
@click.option("--description")
@labels
@_server
@_origin
@click.option("--check/--no-check", default=None, help="Start a model server first; by default where that is possible.")
@click.option("--check-timeout", type=float, default=600.0, show_default=True, help="Seconds for the serving check.")
@click.option("--staging-bucket", help="Where local files are put.")
def upload(call: Call, source: str, **given: Any) -> None:
    """Register a model from a gs:// folder, a local folder or a file, when a server has been seen to serve it."""
    with call.waiting(f"Uploading {source} as {given['display_name']}"):
        model = call.change("ModelService.UploadModel", "models.upload", source, **given)
    call.show(model, _whole)


@command(models, "check", example="gcpmlops models check model.joblib --samples samples.jsonl --max-latency 0.1")
@click.argument("source", type=click.Path())
@_server
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds for everything.")
def check(call: Call, source: str, **given: Any) -> None:
    """Start a model server on this machine and see whether it serves these files; register nothing."""
    with call.waiting(f"Checking whether {source} serves"):
        result = call.read("models.check", source, **given)
    call.show(result, _summary if call.format == "table" else _check)
    if not result.ok:
        for line in result.log_tail:
            call.say(f"    {line}")
        click.get_current_context().exit(1)


@command(models, "get", example="gcpmlops models get flights@champion")
@click.argument("name")
def get(call: Call, name: str) -> None:
    """Show a model, or one version of it."""
    call.show(call.read("models.get", name), _whole)


@command(models, "list", example="gcpmlops models list --filter 'display_name=\"flights\"'")
@click.option("--filter", "filter_", help="As in the API.")
def list_(call: Call, filter_: str | None) -> None:
    """List the models."""
    call.show_all(call.read("models.list", filter=filter_), _model, what="models")


@command(models, "versions", example="gcpmlops models versions flights")
@click.argument("name")
def versions(call: Call, name: str) -> None:
    """List a model's versions."""
    call.show_all(call.read("models.versions", name), _model, what="versions")


@command(models, "samples", example="gcpmlops models samples flights@champion > samples.json")
@click.argument("name")
def samples(call: Call, name: str) -> None:
    """Print the instances stored with a version, as a request for a prediction."""
    found = call.read("models.samples", name)
    if found is None:
        call.say(f"{name} has no samples.")
        click.get_current_context().exit(1)
    click.echo(found.to_json())


@command(models, "copy", changes=True, example="gcpmlops models copy flights@champion --model-id flights-eu")
@click.argument("name")
@click.option("--model-id", help="Id of the new model.")
@click.option("--parent-model", help="Model that gets a version instead.")
def copy(call: Call, name: str, **given: Any) -> None:
    """Copy a version into a model of its own, or into another one; a full NAME may be of another location."""
    with call.waiting(f"Copying {name}"):
        model = call.change("ModelService.CopyModel", "models.copy", name, **given)
    call.show(model, _whole)


@command(models, "export", changes=True, example="gcpmlops models export flights@champion gs://my-data/exports")
@click.argument("name")
@click.argument("destination")
@click.option("--export-format", help="One of the version's supported formats; the first otherwise.")
def export(call: Call, name: str, destination: str, **given: Any) -> None:
    """Write a version's files into a new folder below DESTINATION, and print that folder."""
    with call.waiting(f"Exporting {name}"):
        folder = call.change("ModelService.ExportModel", "models.export", name, destination=destination, **given)
    click.echo(folder)


@command(models, "resolve", example="gcpmlops models resolve flights@champion")
@click.argument("name")
def resolve(call: Call, name: str) -> None:
    """Show the full resource name of a model."""
    click.echo(call.read("models.resolve", name))


@command(models, "update", changes=True, example="gcpmlops models update flights --description 'late flights'")
@click.argument("name")
@click.option("--display-name")
@click.option("--description")
@labels
def update(call: Call, name: str, **given: Any) -> None:
    """Change a model's name, description or labels."""
    call.show(call.change("ModelService.UpdateModel", "models.update", name, **given), _whole)


@command(models, "delete", changes=True, example="gcpmlops models delete flights@2")
@click.argument("name")
def delete(call: Call, name: str) -> None:
    """Delete a model, or with NAME@VERSION one version."""
    call.change("ModelService.DeleteModel", "models.delete", name)
    call.say(f"Deleted {name}.")


@command(models, "set-alias", changes=True, example="gcpmlops models set-alias flights@2 champion")
@click.argument("name")
@click.argument("alias")
def set_alias(call: Call, name: str, alias: str) -> None:
    """Give a version an alias; the version that had it loses it."""
    call.show(call.change("ModelService.MergeVersionAliases", "models.set_alias", name, alias=alias), _whole)


@command(models, "remove-alias", changes=True, example="gcpmlops models remove-alias flights champion")
@click.argument("name")
@click.argument("alias")
def remove_alias(call: Call, name: str, alias: str) -> None:
    """Take an alias from a model."""
    call.show(call.change("ModelService.MergeVersionAliases", "models.remove_alias", name, alias=alias), _whole)


def _transition(transition: Any) -> dict[str, Any]:
    return {
        "when": transition.when,
        "version": transition.version,
        "from": transition.from_stage,
        "to": transition.to_stage,
        "instead_of": transition.previous_version,
        "who": transition.who,
        "reason": transition.reason if transition.complete else f"(not complete) {transition.reason}",
    }


@command(
    models,
    "promote",
    changes=True,
    example="gcpmlops models promote flights@3 --to production --reason 'AUC 0.81' --archive-previous",
)
@click.argument("name")
@click.option("--to", required=True, type=click.Choice(STAGES), help="The stage.")
@click.option("--reason", default="", help="Why; it is kept.")
@click.option("--who", help="Who; the caller otherwise.")
@click.option("--archive-previous", is_flag=True, help="Archive the version that was in the stage.")
def promote(call: Call, name: str, **given: Any) -> None:
    """Move a version to a stage, or make it champion or challenger; who, when and why are kept."""
    call.show(call.change("ModelService.MergeVersionAliases", "models.promote", name, **given), _whole)


@command(models, "demote", changes=True, example="gcpmlops models demote flights --from production --reason 'too slow'")
@click.argument("name")
@click.option("--from", "from_stage", required=True, type=click.Choice(STAGES), help="The stage.")
@click.option("--reason", default="", help="Why; it is kept.")
@click.option("--who", help="Who; the caller otherwise.")
def demote(call: Call, name: str, **given: Any) -> None:
    """Take a version out of a stage; without @VERSION the one that is in it."""
    call.show(call.change("ModelService.MergeVersionAliases", "models.demote", name, **given), _whole)


@command(models, "history", example="gcpmlops models history flights")
@click.argument("name")
def history(call: Call, name: str) -> None:
    """List the moves between stages, newest first."""
    call.show_all(call.read("models.history", name), _transition, what="transitions")


@command(models, "lineage", example="gcpmlops models lineage flights@production")
@click.argument("name")
def lineage(call: Call, name: str) -> None:
    """Show where a version comes from and where it went: data, code, job, evaluations, deployments."""
    found = call.read("models.lineage", name)
    if call.format == "table":
        rows = [{"kind": kind, "name": each, "where": where} for kind, each, where in found.rows]
        _output.show_table(rows, empty=f"Nothing is known of where {name} comes from.")
    else:
        _output.show_data(found.to_dict(), call.format)


@command(
    models,
    "record-lineage",
    changes=True,
    example="gcpmlops models record-lineage flights@3 --job 1234567890 --data flights.training",
)
@click.argument("name")
@_origin
def record_lineage(call: Call, name: str, **given: Any) -> None:
    """Keep which job made a version, and from which data."""
    found = call.change("MetadataService.AddExecutionEvents", "models.record_lineage", name, **given)
    call.say(f"Recorded {', '.join(map(str, [*found.jobs, *found.data])) or 'nothing'}.")


def _evaluation(evaluation: Any) -> dict[str, Any]:
    return {
        "id": evaluation.id,
        "display_name": evaluation.display_name,
        "created": evaluation.created,
        "kind": evaluation.kind,
        "rows": evaluation.rows,
        "passed": evaluation.passed,
        "report": evaluation.report,
    }


def _evaluation_whole(evaluation: Any) -> dict[str, Any]:
    numbers = {name: value for name, value in evaluation.metrics.items() if isinstance(value, float)}
    return {**_evaluation(evaluation), "card": evaluation.card, **numbers}


@command(models, "evaluations", example="gcpmlops models evaluations flights@3")
@click.argument("name")
def evaluations(call: Call, name: str) -> None:
    """List a version's evaluations, newest first."""
    call.show_all(call.read("models.evaluations", name), _evaluation, what="evaluations")


@command(models, "report", example="gcpmlops storage download $(gcpmlops models report flights@3)")
@click.argument("name")
def report(call: Call, name: str) -> None:
    """Print where the report of a version's latest evaluation lies."""
    click.echo(call.read("models.report", name))


@command(
    models, "import-evaluation", changes=True, example="gcpmlops models import-evaluation flights@3 evaluation.json"
)
@click.argument("name")
@click.argument("result", type=click.Path(exists=True, dir_okay=False))
@click.option("--display-name")
def import_evaluation(call: Call, name: str, result: str, **given: Any) -> None:
    """Keep an evaluation with a version: a file that EvaluationResult.to_json wrote."""
    from gcpmlops.evaluation import EvaluationResult

    found = EvaluationResult.from_json(result)
    with call.waiting(f"Keeping {result} with {name}"):
        kept = call.change("ModelService.ImportModelEvaluation", "models.import_evaluation", name, found, **given)
    call.show(kept, _evaluation_whole)
