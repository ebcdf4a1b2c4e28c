"""What a model is made from, as artifacts of Vertex ML Metadata: tables, files, datasets, code, the training job."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gcpmlops import _google
from gcpmlops._preflight import inputs
from gcpmlops._preflight.inputs import Mention
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import GsUri

TABLE, FILES, DATASET, CODE = "google.BQTable", "system.Dataset", "google.VertexDataset", "system.Artifact"
VERTEX_MODEL = "google.VertexModel"
_VERSION = "0.0.1"
_ALLOWED = "gs:// files, BigQuery tables (DATASET.TABLE, PROJECT.DATASET.TABLE), names of Vertex AI datasets"
_TABLE = re.compile(r"(?:bq://)?(?:(?P<project>[a-z][a-z0-9:.-]*[a-z0-9])[.:])?(?P<dataset>\w+)\.(?P<table>[\w-]+)")
_PACKAGE = re.compile(r"(?:gs://|/gcs/)\S+?\.(?:whl|tar\.gz|zip)")
_VERTEX_DATASET = re.compile(r"projects/[^/]+/locations/(?P<location>[^/]+)/datasets/[^/]+")


@dataclass(frozen=True)
class Source:
    """Something that a model was made from. `schema` is its artifact's."""

    schema: str
    uri: str
    name: str
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Of its artifact; the same source is the same artifact for all models."""
        return f"source-{hashlib.sha256(f'{self.schema} {self.uri}'.encode()).hexdigest()[:24]}"

    def artifact(self) -> _google.artifact.Artifact:
        """Google's message."""
        return artifact(self.schema, self.uri, self.name, self.metadata)


def artifact(schema: str, uri: str, display_name: str, metadata: dict[str, Any]) -> _google.artifact.Artifact:
    """Google's message of something that is there."""
    return _google.artifact.Artifact(
        display_name=display_name[-128:],
        uri=uri,
        schema_title=schema,
        schema_version=_VERSION,
        state=_google.artifact.Artifact.State.LIVE,
        metadata=metadata,
    )


def source_of(data: str, *, project: str) -> Source:
    """From what a user names as data. Raises InvalidArgument."""
    if not isinstance(data, str):
        raise InvalidArgument(field="data", value=data, allowed=_ALLOWED)
    if data.startswith(("gs://", "/gcs/")):
        uri = str(GsUri.parse(re.sub("^/gcs/", "gs://", data), field="data"))
        return Source(FILES, uri, uri.removeprefix("gs://"))
    if found := _VERTEX_DATASET.fullmatch(data):
        host = f"https://{found['location']}-aiplatform.googleapis.com/v1"
        return Source(DATASET, f"{host}/{data}", data.rpartition("/")[2], {"resourceName": data})
    if found := _TABLE.fullmatch(data):
        return _table(found["project"] or project, found["dataset"], found["table"])
    raise InvalidArgument(f"{data!r} is no data that can be named", field="data", value=data, allowed=_ALLOWED)


def _table(project: str, dataset: str, table: str) -> Source:
    uri = f"https://www.googleapis.com/bigquery/v2/projects/{project}/datasets/{dataset}/tables/{table}"
    return Source(
        TABLE,
        uri,
        f"{project}.{dataset}.{table}",
        {"projectId": project, "datasetId": dataset, "tableId": table},
    )


def read_by(job: _google.custom_job.CustomJob, *, project: str) -> list[Source]:
    """The data that a job's arguments and variables name as its input, each once.

    gs:// URIs of options that read, and tables: bq://..., PROJECT.DATASET.TABLE of this project, or the value of an
    option with `table` in its name. What lies in the job's own output folder is not its input.
    """
    own = job.job_spec.base_output_directory.output_uri_prefix.rstrip("/")
    found: dict[str, Source] = {}
    for args, env in _programs(job):
        for mention in [*inputs.mentions(args, env), *_tables(args, env, project)]:
            if mention.may_be_output or (own and mention.uri.startswith(own)):
                continue
            try:
                source = source_of(mention.uri, project=project)
            except InvalidArgument:  # a pattern, or something that the program completes: it names nothing
                continue
            found[source.id] = source
    return list(found.values())


def code_of(job: _google.custom_job.CustomJob) -> list[Source]:
    """The packages that a job ran, and its images, each once."""
    found: dict[str, Source] = {}
    for pool in job.job_spec.worker_pool_specs:
        package, container = pool.python_package_spec, pool.container_spec
        about = {"module": package.python_module} if package.python_module else {}
        installed = _PACKAGE.findall(" ".join(container.command))
        for uri in (re.sub("^/gcs/", "gs://", each) for each in [*package.package_uris, *installed]):
            found[uri] = Source(CODE, uri, uri.rpartition("/")[2], about)
        image = package.executor_image_uri or container.image_uri
        if image:
            found[image] = Source(CODE, image, image.rpartition("/")[2])
    return list(found.values())


def _programs(job: _google.custom_job.CustomJob) -> Iterator[tuple[list[str], dict[str, str]]]:
    for pool in job.job_spec.worker_pool_specs:
        spec = pool.python_package_spec if pool.python_package_spec.package_uris else pool.container_spec
        yield list(spec.args), {each.name: each.value for each in spec.env}


def _tables(args: Sequence[str], env: dict[str, str], project: str) -> Iterator[Mention]:
    named = [_split(word) for word in args] + list(env.items())
    for before, (name, value) in zip([("", ""), *named], named, strict=False):
        option = name or (before[0] if not before[1] else "")
        match = _TABLE.fullmatch(value)
        if match and (value.startswith("bq://") or match["project"] == project or "table" in option.lower()):
            yield Mention(value, option or "input", option)


def _split(word: str) -> tuple[str, str]:
    """--name=value → (name, value); --name → (name, ""); value → ("", value)."""
    if not word.startswith("-"):
        return "", word
    name, _, value = word.lstrip("-").partition("=")
    return name, value
