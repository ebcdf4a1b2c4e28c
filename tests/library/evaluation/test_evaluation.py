"""client.evaluation: what is measured, in slices and between groups, and what bad data says."""

import fairlearn.metrics
import numpy as np
import pandas as pd
import pytest

from gcpmlops import exceptions

FAST = {"resamples": 100}


class TestClassification:
    def test_binary(self, evaluation, loans) -> None:
        found = evaluation.classification(loans, target="late", score="score", threshold=0.4, name="trees", **FAST)
        auc = found.metrics["roc_auc"]
        assert (found.kind, found.rows, found.name) == ("binary", 2000, "trees")
        assert auc.low < auc.value < auc.high
        assert np.sum(found.curves["confusion"]["matrix"]) == 2000
        assert sum(found.curves["calibration"]["rows"]) == 2000
        assert "roc_auc" in str(found)
        with pytest.raises(exceptions.InvalidArgument, match="no metric 'auroc'"):
            found.value("auroc")

    def test_positive_may_be_text(self, evaluation, loans) -> None:
        plain = evaluation.classification(loans, target="late", score="score", **FAST)
        loans["late"] = loans["late"].map({1: "yes", 0: "no"})
        named = evaluation.classification(loans, target="late", score="score", positive="yes", **FAST)
        assert dict(named.metrics) == dict(plain.metrics)
        with pytest.raises(exceptions.InvalidArgument, match="positive") as caught:
            evaluation.classification(loans, target="late", score="score")
        assert "'yes'" in caught.value.allowed

    def test_multiclass(self, evaluation) -> None:
        rng = np.random.default_rng(0)
        scores = rng.dirichlet([1, 1, 1], 300)
        frame = pd.DataFrame(scores, columns=["p0", "p1", "p2"]).assign(kind=rng.choice(["a", "b", "c"], 300))
        columns = {"a": "p0", "b": "p1", "c": "p2"}
        found = evaluation.classification(frame, target="kind", score=columns, **FAST)
        assert found.kind == "multiclass"
        assert found.metrics["recall:b"].low < found.metrics["recall:b"].value
        assert set(found.curves["classes"]) == {"a", "b", "c"}
        with pytest.raises(exceptions.InvalidArgument, match="class 'c', for which there is no score"):
            evaluation.classification(frame, target="kind", score={"a": "p0", "b": "p1"})
        with pytest.raises(exceptions.InvalidArgument, match="bias"):
            evaluation.classification(frame, target="kind", score=columns, sensitive=["kind"])


class TestNumbers:
    def test_regression(self, evaluation) -> None:
        frame = pd.DataFrame({"y": [1.0, 2.0, 3.0, 0.0], "p": [1.5, 2.0, 2.5, 0.5]})
        found = evaluation.regression(frame, target="y", prediction="p", **FAST)
        assert found.value("mae") == 0.375
        assert found.value("mape") is None  # a target is 0
        assert len(found.curves["residuals"]["residual"]) == 4

    def test_forecasting_scales_by_series(self, evaluation) -> None:
        frame = pd.DataFrame({"s": ["a"] * 4 + ["b"] * 4, "t": [3, 2, 1, 0] * 2, "y": [4, 3, 2, 1, 40, 30, 20, 10]})
        frame["p"] = frame["y"] + frame["s"].map({"a": 1, "b": 10})
        found = evaluation.forecasting(
            frame, target="y", prediction="p", series="s", time="t", quantiles={0.9: "p"}, **FAST
        )
        assert found.value("mase") == pytest.approx(1.0)
        assert found.value("coverage:0.9") == 1.0
        with pytest.raises(exceptions.InvalidArgument, match="no naive error"):
            evaluation.forecasting(frame, target="y", prediction="p", series="s", season=4)
        with pytest.raises(exceptions.InvalidArgument, match="no series 'b'"):
            evaluation.forecasting(frame, target="y", prediction="p", series="s", history=frame[:4])


