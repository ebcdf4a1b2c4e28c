"""client.evaluation: what is measured, in slices and between groups, and what bad data says."""

import datetime

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

    @pytest.mark.parametrize(
        ("kind", "positive"),
        [("float", "1"), ("bool", "1"), ("bool", "true"), ("boolean", "True"), ("str", 1), ("Int64", "1.0")],
    )
    def test_text_means_the_label_that_reads_so(self, evaluation, loans, kind: str, positive) -> None:
        """The command line has text only, and a table may have the labels as numbers, booleans or text."""
        rows = loans.astype({"late": kind})
        common = {"target": "late", "score": "score", "resamples": 0}
        found = evaluation.classification(rows, positive=positive, **common)
        assert found.value("roc_auc") == evaluation.classification(loans, **common).value("roc_auc")

    def test_multiclass(self, evaluation) -> None:
        rng = np.random.default_rng(0)
        scores = rng.dirichlet([1, 1, 1], 300)
        frame = pd.DataFrame(scores, columns=["p0", "p1", "p2"]).assign(kind=rng.choice(["a", "b", "c"], 300))
        columns = {"a": "p0", "b": "p1", "c": "p2"}
        found = evaluation.classification(frame, target="kind", score=columns, **FAST)
        assert found.kind == "multiclass"
        assert found.metrics["recall:b"].low < found.metrics["recall:b"].value
        assert set(found.curves["classes"]) == {"a", "b", "c"}
        numbers = frame.assign(kind=frame["kind"].map({"a": 0.0, "b": 1.0, "c": 2.0}))
        same = evaluation.classification(
            numbers, target="kind", score=dict(zip("012", columns.values(), strict=True)), **FAST
        )
        assert same.value("accuracy") == found.value("accuracy")  # the command line has text only
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

    def test_a_condition_on_columns_as_bigquery_gives_them(self, evaluation, loans) -> None:
        """Their types know missing values; a condition is one slice all the same, of the rows where it holds."""
        rows = loans.convert_dtypes()
        rows.loc[:99, "month"] = pd.NA
        rows["day"] = [datetime.date(2013, month, 1) for month in loans["month"]]
        by = ["month > 6", "day >= '2013-07-01'"]
        found = evaluation.classification(rows, target="late", score="score", slices=by, resamples=0)
        later = loans["month"] > 6
        assert [(each.name, each.rows) for each in found.slices] == [(by[0], later[100:].sum()), (by[1], later.sum())]

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


class TestLabels:
    def test_two_classes(self, evaluation, loans) -> None:
        loans["called"] = (loans["score"] >= 0.5).astype(int)
        common = {"target": "late", "slices": "carrier", "sensitive": "sex", **FAST}
        labels = evaluation.classification(loans, prediction="called", **common)
        scores = evaluation.classification(loans, score="score", **common)
        assert labels.kind == "binary"
        assert labels.confusion == scores.confusion
        for name, estimate in labels.metrics.items():
            if name in ("roc_auc", "pr_auc", "log_loss", "brier", "ece"):
                assert (estimate.value, estimate.reason) == (None, "needs scores; there are labels alone")
            else:
                assert estimate == scores.metrics[name]
        assert labels.fairness == scores.fairness
        assert labels.slice("carrier=UA").reason == ""
        assert set(labels.curves) == {"confusion"}

    def test_more_classes(self, evaluation) -> None:
        frame = pd.DataFrame({"y": ["a", "b", "c"] * 50, "p": ["a", "b", "d"] * 50})
        found = evaluation.classification(frame, target="y", prediction="p", **FAST)
        assert (found.kind, found.classes, found.value("accuracy")) == ("multiclass", ("a", "b", "c", "d"), 2 / 3)
        assert found.metrics["precision:c"].reason == "it was never called"
        assert found.metrics["recall:d"].reason == "it has no rows"
        assert found.confusion.matrix[2] == (0, 0, 0, 50)

    @pytest.mark.parametrize(
        ("said", "message"),
        [
            (["1", "0"], "holds none of the classes of 'late': '1'"),
            ([0, None], "is missing in 1,000 of 2,000 rows"),
            ([0, "1"], "mixes int and str: 0 in row 0, '1' in row 1"),
            ([[0], [1]], "holds lists"),
        ],
    )
    def test_labels_that_are_none(self, evaluation, loans, said, message: str) -> None:
        loans["called"] = pd.Series(said * 1000, dtype=object)
        with pytest.raises(exceptions.InvalidArgument) as caught:
            evaluation.classification(loans, target="late", prediction="called", **FAST)
        assert message in str(caught.value)


