"""Source archives: where they are uploaded, the copy that each deployment keeps, and signed URLs of both."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from google.api_core import exceptions
from google.cloud.functions_v2 import types

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.kernel.auth import Authenticator
from gcpmlops.emulator.services.storage.engine import StorageEngine
from gcpmlops.emulator.settings import project_number

_LIFETIME = 30 * 60  # seconds that a URL is good for
ZIP = "application/zip"


class Sources:
    """Archives in Cloud Storage."""

    def __init__(self, storage: StorageEngine, authenticator: Authenticator) -> None:
        self._storage = storage
        self._authenticator = authenticator

    def upload_url(self, parent: str) -> types.GenerateUploadUrlResponse:
        """A URL to PUT a zip to, and where that will be."""
        bucket = self._bucket("gcf-v2-uploads", parent, "cloudfunctions.appspot.com")
        name = f"{uuid.uuid4()}.zip"
        source = types.StorageSource(bucket=bucket, object_=name)
        return types.GenerateUploadUrlResponse(upload_url=self._signed("PUT", bucket, name), storage_source=source)

    def download_url(self, function: types.Function) -> str:
        """A URL to GET the archive of what is deployed."""
        source = function.build_config.source_provenance.resolved_storage_source
        if not source.bucket:
            raise exceptions.NotFound(f"{function.name} has no deployed source.")
        return self._signed("GET", source.bucket, source.object_)

    def kept(self, function: str, given: types.Source) -> tuple[types.StorageSource, Path]:
        """A copy of the archive that the function keeps, and its file.

        Raises: InvalidArgument where there is none; MethodNotImplemented for repositories.
        """
        if "repo_source" in given or given.git_uri:
            raise exceptions.MethodNotImplemented(
                "build_config.source: Cloud Source Repositories are not built in this emulator; give storage_source."
            )
        source = given.storage_source
        if not source.bucket or not source.object_:
            raise validate.invalid("build_config.source", "needs a storage_source with bucket and object.")
        bucket, own = self._bucket("gcf-v2-sources", function), function.rpartition("/")[2]
        if source.bucket == bucket and source.object_.startswith(f"{own}/"):  # of an earlier deployment
            return source, self._storage.local_path(bucket, source.object_)
        name = f"{own}/{uuid.uuid4().hex[:12]}/function-source.zip"  # what serves keeps its own if this one fails
        with tempfile.NamedTemporaryFile(prefix="gcpmlops-source-") as file:
            file.write(self._content(source))
            file.flush()
            self._storage.upload(bucket, name, Path(file.name), ZIP)
        generation = self._storage.objects.get(bucket, name).generation
        kept = types.StorageSource(bucket=bucket, object_=name, generation=generation)
        return kept, self._storage.local_path(bucket, name)

    def _content(self, source: types.StorageSource) -> bytes:
        """The generation that is named, else the live one."""
        try:
            record, data = self._storage.objects.get_with_data(source.bucket, source.object_, source.generation or None)
        except exceptions.NotFound:
            where = f"gs://{source.bucket}/{source.object_}"
            raise validate.invalid(
                "build_config.source.storage_source",
                f"{where} is not found: upload the source archive to it, or to the URL of generateUploadUrl, first.",
            ) from None
        return (
            data
            if record.blob is None and data is not None
            else self._storage.blobs.path(str(record.blob)).read_bytes()
        )

    def _bucket(self, prefix: str, name: str, domain: str = "") -> str:
        region, project = names.location_of(name), names.project_of(name)
        bucket = f"{prefix}-{project_number(project)}-{region}" + (f".{domain}" if domain else "")
        if not self._storage.exists(bucket):
            with contextlib.suppress(exceptions.Conflict):  # another deployment has just made it
                self._storage.buckets.insert(project, {"name": bucket, "location": region})
        return bucket

    def _signed(self, method: str, bucket: str, name: str) -> str:
        """A V4 signed URL; its time is real, as that of tokens."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{moment[:8]}/auto/storage/goog4_request"
        path = f"/{bucket}/{quote(name)}"
        query: dict[str, Any] = {
            "X-Goog-Algorithm": "GOOG4-RSA-SHA256",
            "X-Goog-Credential": f"{self._authenticator.email}/{scope}",
            "X-Goog-Date": moment,
            "X-Goog-Expires": _LIFETIME,
            "X-Goog-SignedHeaders": "host",
        }
        text = "&".join(f"{key}={quote(str(value), safe='~')}" for key, value in sorted(query.items()))
        host = "storage.googleapis.com"
        canonical = "\n".join([method, path, text, f"host:{host}", "", "host", "UNSIGNED-PAYLOAD"])
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signed = "\n".join(["GOOG4-RSA-SHA256", moment, scope, digest])
        return f"https://{host}{path}?{text}&X-Goog-Signature={self._authenticator.sign(signed.encode()).hex()}"
