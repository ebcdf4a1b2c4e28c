"""What the evaluation's tests share: rows with known faults, and an Evaluation that needs no service."""

import numpy as np
import pandas as pd
import pytest

from gcpmlops.evaluation import Evaluation, EvaluationResult


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    """Without BigQuery: the data is at hand."""
    return Evaluation(None, None)  # type: ignore[arg-type]


@pytest.fixture
def loans() -> pd.DataFrame:
    """A copy of the test's own."""
    return made()


def made() -> pd.DataFrame:
    """2,000 rows; scores have ties, `worse` knows less, `unfair` favours one group and `weak` fails in one carrier."""
    rng = np.random.default_rng(7)
    rows = 2000
    late = rng.random(rows) < 0.35
    score = np.clip(0.35 + 0.25 * (late - 0.35) + rng.normal(0, 0.15, rows), 0.01, 0.99).round(3)
    carrier = rng.choice(["UA", "AA", "ZZ"], rows, p=[0.5, 0.4, 0.1])
    sex = rng.choice(["f", "m"], rows)
    return pd.DataFrame(
        {
            "late": late.astype(int),
            "score": score,
            "worse": np.clip(score + rng.normal(0, 0.2, rows), 0.01, 0.99),
            "unfair": np.clip(score + np.where(sex == "m", 0.25, 0.0), 0, 1),
            # better overall, by knowing more; reversed for ZZ
            "weak": np.where(carrier == "ZZ", 1 - score, np.clip(score + 0.1 * late, 0, 1)),
            "carrier": carrier,
            "sex": sex,
            "month": rng.integers(1, 13, rows),
        }
    )


@pytest.fixture(scope="session")
def models(evaluation: Evaluation) -> dict[str, EvaluationResult]:
    """Each column of scores as a model, measured once."""
    return {
        score: evaluation.classification(
            made(),
            target="late",
            score=score,
            threshold=0.45,
            name=score,
            slices=["carrier"],
            sensitive=["sex"],
            resamples=200,
        )
        for score in ("score", "worse", "weak", "unfair")
    }
