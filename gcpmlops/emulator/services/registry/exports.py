"""ExportModel: a version's artifacts into a folder of their own in Cloud Storage."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.artifacts import Artifacts
from gcpmlops.emulator.runtimes.objects import ObjectStore
from gcpmlops.emulator.services.model_rows import ModelRows, key_of

PREFIX = "output_config.artifact_destination.output_uri_prefix"


class ModelExports(Service):
    """Exports the copy that was made at upload."""

    proto = "google.cloud.aiplatform.v1.ModelService"

    def __init__(self, context: Context, artifacts: Artifacts, objects: ObjectStore) -> None:
        super().__init__(context)
        self._artifacts = artifacts
        self._objects = objects
        self._models = ModelRows(context.store)

    def export_model(self, request: types.ExportModelRequest) -> Any:
        """Writes the artifacts below `PREFIX/model-export-NAME-TIME/`; the operation's metadata says where."""
        validate.require(request, "name", "output_config")
        version = self._models.version(request.name)
        _check_format(request.output_config, version)
        bucket, prefix = self._destination(request.output_config)
        folder = prefix + _folder(self._models.head(version.name).display_name, self.clock.now())
        info = types.ExportModelOperationMetadata.OutputInfo(artifact_output_uri=f"gs://{bucket}/{folder}")
        return self.operations.start(
            parent=version.name,
            metadata=types.ExportModelOperationMetadata(output_info=info),
            run=lambda: self._export(key_of(version), bucket, folder),
        )

    def _destination(self, config: types.ExportModelRequest.OutputConfig) -> tuple[str, str]:
        uri = config.artifact_destination.output_uri_prefix
        if not uri:
            raise validate.invalid(PREFIX, "required, but missing.")
        bucket, _, prefix = uri.removeprefix("gs://").partition("/")
        if not uri.startswith("gs://") or not bucket:
            raise validate.invalid(PREFIX, f"{uri!r} is not a gs:// URI.")
        if not self._objects.exists(bucket):
            raise exceptions.NotFound(f"{PREFIX}: there is no bucket {bucket}.")
        prefix = prefix.rstrip("/")
        return bucket, f"{prefix}/" if prefix else ""

    def _export(self, key: str, bucket: str, folder: str) -> types.ExportModelResponse:
        with self.locks(key.partition("@")[0]):  # it is not deleted meanwhile
            self._models.version(key)
            source = self._artifacts.path(key)
            for path in _files(source):
                self._objects.upload(bucket, f"{folder}/{path.relative_to(source).as_posix()}", path)
        return types.ExportModelResponse()


def _check_format(config: types.ExportModelRequest.OutputConfig, version: types.Model) -> None:
    """Raises InvalidArgument naming the formats there are; MethodNotImplemented for an image."""
    formats = [form.id for form in version.supported_export_formats]
    if not formats:
        raise exceptions.FailedPrecondition(f"{key_of(version)} has no artifacts that could be exported.")
    if config.export_format_id and config.export_format_id not in formats:
        what = f"{config.export_format_id!r} is not supported by {key_of(version)}"
        raise validate.invalid("output_config.export_format_id", f"{what} (here: {', '.join(formats)}).")
    if config.image_destination.output_uri:
        raise exceptions.MethodNotImplemented(
            "ModelService.ExportModel to output_config.image_destination is not built in this emulator: "
            "export to artifact_destination, and push the image with your container tool."
        )


def _folder(display_name: str, now: datetime) -> str:
    moment = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"model-export-{display_name.replace('/', '_')}-{moment}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
