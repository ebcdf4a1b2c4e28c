"""`gcpmlops models`."""

from __future__ import annotations

from typing import Any

import click

from gcpmlops.cli import _model_options as shared
from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command, labels


@click.group()
def models() -> None:
    """Models, versions and aliases of the Vertex AI registry."""


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
@shared.server
@shared.origin
@click.option("--check/--no-check", default=None, help="Start a model server first; by default where that is possible.")
@click.option("--check-timeout", type=float, default=600.0, show_default=True, help="Seconds for the serving check.")
@click.option("--staging-bucket", help="Where local files are put.")
def upload(call: Call, source: str, **given: Any) -> None:
    """Register a model from a gs:// folder, a local folder or a file, when a server has been seen to serve it."""
    with call.waiting(f"Uploading {source} as {given['display_name']}"):
        model = call.change("ModelService.UploadModel", "models.upload", source, **given)
    call.show(model, shared.whole)


@command(models, "check", example="gcpmlops models check model.joblib --samples samples.jsonl --max-latency 0.1")
@click.argument("source", type=click.Path())
@shared.server
@click.option("--registered", is_flag=True, help="SOURCE is the name of a registered version.")
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds for everything.")
def check(call: Call, source: str, registered: bool, **given: Any) -> None:
    """Start a model server on this machine and see whether it serves these files; register nothing."""
    with call.waiting(f"Checking whether {source} serves"):
        model = call.read("models.get", source) if registered else source
        result = call.read("models.check", model, **{name: value for name, value in given.items() if value is not None})
    call.show(result, shared.summary if call.format == "table" else shared.check)
    if not result.ok:
        for line in result.log_tail:
            call.say(f"    {line}")
        click.get_current_context().exit(1)


@command(models, "get", example="gcpmlops models get flights@champion")
@click.argument("name")
def get(call: Call, name: str) -> None:
    """Show a model, or one version of it."""
    call.show(call.read("models.get", name), shared.whole)


@command(models, "list", example="gcpmlops models list --filter 'display_name=\"flights\"'")
@click.option("--filter", "filter_", help="As in the API.")
def list_(call: Call, filter_: str | None) -> None:
    """List the models."""
    call.show_all(call.read("models.list", filter=filter_), shared.model, what="models")


@command(models, "versions", example="gcpmlops models versions flights")
@click.argument("name")
def versions(call: Call, name: str) -> None:
    """List a model's versions."""
    call.show_all(call.read("models.versions", name), shared.model, what="versions")


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
    call.show(model, shared.whole)


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
    call.show(call.change("ModelService.UpdateModel", "models.update", name, **given), shared.whole)


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
    call.show(call.change("ModelService.MergeVersionAliases", "models.set_alias", name, alias=alias), shared.whole)


@command(models, "remove-alias", changes=True, example="gcpmlops models remove-alias flights champion")
@click.argument("name")
@click.argument("alias")
def remove_alias(call: Call, name: str, alias: str) -> None:
    """Take an alias from a model."""
    call.show(call.change("ModelService.MergeVersionAliases", "models.remove_alias", name, alias=alias), shared.whole)


@command(
    models,
    "promote",
    changes=True,
    example="gcpmlops models promote flights@3 --to production --reason 'AUC 0.81' --archive-previous",
)
@click.argument("name")
@click.option("--to", required=True, type=click.Choice(shared.STAGES), help="The stage.")
@click.option("--reason", default="", help="Why; it is kept.")
@click.option("--who", help="Who; the caller otherwise.")
@click.option("--archive-previous", is_flag=True, help="Archive the version that was in the stage.")
def promote(call: Call, name: str, **given: Any) -> None:
    """Move a version to a stage, or make it champion or challenger; who, when and why are kept."""
    call.show(call.change("ModelService.MergeVersionAliases", "models.promote", name, **given), shared.whole)


@command(models, "demote", changes=True, example="gcpmlops models demote flights --from production --reason 'too slow'")
@click.argument("name")
@click.option("--from", "from_stage", required=True, type=click.Choice(shared.STAGES), help="The stage.")
@click.option("--reason", default="", help="Why; it is kept.")
@click.option("--who", help="Who; the caller otherwise.")
def demote(call: Call, name: str, **given: Any) -> None:
    """Take a version out of a stage; without @VERSION the one that is in it."""
    call.show(call.change("ModelService.MergeVersionAliases", "models.demote", name, **given), shared.whole)


@command(models, "history", example="gcpmlops models history flights")
@click.argument("name")
def history(call: Call, name: str) -> None:
    """List the moves between stages, newest first."""
    call.show_all(call.read("models.history", name), shared.transition, what="transitions")


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
@shared.origin
def record_lineage(call: Call, name: str, **given: Any) -> None:
    """Keep which job made a version, and from which data."""
    found = call.change("MetadataService.AddExecutionEvents", "models.record_lineage", name, **given)
    call.say(f"Recorded {', '.join(map(str, [*found.jobs, *found.data])) or 'nothing'}.")


@command(models, "evaluations", example="gcpmlops models evaluations flights@3")
@click.argument("name")
def evaluations(call: Call, name: str) -> None:
    """List a version's evaluations, newest first."""
    call.show_all(call.read("models.evaluations", name), shared.evaluation, what="evaluations")


@command(models, "report", example="gcpmlops storage download $(gcpmlops models report flights@3)")
@click.argument("name")
def report(call: Call, name: str) -> None:
    """Print where the report of a version's latest evaluation lies."""
    click.echo(call.read("models.report", name))


@command(
    models,
    "import-evaluation",
    changes=True,
    example="gcpmlops models import-evaluation flights@3 challenger.json --gates gates.yaml --champion champion.json",
)
@click.argument("name")
@click.argument("result", metavar="RESULT.json")
@click.option("--gates", type=click.Path(exists=True, dir_okay=False), help="YAML file; what they say is kept as well.")
@click.option("--champion", help="JSON of the champion's evaluation on the same rows, for gates that compare.")
@click.option("--display-name")
def import_evaluation(
    call: Call, name: str, result: str, gates: str | None, champion: str | None, **given: Any
) -> None:
    """Keep an evaluation with a version: a file that EvaluationResult.to_json wrote."""
    found = call.read("evaluation.read", result)
    if gates:
        given["verdict"] = call.read("evaluation.check", found, gates=gates, champion=champion)
    with call.waiting(f"Keeping {result} with {name}"):
        kept = call.change("ModelService.ImportModelEvaluation", "models.import_evaluation", name, found, **given)
    call.show(kept, shared.evaluation_whole)