class TestThreshold:
    def test_best(self, evaluation, models) -> None:
        model = models["score"]
        best = model.best_threshold("f1")
        again = evaluation.classification(
            model.examples.frame, target="late", score="score", threshold=best.threshold, resamples=0
        )
        for name, value in best.metrics.items():
            assert again.value(name) == pytest.approx(value), name
        assert best.metrics["f1"] > model.value("f1")
        bounded = model.best_threshold("precision", at_least={"recall": 0.9})
        assert bounded.metrics["recall"] >= 0.9
        assert bounded.metrics["precision"] < best.metrics["precision"]

    def test_costs(self, models) -> None:
        costly = models["score"].best_threshold(costs={"false_negative": 10, "false_positive": 1})
        cheap = models["score"].best_threshold(costs={"false_negative": 1, "false_positive": 10})
        assert costly.threshold < cheap.threshold
        wrong = costly.metrics["false_positive_rate"] * 1291 + 10 * costly.metrics["false_negative_rate"] * 709
        assert costly.cost * 2000 == pytest.approx(wrong, rel=0.05)

    def test_bad(self, evaluation, models, loans) -> None:
        model = models["score"]
        with pytest.raises(exceptions.FailedPrecondition, match="no threshold of score has recall"):
            model.best_threshold("f1", at_least={"recall": 0.99, "precision": 0.9})
        for wrong in ({"metric": "roc_auc"}, {"at_least": {"auc": 1}}, {"costs": {"loss": 1}}):
            with pytest.raises(exceptions.InvalidArgument):
                model.best_threshold(**wrong)
        labels = evaluation.classification(loans, target="late", prediction="late", **FAST)
        with pytest.raises(exceptions.InvalidArgument, match="no threshold to choose"):
            labels.best_threshold()


class TestManyGroups:
    def test_the_biggest_are_measured_and_none_is_lost(self, evaluation, tmp_path) -> None:
        rng, rows = np.random.default_rng(0), 150_000
        frame = pd.DataFrame({"late": rng.integers(2, size=rows), "score": rng.random(rows)})
        frame["route"] = np.where(frame.index < 4_000, frame.index % 40, frame.index)
        found = evaluation.classification(
            frame, target="late", score="score", slices="route", sensitive="route", resamples=0
        )
        measured = [each for each in found.slices if each.metrics]
        assert len(measured) == 40
        assert len(found.slices) == 1001
        assert found.slices[-1].name == "route=(others)"
        assert sum(each.rows for each in found.slices) == rows
        assert sum(group.rows for group in found.fairness[0].groups) == rows
        assert found.report(tmp_path / "r.html").stat().st_size < 400_000


class TestBadData:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"late": None}, "missing in all 2,000 rows"),
            ({"late": pd.Series([1, "1"] * 1000, dtype=object)}, "mixes int and str"),
            ({"score": pd.Series([0.5, "high"] * 1000, dtype=object)}, "'high' in row 1"),
            ({"score": pd.Timestamp("2026-01-01")}, "holds dates"),
            ({"minimum_size": 0}, "minimum_size: 0"),
            ({"slices": "tags"}, "no values to group by"),
        ],
    )
    def test_said_clearly(self, evaluation, loans, change, message: str) -> None:
        loans["tags"] = [["a"]] * 2000
        settings = {name: change.pop(name) for name in ("minimum_size", "slices") if name in change}
        with pytest.raises(exceptions.InvalidArgument, match=message):
            evaluation.classification(loans.assign(**change), target="late", score="score", **settings, **FAST)

    def test_columns_that_stand_twice(self, evaluation, loans) -> None:
        for name, settings in (("score", {}), ("carrier", {"slices": "carrier"}), ("sex", {"sensitive": "sex"})):
            twice = pd.concat([loans, loans[[name]]], axis=1)
            with pytest.raises(exceptions.InvalidArgument, match=f"has 2 columns '{name}'"):
                evaluation.classification(twice, target="late", score="score", **settings, **FAST)

    def test_values_that_read_alike_stay_apart(self, evaluation, loans) -> None:
        loans["code"] = pd.Series([1, "1"] * 1000, dtype=object)
        found = evaluation.classification(loans, target="late", score="score", slices="code", **FAST)
        assert [(each.name, each.rows) for each in found.slices] == [("code=1 (int)", 1000), ("code=1 (str)", 1000)]

    @pytest.mark.parametrize("size", [1e100, 1e160, 1.7e308])
    def test_huge_numbers(self, evaluation, tmp_path, size: float) -> None:
        rng = np.random.default_rng(0)
        frame = pd.DataFrame({"y": rng.random(100) * size, "p": -rng.random(100) * size})
        found = evaluation.regression(frame, target="y", prediction="p", **FAST)
        rmse = found.metrics["rmse"]
        assert (rmse.value is None) == (size > 1e154)
        assert rmse.reason == ("the numbers are too large" if size > 1e154 else "")
        assert "nan" not in found.report(tmp_path / "r.html").read_text().partition("<body>")[2].lower()

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
        for settings in ({"threshold": "0.5"}, {"seed": -1}, {"seed": "x"}, {"resamples": "x"}, {"confidence": "x"}):
            with pytest.raises(exceptions.InvalidArgument, match=min(settings)):
                evaluation.classification(loans, target="late", score="score", **settings)
        with pytest.raises(TypeError, match="no setting 'slice'"):
            evaluation.regression(loans, target="late", prediction="score", slice="carrier")