class TestSlices:
    def test_columns_and_expressions(self, evaluation, loans) -> None:
        by = ["carrier", "month > 6", "month // 7", "carrier = 'UA' AND month <> 1"]
        found = evaluation.classification(loans, target="late", score="score", slices=by, **FAST)
        assert {each.name for each in found.slices if each.by == "carrier"} == {
            "carrier=UA",
            "carrier=AA",
            "carrier=ZZ",
        }
        assert found.slice("month > 6").rows == (loans["month"] > 6).sum()
        assert found.slice("month // 7=1").rows == (loans["month"] >= 7).sum()
        assert found.slice(by[3]).rows == ((loans["carrier"] == "UA") & (loans["month"] != 1)).sum()
        part = loans[loans["carrier"] == "ZZ"]
        alone = evaluation.classification(part, target="late", score="score", **FAST)
        for name, estimate in found.slice("carrier=ZZ").metrics.items():
            peer = alone.metrics[name]
            assert (estimate.value, estimate.low) == pytest.approx((peer.value, peer.low)), name
        with pytest.raises(exceptions.InvalidArgument, match="no slice 'carrier=XX'"):
            found.slice("carrier=XX")

    def test_small_missing_and_one_class(self, evaluation, loans) -> None:
        loans["airport"] = pd.Series(["EWR"] * 1900 + [None] * 90 + ["LGA"] * 10, dtype=object)
        loans.loc[loans["airport"].isna(), "late"] = 0
        found = evaluation.classification(loans, target="late", score="score", slices=["airport"], **FAST)
        assert "10 rows, fewer than" in found.slice("airport=LGA").reason
        one = found.slice("airport=(missing)")
        assert one.metrics["roc_auc"].value is None
        assert one.metrics["log_loss"].value is not None
        assert "roc_auc" in one.reason

    @pytest.mark.parametrize(
        ("by", "message"),
        [
            ("month > 12", "is empty"),
            ("carier", "Did you mean 'carrier'"),
            ("month >", "no expression"),
            ("carrier.__class__", "outside the data"),
            ("@pd.io", "outside the data"),
            ("row", "100,000 groups"),
        ],
    )
    def test_bad(self, evaluation, by: str, message: str) -> None:
        rows = 100_000
        half = rows // 2
        frame = pd.DataFrame({"late": [0, 1] * half, "score": 0.5, "month": 1, "carrier": "UA", "row": range(rows)})
        with pytest.raises(exceptions.InvalidArgument) as caught:
            evaluation.classification(frame, target="late", score="score", slices=by, resamples=0)
        assert message in str(caught.value)


class TestFairness:
    def test_measures_are_fairlearns(self, evaluation, loans) -> None:
        found = evaluation.classification(
            loans, target="late", score="unfair", threshold=0.45, sensitive=["sex"], **FAST
        ).fairness[0]
        called = (loans["unfair"] >= 0.45).astype(int)
        for name, estimate in found.measures.items():
            peer = getattr(fairlearn.metrics, name)(loans["late"], called, sensitive_features=loans["sex"])
            assert estimate.value == pytest.approx(peer)
            assert estimate.low < estimate.high
        assert found.measures["demographic_parity_ratio"].value < 0.8
        assert {group.name: group.rows for group in found.groups} == dict(loans["sex"].value_counts())
        for group in found.groups:
            rate = group.rates["selection_rate"]
            assert rate.low < rate.value < rate.high
            assert rate.value == pytest.approx(called[loans["sex"] == group.name].mean())

    def test_small_and_one_sided_groups(self, evaluation, loans) -> None:
        loans["region"] = ["tiny"] * 5 + ["none"] * 95 + ["rest"] * 1900
        loans.loc[:99, "late"] = 0
        found = evaluation.classification(loans, target="late", score="score", sensitive="region", **FAST).fairness[0]
        assert found.groups[-1].reason.startswith("5 rows")
        assert found.measures["equal_opportunity_difference"].value is None
        assert found.measures["demographic_parity_difference"].value is not None
        alone = evaluation.classification(
            loans, target="late", score="score", sensitive="region", minimum_size=1000, **FAST
        ).fairness[0]
        assert "1 of 3 groups" in alone.reason


class TestBadData:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"late": 1}, "one class only"),
            ({"score": [np.nan] * 3 + [0.5] * 1997}, "3 of 2,000 values are NaN or infinite, the first in row 0"),
            ({"score": 1.5}, "no probability"),
            ({"score": "high"}, "holds no numbers"),
            ({"late": [None] + [0, 1] * 999 + [1]}, "missing in 1 of 2,000 rows"),
            ({"late": [0, 1] * 999 + [2, 2]}, "3 classes and one column"),
        ],
    )
    def test_columns(self, evaluation, loans, change, message: str) -> None:
        with pytest.raises(exceptions.InvalidArgument, match=message):
            evaluation.classification(loans.assign(**change), target="late", score="score")

    def test_no_rows_no_column_no_data(self, evaluation, loans) -> None:
        with pytest.raises(exceptions.InvalidArgument, match="no rows"):
            evaluation.classification(loans[:0], target="late", score="score")
        with pytest.raises(exceptions.InvalidArgument, match="no column 'delay'"):
            evaluation.regression(loans, target="delay", prediction="score")
        with pytest.raises(exceptions.InvalidArgument, match="list is not data"):
            evaluation.regression([1, 2], target="delay", prediction="score")
        with pytest.raises(exceptions.InvalidArgument, match="threshold"):
            evaluation.classification(loans, target="late", score="score", threshold=2)
        with pytest.raises(TypeError, match="no setting 'slice'"):
            evaluation.regression(loans, target="late", prediction="score", slice="carrier")
