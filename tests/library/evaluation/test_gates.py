"""Champion and challenger, and gates: which failed, where, and by how much."""

from pathlib import Path

import pytest

from gcpmlops import exceptions
from gcpmlops.evaluation import Gate

FAST = {"resamples": 200}


class TestComparison:
    def test_paired(self, evaluation, models) -> None:
        found = evaluation.compare(models["score"], models["worse"], **FAST)
        auc = found["roc_auc"]
        assert auc.low < auc.difference < auc.high < 0
        assert (auc.p_value, auc.verdict) == (pytest.approx(1 / 201), "worse")
        assert auc.gain == auc.difference
        assert found["log_loss"].gain == -found["log_loss"].difference
        # the pairs share most of their noise: the interval is narrower than the models' own
        own = models["worse"].metrics["roc_auc"]
        assert auc.high - auc.low < own.high - own.low
        with pytest.raises(exceptions.InvalidArgument, match="not compared"):
            found["mae"]

    def test_alike(self, evaluation, models) -> None:
        auc = evaluation.compare(models["score"], models["score"], metrics=["roc_auc"], **FAST)["roc_auc"]
        assert (auc.difference, auc.p_value, auc.verdict) == (0, 1, "no difference shown")

    def test_other_rows(self, evaluation, models, loans) -> None:
        fewer = evaluation.classification(loans[:100], target="late", score="score", resamples=0)
        with pytest.raises(exceptions.InvalidArgument, match="2,000 rows"):
            evaluation.compare(models["score"], fewer)
        shuffled = evaluation.classification(loans[::-1], target="late", score="score", resamples=0)
        with pytest.raises(exceptions.InvalidArgument, match="differ, first in row"):
            evaluation.compare(models["score"], shuffled)
        other = evaluation.regression(loans, target="late", prediction="score", resamples=0)
        with pytest.raises(exceptions.InvalidArgument, match="regression"):
            evaluation.compare(models["score"], other)


