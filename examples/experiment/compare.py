"""Runs of an experiment: three learning rates, and what came of them as a table and a picture."""

import sys

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score

from gcpmlops import Client

FEATURES = ["day", "sched_dep_time", "sched_arr_time", "distance"]
ITERATIONS = 20


def flights(folder: str, month: int) -> tuple[pd.DataFrame, pd.Series]:
    """Some flights of a month, and which of them arrived late."""
    rows = pd.read_csv(f"{folder}/flights-{month:02}.csv").dropna(subset=["arr_delay"]).sample(5_000, random_state=0)
    return rows[FEATURES], rows["arr_delay"] > 15


def main(folder: str) -> None:
    """Three runs, and their comparison."""
    client = Client()
    client.experiments.ensure("late-flights", description="How fast may it learn?")
    known, late = flights(folder, 1)
    new, really_late = flights(folder, 2)
    for rate in (0.02, 0.1, 0.5):
        name = f"rate-{rate}".replace(".", "-")
        with client.experiments.run("late-flights", name, resume=True) as run:
            run.log_params({"learning_rate": rate, "iterations": ITERATIONS})
            model = HistGradientBoostingClassifier(learning_rate=rate, max_iter=ITERATIONS, random_state=0)
            model.fit(known, late)
            for step, chances in enumerate(model.staged_predict_proba(new), 1):
                run.log_metric("loss", log_loss(really_late, chances), step=step)
            run.log_metrics({"auc": roc_auc_score(really_late, chances[:, 1])})
            run.log_model(model)

    comparison = client.experiments.compare("late-flights")
    print(comparison.to_dataframe().drop(columns=["experiment_name", "run_type"]).to_string(index=False))
    print(comparison.report("late-flights.html"), "has the picture")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "data")
