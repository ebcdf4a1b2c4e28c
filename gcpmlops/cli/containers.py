"""`gcpmlops containers`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gcpmlops.cli import _generated
from gcpmlops.cli._options import Call, command

if TYPE_CHECKING:
    from gcpmlops.containers import Generated

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def containers() -> None:
    """Dockerfiles of training and serving images, Kubernetes manifests for GKE."""


@command(
    containers, "generate", changes=True,
    example="gcpmlops containers generate serving image --requirement scikit-learn==1.6.1",
)  # fmt: skip
@click.argument("kind", type=click.Choice(("training", "serving")))
@click.argument("folder", type=_FOLDER)
@click.option("--module", default="trainer.task", show_default=True, help="What training runs.")
@click.option("--requirement", "requirements", multiple=True, metavar="NAME==VERSION", help="May be repeated.")
@click.option("--base-image", help="IMAGE:TAG or IMAGE@sha256:DIGEST; default a slim Python.")
@_generated.force
def generate(call: Call, kind: str, folder: Path, base_image: str | None, force: bool, **given: Any) -> None:
    """Write Dockerfile, .dockerignore and requirements.txt to FOLDER; for serving the program, too."""
    given |= {"base_image": base_image} if base_image else {}
    _show(call, call.read("containers.generate", kind, folder, confirm=_generated.confirm(force=force), force=force,
                          dry_run=call.dry_run, **given))  # fmt: skip


@command(
    containers, "manifests", changes=True,
    example="gcpmlops containers manifests late-flights --image europe-docker.pkg.dev/p/ml/late:3 "
    "--model-uri gs://p-ml-data/late",
)  # fmt: skip
@click.argument("model")
@click.option("--image", required=True, help="With a tag or a digest.")
@click.option("--model-uri", required=True, help="gs://BUCKET/FOLDER of the model's files.")
@click.option("--folder", type=_FOLDER, default=".", show_default=True, help="Where MODEL.yaml is written.")
@click.option("--service-account", default="", help="Email that the pods act as.")
@click.option("--namespace", default="serving", show_default=True, help="Kubernetes namespace.")
@click.option("--min-replicas", type=int, default=2, show_default=True, help="Pods at least.")
@click.option("--max-replicas", type=int, default=5, show_default=True, help="Pods at most.")
@_generated.force
def manifests(call: Call, model: str, force: bool, **given: Any) -> None:
    """Write FOLDER/MODEL.yaml: what serves MODEL on GKE."""
    _show(call, call.read("containers.manifests", model, confirm=_generated.confirm(force=force), force=force,
                          dry_run=call.dry_run, **given))  # fmt: skip


def _show(call: Call, files: Sequence[Generated]) -> None:
    call.show_all(files, _generated.row, what="files to write")
