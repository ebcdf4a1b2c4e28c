"""`gcpmlops models`."""

from __future__ import annotations

from typing import Any

import click

from gcpmlops.cli._options import Call, command, labels, pairs


@click.group()
def models() -> None:
    """Models, versions and aliases of the Vertex AI registry."""


def _model(model: Any) -> dict[str, Any]:
    return {
        "id": model.id,
        "display_name": model.display_name,
        "version": model.version_id,
        "aliases": model.aliases,
        "updated": model.proto.update_time,
    }


def _whole(model: Any) -> dict[str, Any]:
    return {**_model(model), "name": model.versioned_name, "artifact_uri": model.artifact_uri, "image": model.image}


@command(
    models,
    "upload",
    changes=True,
    example="""gcpmlops models upload gs://my-data/model --name flights
gcpmlops models upload model.joblib --name flights --parent-model flights --alias challenger""",
)
@click.argument("source", type=click.Path())
@click.option("--name", "display_name", required=True, help="Display name.")
@click.option("--framework", help="sklearn, xgboost, tensorflow or pytorch; follows from the files.")
@click.option("--framework-version", help="MAJOR.MINOR, such as 1.6.")
@click.option("--image", help="Container image that serves it.")
@click.option("--parent-model", help="Model to add a version to.")
@click.option("--alias", "version_aliases", multiple=True, help="Alias of the version; may be repeated.")
@click.option("--default/--no-default", "is_default", default=True, help="Whether it becomes the default version.")
@click.option("--model-id", help="Id of a new model.")
@click.option("--description")
@labels
@click.option(
    "--env", multiple=True, callback=pairs, metavar="KEY=VALUE", help="Variable of the server; may be repeated."
)
@click.option("--staging-bucket", help="Where local files are put.")
def upload(call: Call, source: str, **given: Any) -> None:
    """Register a model from a gs:// folder, a local folder or a file."""
    with call.waiting(f"Uploading {source} as {given['display_name']}"):
        model = call.change("ModelService.UploadModel", "models.upload", source, **given)
    call.show(model, _whole)


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
