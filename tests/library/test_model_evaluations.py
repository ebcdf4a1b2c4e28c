"""Evaluations that are kept with a version."""

import json

import numpy as np
import pandas as pd
import pytest

from gcpmlops import Client, exceptions
from gcpmlops._models import metrics as model_metrics
from gcpmlops._models.evaluations import Evaluations
from gcpmlops.evaluation import Estimate, EvaluationResult, Gate

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    score = draw.random(400)
    late = (draw.random(400) < score).astype(int)
    return pd.DataFrame(
        {"late": late, "score": score, "carrier": draw.choice(["UA", "AA"], 400), "km": draw.random(400)}
    )


@pytest.fixture(scope="module")
def result(client: Client, rows: pd.DataFrame) -> EvaluationResult:
    return client.evaluation.classification(
        rows, target="late", score="score", slices=["carrier", "km > 0.5"], name="flights", resamples=20
    )


@pytest.fixture(scope="module")
def model(client: Client, staging: str):
    client.storage.upload(b"x", destination=f"gs://{staging}/evaluated/model.joblib")
    uri = f"gs://{staging}/evaluated"
    return client.models.upload(uri, display_name="evaluated", image=IMAGE, data=["flights.training"], check=False)


@pytest.fixture(scope="module")
def kept(client: Client, model, result: EvaluationResult):
    verdict = client.evaluation.check(result, gates=[Gate("roc_auc", minimum=0.5)])
    return client.models.import_evaluation(model.versioned_name, result, verdict=verdict, display_name="January")


def test_metrics_are_googles_and_ours(kept, result: EvaluationResult) -> None:
    assert kept.proto.metrics_schema_uri.endswith("/modelevaluation/classification_metrics_1.0.0.yaml")
    assert kept.metrics["auRoc"] == pytest.approx(result.value("roc_auc"))
    assert kept.metrics["auPrc"] == pytest.approx(result.value("pr_auc"))
    assert kept.metrics["logLoss"] == pytest.approx(result.value("log_loss"))
    first, *others = kept.metrics["confidenceMetrics"]
    assert (first["confidenceThreshold"], first["f1Score"]) == (0.5, pytest.approx(result.value("f1")))
    counts = [sum(int(value) for name, value in each.items() if name.endswith("Count")) for each in others]
    assert len(counts) > 10
    assert set(counts) == {400}
    assert kept.metrics["confusionMatrix"]["annotationSpecs"][1]["displayName"] == result.confusion.labels[1]
    assert kept.metrics["confusionMatrix"]["rows"] == [list(row) for row in result.confusion.matrix]
    assert kept.measured["accuracy"]["low"] == pytest.approx(result.metrics["accuracy"].low)
    assert (kept.display_name, kept.kind, kept.rows, kept.passed) == ("January", "binary", 400, True)


def test_files_lie_beside_the_versions(client: Client, kept, model, result: EvaluationResult) -> None:
    assert kept.report.startswith(f"{model.artifact_uri}/evaluations/")
    assert client.models.report("evaluated") == kept.report
    assert b"<html" in client.storage.read(kept.report)
    assert client.storage.get(kept.report).content_type == "text/html"
    again = EvaluationResult.from_dict(kept.read())
    assert again.value("roc_auc") == pytest.approx(result.value("roc_auc"))
    assert kept.read()["gates"]["passed"] is True
    card = client.storage.read(kept.card).decode()
    assert card.startswith("# flights")
    assert f"{client.config.project}.flights.training" in card


def test_slices(kept, result: EvaluationResult) -> None:
    found = {each.name: each for each in kept.slices}
    assert set(found) == {"carrier=UA", "carrier=AA", "km > 0.5"}
    assert found["carrier=UA"].metrics["auRoc"] == pytest.approx(result.slice("carrier=UA").metrics["roc_auc"].value)
    spec = found["carrier=UA"].proto.slice_
    assert (spec.dimension, spec.slice_spec.configs["carrier"].value.string_value) == ("slice", "UA")
    assert list(kept.proto.slice_dimensions) == ["slice"]


