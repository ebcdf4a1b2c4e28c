"""`client.scheduler`: what is refused before anybody is asked, and jobs in the emulator."""

from datetime import UTC, datetime

import pytest
from google.auth.credentials import AnonymousCredentials

from gcpmlops import Client, Config, exceptions
from gcpmlops.scheduler import Retries

EMAIL = "ml@p.iam.gserviceaccount.com"


@pytest.fixture
def nobody():
    """A client that reaches nothing: whatever is refused, is refused here."""
    config = Config(project="p", endpoint="http://127.0.0.1:9")
    with Client(config=config, credentials=AnonymousCredentials()) as client:
        yield client.scheduler


@pytest.mark.parametrize(
    ("given", "field", "text"),
    [
        ({"schedule": "61 * * * *"}, "schedule", "minute"),
        ({"schedule": "* * * *"}, "schedule", "five fields"),
        ({"schedule": "0 0 * jam *"}, "schedule", "month"),
        ({"schedule": "*/0 * * * *"}, "schedule", "minute"),
        ({"time_zone": "Europe/Berlyn"}, "time_zone", "Europe/Berlin"),
        ({"time_zone": "../../etc/passwd"}, "time_zone", "tz database"),
        ({"http": None}, "http, topic", "one of the two"),
        ({"topic": "t"}, "http, topic", "one of the two"),
        ({"http": "example.com"}, "http", "http://"),
        ({"http_method": "FETCH"}, "http_method", "POST"),
        ({"http_method": "GET", "body": "x"}, "body", "PATCH"),
        ({"attributes": {"a": "b"}}, "attributes", "topic"),
        ({"http": None, "topic": "t"}, "body", "attributes"),
        ({"http": None, "topic": "t", "body": "x", "service_account": EMAIL}, "service_account", "http"),
        ({"retries": 6}, "retries", "0 to 5"),
        ({"retries": Retries(1, min_backoff="2h")}, "min_backoff", "max_backoff"),
        ({"attempt_deadline": "1h"}, "attempt_deadline", "15 seconds"),
        ({"attempt_deadline": 1}, "attempt_deadline", "15 seconds"),
    ],
)
def test_refused_before_the_call(nobody, given, field, text):
    with pytest.raises(exceptions.InvalidArgument, match=text) as caught:
        nobody.ensure_job("j", **{"schedule": "0 6 * * *", "http": "https://example.com"} | given)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "schedule", ["0 6 * * 1-5", "*/5 0-23/2 1,15 jan-mar SUN", "0 0 * * 7", "every monday 09:00", "every 5 minutes"]
)
def test_what_may_be_right_is_asked(nobody, schedule):
    with pytest.raises(exceptions.Unavailable):
        nobody.ensure_job("j", schedule=schedule, http="https://example.com")


def test_names(nobody):
    assert nobody._resolve("j") == "projects/p/locations/us-central1/jobs/j"
    with pytest.raises(exceptions.InvalidArgument, match="letters"):
        nobody.get("a b")


def test_made_changed_paused_run_and_deleted(client, unique):
    name, jobs = unique("job"), client.scheduler
    made = jobs.ensure_job(
        name,
        schedule="0 6 1 1 *",
        time_zone="Europe/Berlin",
        http="http://127.0.0.1:9/retrain",
        body={"a": 1},
        service_account=EMAIL,
        retries=Retries(2, min_backoff="10s", max_duration="1h"),
        attempt_deadline="30m",
        description="d",
    )
    assert (made.id, made.state, made.target, made.description) == (name, "ENABLED", "http://127.0.0.1:9/retrain", "d")
    assert (made.schedule, made.time_zone, made.last_run, made.last_error) == ("0 6 1 1 *", "Europe/Berlin", None, "")
    assert made.next_run is not None
    assert made.next_run > datetime.now(UTC)
    assert (made.next_run.month, made.next_run.day, made.next_run.hour) == (1, 1, 5)
    target = made.proto.http_target
    assert (target.body, target.headers["Content-Type"]) == (b'{"a": 1}', "application/json")
    assert (target.oidc_token.service_account_email, target.oidc_token.audience) == (
        EMAIL,
        "http://127.0.0.1:9/retrain",
    )
    assert (made.proto.retry_config.retry_count, made.proto.attempt_deadline.total_seconds()) == (2, 1800)
    assert jobs.pause(name).next_run is None
    assert jobs.pause(made.name).state == "PAUSED"  # and again
    again = jobs.ensure_job(name, schedule="0 7 1 1 *", topic="t", body="x")
    assert (again.state, again.target, again.time_zone) == (
        "PAUSED",
        f"projects/{client.config.project}/topics/t",
        "Etc/UTC",
    )
    assert again.proto.retry_config.retry_count == 0
    assert jobs.resume(name).state == jobs.resume(name).state == "ENABLED"
    assert name in [job.id for job in jobs.list()]
    assert "0 7 1 1 *" in jobs.get(name)._repr_html_()
    jobs.delete(name)
    with pytest.raises(exceptions.NotFound, match="scheduler list"):
        jobs.run(name)


def test_access_tokens_are_for_google(client, unique):
    name = unique("job")
    job = client.scheduler.ensure_job(
        name, schedule="0 6 1 1 *", http="https://aiplatform.googleapis.com/v1/x", service_account=EMAIL
    )
    assert job.proto.http_target.oauth_token.service_account_email == EMAIL
    client.scheduler.delete(name)


def test_the_services_own_refusals(client):
    with pytest.raises(exceptions.InvalidArgument, match="never"):
        client.scheduler.ensure_job("j", schedule="30 of feb 09:00", http="https://example.com")
    with pytest.raises(exceptions.NotFound):
        client.scheduler.get("no-such-job")


def test_the_services_time(client, emulator_clock):
    """`clients.now` is the emulator's clock, to the second."""
    before = emulator_clock.now().replace(microsecond=0)
    assert before <= client.clients.now() <= emulator_clock.now()
    assert client.clients.now().tzinfo is UTC
    assert emulator_clock.show()["frozen"] is False
