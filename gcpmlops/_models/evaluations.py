"""Evaluations kept with a version: ModelEvaluation and its slices; report, JSON and card beside the version's files."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _google, _html
from gcpmlops._handle import Named
from gcpmlops._models import metrics as model_metrics
from gcpmlops.clients import Clients
from gcpmlops.exceptions import NotFound, translated
from gcpmlops.types import GsUri

if TYPE_CHECKING:
    from gcpmlops._models.model import Model
    from gcpmlops.evaluation.card import ModelCard
    from gcpmlops.evaluation.comparison import Comparison
    from gcpmlops.evaluation.gates import Verdict
    from gcpmlops.evaluation.result import EvaluationResult
    from gcpmlops.storage import Storage

_FILES = {"report": "report.html", "result": "result.json", "card": "card.md"}
_TYPES = {".html": "text/html", ".json": "application/json", ".md": "text/markdown"}
_BATCH = 50  # slices that a request may have


@dataclass(frozen=True)
class EvaluatedSlice:
    """A part of the rows, such as carrier=UA; `metrics` are Google's. `proto` is Google's ModelEvaluationSlice."""

    name: str
    metrics: Mapping[str, Any]
    proto: Any = field(repr=False, compare=False)


@dataclass(frozen=True)
class ModelEvaluation(Named):
    """An evaluation as the registry keeps it. `proto` is Google's ModelEvaluation."""

    proto: _google.model_evaluation.ModelEvaluation = field(repr=False)
    _evaluations: Evaluations = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """The full resource name; it may say the model's version."""
        return str(self.proto.name)

    @property
    def created(self) -> datetime | None:
        """When it was imported."""
        created: datetime | None = self.proto.create_time
        return created

    @property
    def metrics(self) -> dict[str, Any]:
        """In the names and shapes of the schema `proto.metrics_schema_uri`: auRoc, rootMeanSquaredError, ..."""
        return _value(self.proto, "metrics")

    @property
    def measured(self) -> dict[str, Any]:
        """In the names of `client.evaluation`: {metric: {"value": ..., "low": ..., "high": ...}}; empty for others'."""
        found: dict[str, Any] = self._about.get("metrics", {})
        return found

    @property
    def kind(self) -> str:
        """binary, multiclass, regression, forecasting; empty for an evaluation that others imported."""
        return str(self._about.get("kind", ""))

    @property
    def rows(self) -> int:
        """How many rows it is of."""
        return int(self._about.get("rows", 0))

    @property
    def passed(self) -> bool | None:
        """Whether the gates let the model through; None where it was not judged."""
        return self._about.get("passed")

    @property
    def report(self) -> str:
        """The gs:// URI of the HTML report; empty without one."""
        return str(self._about.get("report", ""))

    @property
    def card(self) -> str:
        """The gs:// URI of the model card; empty without one."""
        return str(self._about.get("card", ""))

    @property
    def slices(self) -> list[EvaluatedSlice]:
        """The parts that it was imported with (ListModelEvaluationSlices)."""
        return self._evaluations.slices(self)

    def read(self) -> dict[str, Any]:
        """Everything that was measured: what `EvaluationResult.from_dict` takes. Raises NotFound."""
        return self._evaluations.read(self)

    @property
    def _about(self) -> dict[str, Any]:
        return _value(self.proto, "metadata")

    def __repr__(self) -> str:
        judged = {True: ", passed", False: ", failed", None: ""}[self.passed]
        return f"ModelEvaluation({self.display_name or self.id!r}, {self.rows:,} rows{judged})"

    def _repr_html_(self) -> str:
        values = {name: each.get("value") for name, each in self.measured.items()} or self.metrics
        shown = {name: f"{value:.4g}" for name, value in values.items() if isinstance(value, float | int)}
        return _html.card(self.display_name or self.id, {"rows": self.rows, **shown, "report": self.report})


