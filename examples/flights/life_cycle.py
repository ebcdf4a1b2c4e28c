"""The whole life cycle in Python; the same lines run against the local Google Cloud and the real one."""

import sys
from pathlib import Path

from gcpmlops import Client, NotNull, RowCount


def main(data: str) -> None:
    """From a folder of CSV files to a prediction."""
    here = Path(__file__).parent
    client = Client()
    bucket = f"{client.config.project}-flights-example"

    client.storage.ensure_bucket(bucket)
    client.storage.upload(data, destination=f"gs://{bucket}/2013/")

    client.bigquery.ensure_dataset("flights")
    client.bigquery.load(
        "flights.history", source=f"gs://{bucket}/2013/*.csv", null_marker="NA", write_disposition="WRITE_TRUNCATE"
    )
    client.bigquery.check("flights.history", checks=[RowCount(minimum=1000), NotNull("carrier")])
    client.bigquery.query((here / "training.sql").read_text(), destination="flights.training")

    job = client.training.run(
        here / "train.py", args={"table": f"{client.config.project}.flights.training"}, on_log=print
    )
    model = client.models.upload(job.model_dir, display_name="flights-example", version_aliases=["champion"])
    endpoint = client.endpoints.ensure("flights-example")
    endpoint = client.endpoints.deploy(endpoint.name, model=model)

    # month, weekday (Sunday is 1), hour, distance in miles, origin (0 EWR, 1 JFK, 2 LGA)
    flights = [[7, 6, 19, 1400, 0], [7, 3, 6, 500, 2]]
    for flight, late in zip(flights, endpoint.predict(flights), strict=True):
        print(flight, "late" if late else "on time")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "data")