def test_the_versions_evaluations_newest_first(client: Client, kept, model, result: EvaluationResult) -> None:
    second = client.models.import_evaluation("evaluated", result)
    assert [each.name for each in model.evaluations] == [second.name, kept.name]
    assert client.models.report(model.name) == second.report
    assert second.passed is None
    lineage = client.models.lineage(model.name)
    assert [each.name for each in lineage.evaluations] == [second.name, kept.name]
    assert ("evaluation", "January", kept.name) in lineage.rows


def test_version_without_evaluations(client: Client, model) -> None:
    copy = client.models.copy(model.name)
    assert client.models.evaluations(copy.name) == []
    with pytest.raises(exceptions.InvalidArgument, match="str is no evaluation"):
        client.models.import_evaluation(model.versioned_name, "late.json")
    with pytest.raises(exceptions.NotFound, match="no evaluation with a report"):
        client.models.report(copy.name)


def test_what_is_refused_leaves_no_files(client: Client, model, result: EvaluationResult, mocker) -> None:
    before = client.storage.list(f"{model.artifact_uri}/")
    mocker.patch.object(Evaluations, "_import", side_effect=exceptions.PermissionDenied("not yours"))
    with pytest.raises(exceptions.PermissionDenied):
        client.models.import_evaluation(model.name, result)
    assert client.storage.list(f"{model.artifact_uri}/") == before


def test_many_slices(client: Client, model, rows: pd.DataFrame) -> None:
    many = rows.assign(day=[f"d{number}" for number in range(20)] * 20, hour=[*range(40)] * 10)
    settings = {"target": "late", "prediction": "score", "resamples": 0, "minimum_size": 1}
    result = client.evaluation.regression(many, slices=["day", "hour"], **settings)
    kept = client.models.import_evaluation(model.name, result)
    assert len(kept.slices) == 60
    assert kept.metrics["rootMeanSquaredError"] == pytest.approx(result.value("rmse"))


def test_classes(client: Client) -> None:
    scores = {"a": [0.8, 0.1, 0.1, 0.2], "b": [0.1, 0.8, 0.1, 0.7], "c": [0.1, 0.1, 0.8, 0.1]}
    frame = pd.DataFrame({"y": ["a", "b", "c", "a"], **scores})
    score = {each: each for each in "abc"}
    result = client.evaluation.classification(frame, target="y", score=score, resamples=0)
    found = model_metrics.of_result(result)
    (only,) = found["confidenceMetrics"]
    assert (only["maxPredictions"], only["f1ScoreMicro"], only["recall"]) == (1, 0.75, 0.75)
    assert found["confusionMatrix"]["rows"] == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert "auRoc" not in found
    json.dumps(found, allow_nan=False)


def test_forecasts(client: Client) -> None:
    frame = pd.DataFrame({"y": [1.0, 2.0, 4.0, 8.0], "p": [1.0, 2.5, 4.0, 7.0], "high": [2.0, 2.0, 5.0, 9.0]})
    result = client.evaluation.forecasting(frame, target="y", prediction="p", quantiles={0.9: "high"}, resamples=0)
    found = model_metrics.of_result(result)
    assert model_metrics.schema_of("forecasting").endswith("/forecasting_metrics_1.0.0.yaml")
    assert found["quantileMetrics"] == [{"quantile": 0.9, "observedQuantile": 1.0}]
    assert found["meanAbsoluteError"] == pytest.approx(0.375)
    assert found["meanAbsolutePercentageError"] == pytest.approx(100 * (0.25 + 0.125) / 4)


def test_what_is_not_defined_is_left_out() -> None:
    metrics = {"roc_auc": Estimate(None), "log_loss": Estimate(0.5), "recall": Estimate(None), "f1": Estimate(0.25)}
    found = model_metrics.of_estimates("binary", metrics, {"threshold": 0.3})
    assert found == {"logLoss": 0.5, "confidenceMetrics": [{"confidenceThreshold": 0.3, "f1Score": 0.25}]}
    assert model_metrics.of_estimates("regression", {"rmse": Estimate(None)}, {}) == {}