class Evaluations:
    """Imports, lists and reads them."""

    def __init__(self, clients: Clients, storage: Storage) -> None:
        self._clients = clients
        self._storage = storage

    def add(
        self,
        model: Model,
        result: EvaluationResult,
        *,
        folder: GsUri,
        display_name: str,
        comparison: Comparison | None,
        verdict: Verdict | None,
        card: ModelCard,
    ) -> ModelEvaluation:
        """Put the files into a folder of their own in `folder`, import the evaluation, then its slices."""
        stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"
        place = folder / f"evaluations/{stamp}"
        with tempfile.TemporaryDirectory() as scratch:
            paths = {name: Path(scratch, file) for name, file in _FILES.items()}
            result.report(paths["report"], comparison=comparison, verdict=verdict)
            result.to_json(paths["result"], comparison=comparison, verdict=verdict)
            card.write(paths["card"])
            for path in paths.values():
                self._storage.upload(path, destination=str(place / path.name), content_type=_TYPES[path.suffix])
        about = _about(result, verdict) | {name: str(place / file) for name, file in _FILES.items()}
        try:
            made = self._import(model, result, display_name, about)
        except BaseException:
            self._storage.delete(f"{place}/", recursive=True)
            raise
        self._import_slices(made, result)
        return self.get(made.name)

    def get(self, name: str) -> ModelEvaluation:
        """By its full name (GetModelEvaluation). Raises NotFound."""
        with translated(f"evaluation {name}"):
            found = self._clients.models.get_model_evaluation(name=name, **self._clients.idempotent)
        return ModelEvaluation(found, self)

    def of(self, model: Model) -> list[ModelEvaluation]:
        """Those of a version, newest first (ListModelEvaluations)."""
        with translated(f"evaluations of {model.versioned_name}"):
            listed = self._clients.models.list_model_evaluations(
                parent=model.versioned_name, **self._clients.idempotent
            )
            found = [ModelEvaluation(each, self) for each in listed]
        return sorted(found, key=lambda each: each.proto.create_time, reverse=True)

    def slices(self, evaluation: ModelEvaluation) -> list[EvaluatedSlice]:
        """Those of an evaluation (ListModelEvaluationSlices)."""
        with translated(f"slices of {evaluation.name}"):
            found = self._clients.models.list_model_evaluation_slices(
                parent=evaluation.name, **self._clients.idempotent
            )
            return [EvaluatedSlice(str(each.slice_.value), _value(each, "metrics"), each) for each in found]

    def read(self, evaluation: ModelEvaluation) -> dict[str, Any]:
        """The JSON that lies beside the report (storage.objects.get). Raises NotFound."""
        uri = evaluation._about.get("result")
        if not uri:
            raise NotFound(f"evaluation {evaluation.name} was imported without its files", resource=evaluation.name)
        found: dict[str, Any] = json.loads(self._storage.read(str(uri)))
        return found

    def _import(self, model: Model, result: EvaluationResult, display_name: str, about: Mapping[str, Any]) -> Any:
        message = _google.model_evaluation.ModelEvaluation(
            display_name=display_name,
            metrics_schema_uri=model_metrics.schema_of(result.kind),
            metrics=_json_value(model_metrics.of_result(result)),
            metadata=_json_value(about),
        )
        with translated(f"evaluation of {model.versioned_name}"):
            return self._clients.models.import_model_evaluation(
                parent=model.versioned_name, model_evaluation=message, **self._clients.once
            )

    def _import_slices(self, evaluation: Any, result: EvaluationResult) -> None:
        slices = list(_slices(result))
        for start in range(0, len(slices), _BATCH):
            with translated(f"slices of {evaluation.name}"):
                self._clients.models.batch_import_model_evaluation_slices(
                    parent=evaluation.name, model_evaluation_slices=slices[start : start + _BATCH], **self._clients.once
                )


def _about(result: EvaluationResult, verdict: Verdict | None) -> dict[str, Any]:
    """What the schema of the metrics has no place for."""
    found: dict[str, Any] = {
        "name": result.name,
        "kind": result.kind,
        "rows": result.rows,
        "metrics": {name: each.to_dict() for name, each in result.metrics.items()},
    }
    return found | ({"passed": verdict.passed} if verdict is not None else {})


def _slices(result: EvaluationResult) -> Iterator[Any]:
    """The parts that have metrics, as Google's messages: a part of a column says which value, others by name only."""
    types = _google.model_evaluation_slice.ModelEvaluationSlice
    for each in result.slices:
        metrics = model_metrics.of_estimates(result.kind, each.metrics, result.settings)
        if not metrics:
            continue
        slice_ = types.Slice(dimension="slice", value=each.name)
        if each.by.isidentifier() and each.name.startswith(f"{each.by}="):
            value = types.Slice.SliceSpec.Value(string_value=each.name.removeprefix(f"{each.by}="))
            slice_.slice_spec = types.Slice.SliceSpec(configs={each.by: types.Slice.SliceSpec.SliceConfig(value=value)})
        yield types(
            slice_=slice_,
            metrics_schema_uri=model_metrics.schema_of(result.kind),
            metrics=_json_value(metrics),
        )


def _json_value(value: Any) -> Any:
    from google.protobuf.json_format import ParseDict
    from google.protobuf.struct_pb2 import Value

    return ParseDict(value, Value())


def _value(message: Any, field_name: str) -> dict[str, Any]:
    """A JSON object of a message as plain values; empty where it is not there or no object."""
    from google.protobuf.json_format import MessageToDict

    raw = type(message).pb(message)
    found = MessageToDict(getattr(raw, field_name)) if raw.HasField(field_name) else None
    return found if isinstance(found, dict) else {}
