"""The kinds of datasets: one for each metadata schema that Vertex AI publishes."""

from __future__ import annotations

import re

from gcpmlops.emulator.kernel import validate

SYSTEM_LABEL = "aiplatform.googleapis.com/dataset_metadata_schema"
FOLDER = "gs://google-cloud-aiplatform/schema/dataset/metadata/"
_TITLES = {
    "tabular": "TABLE",
    "time_series": "TIME_SERIES",
    "image": "IMAGE",
    "text": "TEXT",
    "video": "VIDEO",
    "text_prompt": "TEXT_PROMPT",
    "multimodal": "MULTIMODAL",
}
_STRUCTURED = {"tabular", "time_series"}
_WITH_ITEMS = {"image", "text", "video"}
_URI = re.compile(re.escape(FOLDER) + r"(\w+)_1\.0\.\d+\.yaml")


def kind_of(uri: str) -> str:
    """`tabular`, `image`, ... Raises InvalidArgument for a schema that isn't there."""
    found = _URI.fullmatch(uri)
    if found is None or found[1] not in _TITLES:
        known = ", ".join(f"{kind}_1.0.0.yaml" for kind in _TITLES)
        raise validate.invalid("dataset.metadata_schema_uri", f"{uri!r} is no dataset schema: {FOLDER} holds {known}.")
    return found[1]


def title(uri: str) -> str:
    """The schema's title, as the system label of a dataset shows it."""
    return _TITLES[kind_of(uri)]


def structured(uri: str) -> bool:
    """Whether the data are rows with columns, named when the dataset is created."""
    return kind_of(uri) in _STRUCTURED


def has_items(uri: str) -> bool:
    """Whether the data are DataItems, brought in by ImportData."""
    return kind_of(uri) in _WITH_ITEMS
