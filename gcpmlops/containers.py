"""Containers: Dockerfiles of training and serving images, Kubernetes manifests for serving on GKE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gcpmlops._containers import dockerfiles, manifests
from gcpmlops._generated import FOREIGN, Generated, write
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import Path_

__all__ = ["Containers", "Generated"]

_BASE = f"python:{dockerfiles.PYTHON}-slim-bookworm"
Confirm = Callable[[Generated], bool] | None


class Containers:
    """`client.containers`. Calls nothing: it writes files. Those that were edited by hand are not written over."""

    def generate(
        self,
        kind: str,
        folder: Path_,
        *,
        module: str = "trainer.task",
        requirements: Sequence[str] = (),
        base_image: str = _BASE,
        force: bool = False,
        confirm: Confirm = None,
        dry_run: bool = False,
    ) -> list[Generated]:
        """Dockerfile, .dockerignore and requirements.txt of an image; for serving the program, too.

        Args:
            kind: training: the folder's code, run as `python -m MODULE`; serving: model.joblib or model.pkl below
                AIP_STORAGE_URI, by Vertex AI's contract for containers.
            folder: where they are written.
            module: of training.
            requirements: NAME==VERSION; for serving those of the model, default scikit-learn; for training those of a
                requirements.txt that is there already, which stays as it is.
            base_image: IMAGE:TAG or IMAGE@sha256:DIGEST.
            force: also over files that were edited by hand.
            confirm: asked about each of them instead.
            dry_run: nothing is written.

        Returns all files with their states: WRITTEN, CURRENT, or EDITED and FOREIGN, which were kept. Raises
        InvalidArgument; FailedPrecondition naming the edited files.
        """
        if kind == "training":
            texts = dockerfiles.training(module=module, base=base_image, requirements=requirements)
        elif kind == "serving":
            texts = dockerfiles.serving(base=base_image, requirements=requirements)
        else:
            raise InvalidArgument(field="kind", value=kind, allowed="training, serving")
        files = [Generated.compared(Path(folder, name), text) for name, text in texts.items()]
        if kind == "training" and not requirements:
            files = [file for file in files if not _is_theirs(file)]
        return _written(files, force=force, confirm=confirm, dry_run=dry_run)

    def manifests(
        self,
        model: str,
        *,
        image: str,
        model_uri: str,
        folder: Path_ = ".",
        service_account: str = "",
        namespace: str = "serving",
        min_replicas: int = 2,
        max_replicas: int = 5,
        force: bool = False,
        confirm: Confirm = None,
        dry_run: bool = False,
    ) -> list[Generated]:
        """FOLDER/MODEL.yaml: Deployment, Service, autoscaler, disruption budget, ServiceAccount, NetworkPolicy.

        Args:
            model: name of all objects.
            image: with a tag or a digest.
            model_uri: gs://BUCKET/FOLDER of the model's files.
            folder: where it is written.
            service_account: email that the pods act as, by workload identity; needs roles/iam.workloadIdentityUser.
            namespace: has to be there.
            min_replicas: at least so many pods.
            max_replicas: at most so many pods.
            force: also over a file that was edited by hand.
            confirm: asked about it instead.
            dry_run: nothing is written.

        Returns all files with their states: WRITTEN, CURRENT, or EDITED and FOREIGN, which were kept. Raises
        InvalidArgument; FailedPrecondition for an edited file.
        """
        text = manifests.render(
            model, container=image, uri=model_uri, service_account=service_account, namespace=namespace,
            replicas=(min_replicas, max_replicas),
        )  # fmt: skip
        file = Generated.compared(Path(folder, f"{model}.yaml"), text)
        return _written([file], force=force, confirm=confirm, dry_run=dry_run)


def _is_theirs(file: Generated) -> bool:
    """Whether it is a requirements.txt of people's own. Raises InvalidArgument where it does not say exactly what."""
    if file.path.name != "requirements.txt" or file.state != FOREIGN:
        return False
    dockerfiles.check_pins(file.path)
    return True


def _written(files: list[Generated], *, force: bool, confirm: Confirm, dry_run: bool) -> list[Generated]:
    return files if dry_run else write(files, force=force, confirm=confirm)
