"""A search, and whether it was worth it: default and best parameters on months that the search never saw."""

import json
import sys
from pathlib import Path

from gcpmlops import Client

HERE = Path(__file__).parent


def held_out(client: Client, name: str, parameters: dict[str, object], data: str) -> float:
    """The AUC of one set of parameters on May and June."""
    job = client.training.run(
        HERE / "train.py",
        display_name=name,
        image="sklearn-cpu.1-6",
        args={"data": data, "held-out": "5,6", **parameters},
        env={"OMP_NUM_THREADS": "1"},
    )
    return float(json.loads(client.storage.read(f"{job.model_dir}scores.json"))["held_out"])


def main(months: str) -> None:
    """Upload, search, compare."""
    client = Client()
    bucket = f"{client.config.project}-search-example"
    client.storage.ensure_bucket(bucket)
    client.storage.upload(months, destination=f"gs://{bucket}/2013/")
    data = f"/gcs/{bucket}/2013"

    job = client.tuning.run(
        config=HERE / "search.yaml", args={"data": data}, on_trial=lambda trial, _: print(trial, flush=True)
    )
    print(job.report("search.html"), "has the pictures")

    best = job.best()
    default_auc = held_out(client, "default", {}, data)
    best_auc = held_out(client, "best", best.parameters, data)
    print(f"default parameters: AUC {default_auc:.4f} on the held-out months")
    print(f"best of {len(job.trials)} trials: AUC {best_auc:.4f} on the held-out months, with {best.parameters}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "data")