class TestGates:
    def test_absolute(self, evaluation, models) -> None:
        model = models["score"]
        auc = model.value("roc_auc")
        verdict = evaluation.check(model, gates=[Gate("roc_auc", minimum=auc - 0.01), Gate("brier", maximum=0.01)])
        assert [each.passed for each in verdict.results] == [True, False]
        assert verdict.results[0].margin == pytest.approx(0.01)
        assert verdict.failed[0].margin == pytest.approx(0.01 - model.value("brier"))
        with pytest.raises(exceptions.FailedPrecondition, match="fails 1 of 2 gates"):
            verdict.require()

    def test_certain_asks_it_of_the_interval(self, evaluation, models) -> None:
        bound = models["score"].value("roc_auc") - 0.001
        gates = [Gate("roc_auc", minimum=bound), Gate("roc_auc", minimum=bound, certain=True)]
        assert [each.passed for each in evaluation.check(models["score"], gates=gates).results] == [True, False]

    def test_better_on_average_and_worse_for_one_carrier(self, evaluation, models) -> None:
        gates = [Gate("roc_auc", tolerance=0), Gate("roc_auc", tolerance=0.05, slices=("carrier",))]
        verdict = evaluation.check(models["weak"], gates=gates, champion=models["score"])
        assert [each.where for each in verdict.failed] == ["carrier=ZZ"]
        assert verdict.failed[0].margin < -0.1
        assert verdict.results[0].passed
        certain = [Gate("roc_auc", tolerance=0.05, slices="carrier=ZZ", certain=True)]
        assert not evaluation.check(models["weak"], gates=certain, champion=models["score"]).passed

    def test_bias(self, evaluation, models) -> None:
        gate = [Gate(fairness="demographic_parity_ratio", minimum=0.8, sensitive="sex")]
        assert evaluation.check(models["score"], gates=gate).passed
        assert not evaluation.check(models["unfair"], gates=gate).passed

    def test_groups_that_were_left_out_are_said(self, evaluation, loans) -> None:
        loans.loc[:4, "sex"] = "x"
        model = evaluation.classification(loans, target="late", score="score", sensitive="sex", resamples=0)
        verdict = evaluation.check(model, gates=Gate(fairness="demographic_parity_ratio", minimum=0))
        assert verdict.skipped == ("1 of 3 groups of sex: 5 rows, left out of the measures",)

    def test_small_slices_are_said(self, evaluation, loans) -> None:
        model = evaluation.classification(
            loans, target="late", score="score", slices="carrier", minimum_size=500, resamples=0
        )
        verdict = evaluation.check(model, gates=[Gate("roc_auc", minimum=0.5, slices="carrier")])
        assert len(verdict.results) == 2
        assert "carrier=ZZ" in verdict.skipped[0]

    @pytest.mark.parametrize(
        ("gate", "message"),
        [
            ({"metric": "auroc", "minimum": 1}, "no metric 'auroc'"),
            ({"metric": "roc_auc", "minimum": 1, "slices": ["month"]}, "slice 'month', which was not evaluated"),
            ({"metric": "roc_auc", "tolerance": 0}, "none was given"),
            ({"fairness": "equalized_odds_ratio", "minimum": 1, "sensitive": "age"}, "groups of age"),
        ],
    )
    def test_what_was_not_evaluated(self, evaluation, models, gate, message: str) -> None:
        with pytest.raises(exceptions.InvalidArgument, match=message) as caught:
            evaluation.check(models["score"], gates=[Gate(**gate)])
        assert caught.value.allowed

    @pytest.mark.parametrize(
        ("gate", "near"),
        [
            ({"metric": "auc", "minimum": 1}, "roc_auc"),
            ({"metric": "auc", "tolerance": 0}, "roc_auc"),
            ({"metric": "recal", "minimum": 1}, "recall"),
            ({"metric": "roc_auc", "minimum": 1, "slices": "carier"}, "carrier"),
            ({"fairness": "demographic_parity", "minimum": 1}, "demographic_parity_ratio"),
        ],
    )
    def test_the_nearest_is_named(self, evaluation, models, gate, near: str) -> None:
        with pytest.raises(exceptions.InvalidArgument, match=f"Did you mean '{near}'"):
            evaluation.check(models["score"], gates=[Gate(**gate)])

    def test_what_judges_nothing_passes_nothing(self, evaluation, loans) -> None:
        model = evaluation.classification(
            loans, target="late", score="score", slices="carrier", minimum_size=1500, resamples=0
        )
        verdict = evaluation.check(model, gates=[Gate("roc_auc", minimum=0, slices="carrier")])
        assert not verdict.passed
        assert "none of its slices" in str(verdict)
        assert len(verdict.skipped) == 3

    def test_by_what_was_kept(self, evaluation, models, tmp_path: Path) -> None:
        """JSON has no rows: values are compared, intervals of differences are not to be had."""
        champion, model = (models[name].to_json(tmp_path / f"{name}.json") for name in ("score", "weak"))
        gates = [Gate("roc_auc", tolerance=0.05, slices="carrier"), Gate("roc_auc", minimum=0.5, certain=True)]
        kept = evaluation.check(model, gates=gates, champion=champion)
        assert kept == evaluation.check(models["weak"], gates=gates, champion=models["score"])
        with pytest.raises(exceptions.InvalidArgument, match="read back without its rows"):
            evaluation.check(model, gates=[Gate("roc_auc", tolerance=0, certain=True)], champion=champion)
        with pytest.raises(exceptions.InvalidArgument, match="read back without its rows"):
            evaluation.compare(models["score"], evaluation.read(model))
        other = evaluation.classification(
            models["score"].examples.frame[::-1], target="late", score="score", name="turned", resamples=0
        )
        with pytest.raises(exceptions.InvalidArgument, match="targets of score and turned differ"):
            evaluation.check(other, gates=[Gate("roc_auc", tolerance=0)], champion=champion)

    @pytest.mark.parametrize(
        "gate",
        [
            {"metric": 3, "minimum": 1},
            {"metric": "roc_auc"},
            {"minimum": 1},
            {"metric": "roc_auc", "fairness": "equalized_odds_ratio", "minimum": 1},
            {"metric": "roc_auc", "minimum": "high"},
            {"metric": "roc_auc", "minimum": float("nan")},
            {"metric": "roc_auc", "tolerance": -1},
            {"metric": "selection_rate", "tolerance": 0},
            {"fairness": "evenness", "minimum": 1},
            {"fairness": "equalized_odds_ratio", "tolerance": 0},
            {"metric": "roc_auc", "minimum": 0.9, "maximum": 0.1},
            {"metric": "roc_auc", "minimum": 0.9, "certain": "no"},
            {"metric": "roc_auc", "minimum": 0.9, "slices": [3]},
        ],
    )
    def test_no_gate(self, gate) -> None:
        with pytest.raises(exceptions.InvalidArgument):
            Gate(**gate)


class TestFile:
    def test_whole(self, evaluation, models, tmp_path: Path) -> None:
        path = tmp_path / "gates.yaml"
        path.write_text(
            "gates:\n"
            "  - {metric: roc_auc, minimum: 0.6}\n"
            "  - {metric: roc_auc, tolerance: 0.05, slices: [carrier]}\n"
            "  - {fairness: demographic_parity_ratio, minimum: 0.8, sensitive: sex}\n"
        )
        verdict = evaluation.check(models["weak"], gates=path, champion=models["score"])
        assert len(verdict.results) == 5
        assert [each.where for each in verdict.failed] == ["carrier=ZZ"]

    @pytest.mark.parametrize(
        ("text", "line", "message"),
        [
            ("gates:\n  - {metric: auroc, minimum: 1}\n", 2, "no metric 'auroc'"),
            ("gates:\n  - metric: roc_auc\n    minimun: 1\n", 3, "unknown key 'minimun'"),
            ("gates:\n  - metric: roc_auc\n    minimum: high\n", 3, "minimum: 'high'"),
            ("gates:\n  - metric: roc_auc\n    minimum: 0.5\n    slices: [3]\n", 4, "slices: [3]"),
            ("gates: 3\n", 1, "not a list"),
            ("gates:\n  - [\n", 3, ""),
        ],
    )
    def test_errors_have_the_line(self, evaluation, models, tmp_path: Path, text: str, line: int, message: str) -> None:
        path = tmp_path / "gates.yaml"
        path.write_text(text)
        with pytest.raises(exceptions.InvalidArgument) as caught:
            evaluation.check(models["score"], gates=str(path))
        assert str(caught.value).startswith(f"{path}:{line}: ")
        assert message in str(caught.value)
