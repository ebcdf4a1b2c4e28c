"""Google's DeployedModel and its resources, from plain values."""

from __future__ import annotations

import json
from typing import Any

from gcpmlops import _google
from gcpmlops._jobs.spec import Hardware, machine_spec
from gcpmlops.exceptions import InvalidArgument

_EXPLANATION = (
    "Google's ExplanationSpec, or a mapping with its fields: "
    '{"parameters": {"sampled_shapley_attribution": {"path_count": 10}}, "metadata": {"inputs": ..., "outputs": ...}}'
)
_TABLE = "DATASET.TABLE, PROJECT.DATASET.TABLE or bq://PROJECT.DATASET.TABLE"


def deployed_model(
    model: str,
    hardware: Hardware,
    minimum: int,
    maximum: int | None,
    *,
    display_name: str = "",
    service_account: str = "",
    explanation_spec: Any = None,
) -> Any:
    """As DeployModel takes it. Raises InvalidArgument."""
    check_replicas(minimum, maximum)
    return _google.endpoint.DeployedModel(
        model=model,
        display_name=display_name,
        service_account=service_account,
        explanation_spec=_explanation(explanation_spec),
        dedicated_resources=_google.machine_resources.DedicatedResources(
            machine_spec=machine_spec(hardware), min_replica_count=minimum, max_replica_count=maximum or minimum
        ),
    )


def _explanation(given: Any) -> Any:
    """Google's ExplanationSpec, from itself or from a mapping with its fields as in JSON. Raises InvalidArgument."""
    from google.protobuf.json_format import ParseError

    kind = _google.explanation.ExplanationSpec
    if given is None or isinstance(given, kind):
        return given
    try:
        return kind.from_json(json.dumps(given))
    except (TypeError, ParseError) as exc:
        raise InvalidArgument(
            f"explanation_spec: {exc}", field="explanation_spec", value=given, allowed=_EXPLANATION
        ) from exc


def check_replicas(minimum: int, maximum: int | None) -> None:
    """Raises InvalidArgument for counts that make no sense."""
    if minimum < 1 or (maximum is not None and maximum < minimum):
        raise InvalidArgument(
            field="min_replica_count", value=minimum, allowed="1 or more, and at most max_replica_count"
        )


def logging_config(table: str | None, sampling_rate: float, *, project: str) -> Any:
    """Google's PredictRequestResponseLoggingConfig to a BigQuery table; None without one. Raises InvalidArgument."""
    if table is None:
        return None
    parts = table.removeprefix("bq://").split(".")
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise InvalidArgument(
            f"log_requests: {table!r} is not a table", field="log_requests", value=table, allowed=_TABLE
        )
    if not 0 < sampling_rate <= 1:
        raise InvalidArgument(field="log_sampling_rate", value=sampling_rate, allowed="above 0, at most 1")
    uri = f"bq://{'.'.join(parts if len(parts) == 3 else [project, *parts])}"
    return _google.endpoint.PredictRequestResponseLoggingConfig(
        enabled=True,
        sampling_rate=sampling_rate,
        bigquery_destination=_google.io.BigQueryDestination(output_uri=uri),
    )
