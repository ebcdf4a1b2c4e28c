"""Watch, learn, retrain: a model of January to June serves the summer of 2013, week by week, as the clock is moved."""

from pathlib import Path

import pandas

from gcpmlops.demo import cloud, data, pager, traffic
from gcpmlops.emulator.clock_client import EmulatorClock
from gcpmlops.endpoints import Canary
from gcpmlops.exceptions import RolloutFailed
from gcpmlops.monitoring import Drift, Quality, Webhook

HERE, MODEL, FEATURES = Path(__file__).parent, "late-flights", ["id", *data.WEATHER_FEATURES]


def main(weeks: int = 8) -> None:
    """With your project's client, and real time instead of the clock, the same on Google Cloud."""
    flights = data.with_weather()
    with cloud.local_cloud(keep=False) as state, cloud.client_for(state) as client, pager.Pager() as on_call:
        clock = EmulatorClock(state)
        clock.set("2013-07-01T12:00:00Z")
        client.bigquery.ensure_dataset("flights")
        client.bigquery.load("flights.history", source=flights[flights.scheduled < clock.now()])
        client.feedback.ensure_tables()
        endpoint = client.endpoints.create(MODEL, log_requests="flights.requests")
        client.retraining.apply(HERE / "retraining.yaml")
        print(client.retraining.run("flights", why="the first model"))
        channel = client.monitoring.ensure_channel("on call", Webhook(url=on_call.url))
        for alert in (Quality(model=MODEL, metric="roc_auc", below=0.7), Drift(model=MODEL, above=0.6)):
            client.monitoring.ensure_alert(f"{alert.kind} of {MODEL}", alert, channels=[channel])

        for _ in range(weeks):
            start = clock.now()
            week = flights[flights.scheduled.between(start, start + pandas.Timedelta("7D"), inclusive="left")]
            asked = week.sample(1000, random_state=0)
            instances = asked[FEATURES].astype(object).values.tolist()
            client.endpoints.predict(MODEL, instances=instances)
            clock.advance("6d")
            client.bigquery.load("flights.history", source=week)
            client.feedback.record_outcomes(asked, key="id", outcome="late")
            clock.advance("1d")  # a Monday: schedules have the function look at drift and quality
        print(events := client.retraining.timeline("flights", incidents=True))
        Path("timeline.html").write_text(events.page("Retraining flights"))

        after = flights[flights.scheduled.between("2013-07-08", "2013-08-08")].sample(6000, random_state=0)
        jobs = [client.batch_predictions.submit(f"{MODEL}@{n}", source=after, included_fields=FEATURES) for n in (1, 2)]
        old, new = (client.evaluation.classification(job.wait(), target="late", score="prediction_1") for job in jobs)
        print("the month after:", client.evaluation.compare(old, new, metrics=["roc_auc", "brier"], resamples=200))

        job = client.training.run(HERE / "train.py", image="sklearn-cpu.1-6", args=["flights.history", "id,hour"])
        bad = client.models.upload(job, display_name=MODEL, parent_model=MODEL, is_default=False, check=False)
        try:
            with traffic.Traffic(endpoint, instances):
                client.endpoints.deploy(MODEL, model=bad, strategy=Canary(bake=2, settle=0, min_requests=5))
        except RolloutFailed as error:
            print("rehearsed:", error)


if __name__ == "__main__":
    main()
