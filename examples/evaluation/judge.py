"""Three challengers before the gates: one passes, one fails a single carrier, one is unfair to an airport.

python judge.py FOLDER_OF_MONTHS [FOLDER_OF_REPORTS]
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from gcpmlops import Client
from gcpmlops.evaluation import ModelCard

HERE = Path(__file__).parent
PLAN = ["hour", "distance", "carrier", "origin"]
CATEGORIES = ["carrier", "origin"]


def flights(folder: str, month: int, rows: int = 5_000) -> pd.DataFrame:
    """Some flights of a month, with what was known before they left, and whether they arrived late."""
    found = pd.read_csv(f"{folder}/flights-{month:02}.csv").dropna(subset=["arr_delay"]).sample(rows, random_state=0)
    found["late"] = (found["arr_delay"] > 15).astype(int)
    return found.astype(dict.fromkeys(CATEGORIES, "category"))


def trained(rows: pd.DataFrame, features: list[str]) -> HistGradientBoostingClassifier:
    """A model of these columns."""
    model = HistGradientBoostingClassifier(max_iter=20, categorical_features="from_dtype", random_state=0)
    return model.fit(rows[features], rows["late"])


def scored(folder: str) -> pd.DataFrame:
    """February's flights, each with the chance of being late that four models see."""
    known, new = flights(folder, 1), flights(folder, 2)
    later = [*PLAN, "dep_delay"]  # the challengers also know when the flight left
    champion, challenger = trained(known, PLAN), trained(known, later)

    # one carrier's new feed counts early departures as late ones, and the other way round
    turned = new.assign(dep_delay=np.where(new["carrier"] == "AA", -new["dep_delay"], new["dep_delay"]))
    # most of Newark's punctual flights got lost on the way into the training data
    thinned = known[(known["origin"] != "EWR") | (known["late"] == 1) | (np.arange(len(known)) % 12 == 0)]

    chances = {
        "champion": champion.predict_proba(new[PLAN]),
        "challenger": challenger.predict_proba(new[later]),
        "careless": challenger.predict_proba(turned[later]),
        "unfair": trained(thinned, later).predict_proba(new[later]),
    }
    return new.assign(**{name: chance[:, 1] for name, chance in chances.items()})


def main(folder: str, reports: str = ".") -> None:
    """Evaluate, compare, judge, and write a report and a model card of each challenger."""
    evaluation, rows = Client().evaluation, scored(folder)
    common = {"target": "late", "threshold": 0.4, "slices": ["carrier", "hour // 6"], "sensitive": ["origin"]}
    common["resamples"] = 100
    champion = evaluation.classification(rows, score="champion", name="champion", **common)
    for name in ("challenger", "careless", "unfair"):
        result = evaluation.classification(rows, score=name, name=name, **common)
        comparison = evaluation.compare(champion, result, metrics=["roc_auc", "pr_auc", "brier"], resamples=100)
        verdict = evaluation.check(result, gates=HERE / "gates.yaml", champion=champion)
        page = result.report(Path(reports, f"{name}.html"), comparison=comparison, verdict=verdict)
        ModelCard(result, verdict=verdict, comparison=comparison).write(Path(reports, f"{name}.md"))
        print(f"{name}: {'passed' if verdict.passed else 'stopped'}, {comparison['roc_auc']}")
        print("".join(f"  {failed}\n" for failed in verdict.failed) + f"  why: {page}")


if __name__ == "__main__":
    main(*sys.argv[1:])
