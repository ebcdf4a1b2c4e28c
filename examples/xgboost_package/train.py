"""Sends the package to Vertex AI and waits: `python train.py gs://BUCKET/FOLDER/`."""

import sys
from pathlib import Path

from gcpmlops import Client


def main(data: str) -> None:
    """Look first, then run."""
    package, settings = Path(__file__).parent, {"module": "late_flights.task", "image": "xgboost-cpu.2-1"}
    client = Client()
    for problem in client.training.preflight(package, args={"data": data, "depth": 8}, **settings):
        print("would fail:", problem)  # --depth is no option of it
    job = client.training.run(package, args={"data": data, "rounds": 60}, on_log=print, **settings)
    print(*(each.uri for each in client.storage.list(job.model_dir)))


if __name__ == "__main__":
    main(sys.argv[1])
