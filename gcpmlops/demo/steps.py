"""From files to a model that serves, one function a step. All of it is the public library, as on the real cloud."""

from __future__ import annotations

import calendar
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from gcpmlops.checks import Check, InRange, NotNull, RowCount
from gcpmlops.demo import data, sql
from gcpmlops.demo.story import Step, Story

if TYPE_CHECKING:
    from gcpmlops.client import Client
    from gcpmlops.endpoints import Endpoint
    from gcpmlops.models import Model
    from gcpmlops.training import Job

NAME = "flight-delays"
BATCH = 500  # instances a request
Codes = dict[tuple[str, str], int]


@dataclass(frozen=True)
class Answer:
    """What the endpoint said about a flight: the chance that it is late, 0 to 1."""

    flight: data.Flight
    chance: float


@dataclass
class LifeCycle:
    """The steps, in the order of their definition; each needs what those before it made."""

    client: Client
    story: Story

    @property
    def bucket(self) -> str:
        """Where the months arrive; bucket names are global, so the project's name is in it."""
        return f"{self.client.config.project}-flights"

    def store(self, months: Sequence[data.Month]) -> str:
        """The months into a bucket; their folder."""
        folder = f"gs://{self.bucket}/2013/"
        with self.story.step("Make a bucket", api="storage buckets.insert", resource=f"gs://{self.bucket}"):
            self.client.storage.ensure_bucket(self.bucket)
        with self.story.step("Upload a CSV file for each month", api="storage objects.insert", resource=folder) as step:
            for month in months:
                destination = f"{folder}flights-{month.number:02}.csv"
                self.client.storage.upload(month.content, destination=destination, content_type="text/csv")
            step.note = f"{len(months)} files, {sum(len(month.content) for month in months) / 1e6:.1f} MB"
        return folder

    def load(self, folder: str, *, rows: int) -> None:
        """All files into one table, which is then checked."""
        with self.story.step(
            "Load them into BigQuery", api="bigquery jobs.insert (load)", resource=sql.HISTORY
        ) as step:
            self.client.bigquery.ensure_dataset(sql.DATASET)
            table = self.client.bigquery.load(
                sql.HISTORY,
                source=f"{folder}*.csv",
                schema=sql.SCHEMA,
                null_marker="NA",
                write_disposition="WRITE_TRUNCATE",
            )
            step.note = f"{table.rows or 0:,} rows"
        checks: list[Check] = [
            RowCount(minimum=rows, maximum=rows),
            NotNull("carrier"),
            NotNull("arr_delay", max_fraction=0.05),
            InRange("month", minimum=1, maximum=6),
        ]
        with self.story.step("Check the data", api="bigquery jobs.insert (query)", resource=sql.HISTORY) as step:
            report = self.client.bigquery.check(sql.HISTORY, checks=checks)
            step.note = f"{len(report.results)} checks passed"

    def prepare(self) -> Codes:
        """The training table, in SQL; the codes of its categories."""
        query = self.client.bigquery.query
        with self.story.step(
            "Make the training table in SQL", api="bigquery jobs.insert (query)", resource=sql.TRAINING
        ) as step:
            query(sql.CODES_QUERY, destination=sql.CODES)
            query(sql.training_query(data.LATE), destination=sql.TRAINING)
            step.note = f"{self.client.bigquery.get_table(sql.TRAINING).rows or 0:,} flights that arrived"
            codes = query(f"SELECT feature, value, code FROM {sql.CODES}").rows()
        return {(row["feature"], row["value"]): row["code"] for row in codes}

    def train(self, *, last_month: int) -> Job:
        """A custom job that runs the trainer package in Google's scikit-learn image."""
        title = f"Train a scikit-learn classifier on {_months(last_month)}"
        with self.story.step(title, api="JobService.CreateCustomJob") as step:
            return self._finish(self.submit(last_month=last_month), step)

    def submit(self, *, last_month: int) -> Job:
        """The same, begun in the background; `wait` is for its end."""
        arguments = {
            "table": f"{self.client.config.project}.{sql.TRAINING}",
            "categories": ",".join(sql.CATEGORIES),
            "last-month": last_month,
        }
        return self.client.training.submit(
            Path(__file__).parent / "trainer",
            display_name=NAME,
            args=arguments,
            env={"PYTHONWARNINGS": "ignore::FutureWarning"},  # Google's clients announce the end of old Pythons
        )

    def wait(self, job: Job, *, last_month: int) -> Job:
        """For a job that was submitted earlier."""
        with self.story.step(f"Train another on {_months(last_month)}", api="JobService.CreateCustomJob") as step:
            return self._finish(job, step)

    def _finish(self, job: Job, step: Step) -> Job:
        done = job.wait(on_log=lambda line: self.story.detail(line.text))
        metrics = json.loads(self.client.storage.read(f"{done.model_dir}metrics.json"))
        step.resource = f"customJobs/{done.id}"
        step.note = f"AUC {metrics['auc']:.3f} on flights held back"
        step.training_seconds = (done.proto.end_time - done.proto.start_time).total_seconds()
        return done

    def register(self, job: Job, samples: list[list[int]], *, alias: str, parent: Model | None = None) -> Model:
        """What the job left in its model folder becomes a version of the model, once a server has answered with it."""
        with self.story.step(f"Try to serve the {alias}, then register it", api="ModelService.UploadModel") as step:
            model = self.client.models.upload(
                job,
                display_name=NAME,
                parent_model=parent.name if parent else None,
                is_default=parent is None,
                version_aliases=[alias],
                samples=samples,
            )
            step.resource = f"models/{model.id}@{model.version_id}"
            step.note = str(model.check) if model.check else model.image.rpartition("/")[2]
        return model

    def deploy(self, model: Model) -> Endpoint:
        """The model behind an endpoint; returns when it answers."""
        with self.story.step("Deploy it to an endpoint", api="EndpointService.DeployModel") as step:
            endpoint = self.client.endpoints.create(NAME)
            endpoint = self.client.endpoints.deploy(endpoint.name, model=model)
            step.resource = f"endpoints/{endpoint.id}"
            step.note = endpoint.price
        return endpoint

    def ask(self, endpoint: Endpoint, flights: Sequence[data.Flight], codes: Codes, *, title: str) -> list[Answer]:
        """The chance of each flight to be late."""
        answers: list[Answer] = []
        with self.story.step(title, api="PredictionService.Predict", resource=f"endpoints/{endpoint.id}") as step:
            for start in range(0, len(flights), BATCH):
                batch = flights[start : start + BATCH]
                found = endpoint.predict([instance(flight, codes) for flight in batch])
                answers += [Answer(flight, float(late)) for flight, (_, late) in zip(batch, found, strict=True)]
            step.note = f"{len(answers):,} flights in {-(-len(flights) // BATCH)} requests"
        return answers


def _months(last: int) -> str:
    return f"January to {calendar.month_name[last]}"


def instance(flight: data.Flight, codes: Codes) -> list[int]:
    """The model's features, in the order of the training table; -1 is a value that it has never seen."""
    row = flight.row
    day = date(int(row["year"]), int(row["month"]), int(row["day"]))
    numbers = {name: int(row[name]) for name in ("month", "hour", "minute", "distance")}
    numbers["weekday"] = day.isoweekday() % 7 + 1  # as BigQuery's DAYOFWEEK: Sunday is 1
    numbers |= {name: codes.get((name, row[name]), -1) for name in sql.CATEGORIES}
    return [numbers[name] for name in sql.FEATURES]
