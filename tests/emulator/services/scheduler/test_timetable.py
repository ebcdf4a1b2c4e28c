"""Jobs by the emulator's clock."""

import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from google.api_core import exceptions
from google.cloud.scheduler_v1 import types

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.services.outbound import Answer, UnreachableError
from gcpmlops.emulator.services.scheduler import retries

from .conftest import PARENT, START

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
State = types.Job.State


def name(job):
    return f"{PARENT}/jobs/{job}"


def test_a_year_of_fast_forward_across_both_changes_of_the_clock(bench):
    """Every job is called when the clocks of its zone say so, and at no other moment."""
    wanted = {  # what the zone's clock shows, (hour, minute), on which weekdays
        "morning": ("0 9 * * 1-5", "Europe/Berlin", {(9, 0)}, range(5)),
        "gap": ("30 2 * * *", "America/New_York", {(2, 30)}, range(7)),
        "twice": ("30 1 * * *", "America/New_York", {(1, 30)}, range(7)),
        "south": ("15 2,14 * * *", "Australia/Sydney", {(2, 15), (14, 15)}, range(7)),
        "half": ("45 1 * * *", "Australia/Lord_Howe", {(1, 45)}, range(7)),
        "plain": ("0 */6 * * 0", "Etc/UTC", {(0, 0), (6, 0), (12, 0), (18, 0)}, (6,)),
    }
    for job, (cron, zone, *_) in wanted.items():
        bench.create(job, cron, time_zone=zone)
    expected = defaultdict(list)
    end, moment = datetime(2014, 1, 1, tzinfo=UTC), START + 15 * MINUTE
    zones = {job: ZoneInfo(zone) for job, (_, zone, *_) in wanted.items()}
    while moment <= end:
        for job, (_, _, times, weekdays) in wanted.items():
            wall = moment.astimezone(zones[job])
            if (wall.hour, wall.minute) in times and wall.weekday() in weekdays:
                expected[job].append(moment)
        moment += 15 * MINUTE
    done = bench.context.agenda.travel(end)
    assert {job: bench.times(job) for job in wanted} == dict(expected)
    assert done == sum(map(len, expected.values()))
    assert (len(expected["gap"]), len(expected["twice"])) == (364, 366)
    assert bench.clock.now() == end


def test_headers_and_tokens(bench):
    bench.create(
        "j",
        "0 9 * * *",
        time_zone="America/New_York",
        http_target={
            "uri": "http://target/j?x=1",
            "http_method": "PUT",
            "body": b"{}",
            "headers": {
                "X-Own": "1",
                "User-Agent": "mine",
                "X-CloudScheduler": "no",
                "content-type": "application/json",
            },
            "oidc_token": {"service_account_email": "a@p.iam.gserviceaccount.com"},
        },
    )
    bench.create("o", "0 9 * * *", http_target={"uri": "http://o", "oauth_token": {"service_account_email": "a@b"}})
    bench.context.agenda.travel(START + 24 * HOUR)
    other, call = sorted(bench.sent, key=lambda sent: sent.when)
    assert (call.method, call.url, call.body) == ("PUT", "http://target/j?x=1", b"{}")
    assert call.headers == {
        "X-Own": "1",
        "content-type": "application/json",
        "User-Agent": "Google-Cloud-Scheduler",
        "X-CloudScheduler": "true",
        "X-CloudScheduler-JobName": "j",
        "X-CloudScheduler-ScheduleTime": "2013-01-01T09:00:00-05:00",
        "Authorization": "Bearer oidc:a@p.iam.gserviceaccount.com:http://target/j?x=1",
    }
    assert other.headers["Authorization"] == "Bearer oauth:a@b"
    assert other.headers["X-CloudScheduler-ScheduleTime"] == "2013-01-01T09:00:00Z"


def test_pauses_between_retries_as_documented():
    config = types.RetryConfig(min_backoff_duration=10 * SECOND, max_backoff_duration=300 * SECOND, max_doublings=3)
    assert [retries.pause(config, n).seconds for n in range(8)] == [10, 20, 40, 80, 160, 240, 300, 300]


def test_retries_then_the_next_time_of_the_schedule(bench):
    bench.status = 503
    bench.create("j", "0 * * * *", retry_config={"retry_count": 2, "min_backoff_duration": 60 * SECOND})
    bench.context.agenda.travel(START + HOUR + 30 * MINUTE)
    assert [(when - START - HOUR) / MINUTE for when in bench.times()] == [0, 1, 3]
    assert {call.headers["X-CloudScheduler-ScheduleTime"] for call in bench.sent} == {"2013-01-01T01:00:00Z"}
    job = bench.get("j")
    assert (job.status.code, job.schedule_time, job.last_attempt_time) == (
        14,
        START + 2 * HOUR,
        START + HOUR + 3 * MINUTE,
    )
    bench.status = 204
    bench.context.agenda.travel(START + 2 * HOUR)
    assert (bench.get("j").status.code, len(bench.sent)) == (0, 4)
    kinds = [(entry.json_payload["@type"].rpartition(".")[2], entry.severity) for entry in bench.logged]
    assert kinds == [("AttemptStarted", 200), ("AttemptFinished", 500)] * 3 + [
        ("AttemptStarted", 200),
        ("AttemptFinished", 200),
    ]
    failed = bench.logged[1]
    assert failed.log_name == "projects/p/logs/cloudscheduler.googleapis.com%2Fexecutions"
    assert dict(failed.resource.labels) == {"project_id": "p", "location": "us-central1", "job_id": "j"}
    assert (failed.json_payload["status"], failed.http_request.status) == ("UNAVAILABLE", 503)


def test_retries_end_where_the_schedule_goes_on_and_at_the_time_limit(bench):
    bench.status = 500
    pauses = {"min_backoff_duration": 40 * SECOND, "max_backoff_duration": 40 * SECOND}
    bench.create("often", "* * * * *", retry_config={"retry_count": 5, **pauses})
    bench.context.agenda.travel(START + 3 * MINUTE + SECOND)
    assert [(when - START) / SECOND for when in bench.times()] == [60, 100, 120, 160, 180]
    bench.sent.clear()
    bench.service.delete_job(types.DeleteJobRequest(name=name("often")))
    bench.create("long", "0 5 * * *", retry_config={"max_retry_duration": 100 * SECOND, **pauses})
    bench.context.agenda.travel(START + 6 * HOUR)
    assert [(when - START - 5 * HOUR) / SECOND for when in bench.times()] == [0, 40, 80]


def test_pause_resume_run_update_delete(bench):
    bench.create("j", "0 * * * *")
    pause, resume = types.PauseJobRequest(name=name("j")), types.ResumeJobRequest(name=name("j"))
    with pytest.raises(exceptions.FailedPrecondition, match="ENABLED"):
        bench.service.resume_job(resume)
    assert bench.service.pause_job(pause).state == State.PAUSED
    with pytest.raises(exceptions.FailedPrecondition, match="PAUSED"):
        bench.service.pause_job(pause)
    bench.context.agenda.travel(5 * HOUR + MINUTE)
    assert bench.sent == []
    bench.service.run_job(types.RunJobRequest(name=name("j")))
    bench.context.agenda.travel(SECOND)
    assert bench.times() == [START + 5 * HOUR + MINUTE]
    assert bench.service.resume_job(resume).schedule_time == START + 6 * HOUR
    request = types.UpdateJobRequest(
        job={"name": name("j"), "schedule": "30 * * * *", "description": "ignored"}, update_mask={"paths": ["schedule"]}
    )
    updated = bench.service.update_job(request)
    assert (updated.schedule_time, updated.description) == (START + 5 * HOUR + 30 * MINUTE, "")
    bench.context.agenda.travel(HOUR)
    assert bench.times()[1:] == [START + 5 * HOUR + 30 * MINUTE]
    bench.service.delete_job(types.DeleteJobRequest(name=name("j")))
    bench.context.agenda.travel(24 * HOUR)
    assert len(bench.sent) == 2
    with pytest.raises(exceptions.NotFound):
        bench.get("j")


def test_changes_while_an_attempt_is_on_its_way(bench):
    begun, go = threading.Event(), threading.Event()
    bench.answer = lambda: (begun.set(), go.wait(10), 500)[-1]
    bench.create("j", "0 * * * *", retry_config={"retry_count": 5})
    traveller = threading.Thread(target=lambda: bench.context.agenda.travel(START + HOUR + 30 * MINUTE))
    traveller.start()
    assert begun.wait(10)
    bench.service.pause_job(types.PauseJobRequest(name=name("j")))
    go.set()
    traveller.join(10)
    assert (len(bench.sent), bench.get("j").state) == (1, State.PAUSED)  # not retried
    bench.service.resume_job(types.ResumeJobRequest(name=name("j")))
    bench.answer = lambda: 200
    bench.context.agenda.travel(HOUR)
    assert bench.times()[1:] == [START + 2 * HOUR]


def test_missed_runs_are_made_up_for_once(bench):
    bench.create("j", "0 * * * *")
    bench.create("paused", "0 * * * *")
    bench.service.pause_job(types.PauseJobRequest(name=name("paused")))
    bench.context.agenda.close()
    bench.clock.set(START + 10 * HOUR + 30 * MINUTE)  # the emulator was down
    agenda = Agenda(bench.clock, bench.context.agenda._pool)
    object.__setattr__(bench.context, "agenda", agenda)
    bench.begin()
    agenda.travel(HOUR)
    assert bench.times() == [START + 10 * HOUR + 30 * MINUTE, START + 11 * HOUR]
    assert bench.sent[0].headers["X-CloudScheduler-ScheduleTime"] == "2013-01-01T01:00:00Z"
    agenda.close()


def test_a_clock_that_is_set_back(bench):
    bench.create("j", "0 * * * *")
    bench.context.agenda.set_back(START - 24 * HOUR)
    assert bench.get("j").schedule_time == START - 23 * HOUR
    bench.context.agenda.travel(2 * HOUR)
    assert len(bench.sent) == 2


def test_pubsub_and_app_engine(bench):
    target = {"topic_name": "projects/p/topics/t", "data": b"x", "attributes": {"a": "b"}}
    bench.create("p", "0 * * * *", pubsub_target=target)
    bench.create("a", "0 * * * *", app_engine_http_target={"relative_uri": "/tick"})
    bench.context.agenda.travel(HOUR)
    request = bench.published[0]
    assert (request.topic, request.messages[0].data, dict(request.messages[0].attributes)) == (
        "projects/p/topics/t",
        b"x",
        {"a": "b"},
    )
    assert bench.get("p").status.code == 0
    status = bench.get("a").status
    assert (status.code, "App Engine is not emulated" in status.message) == (5, True)


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [
        (404, 5, "URL_ERROR-ERROR_NOT_FOUND"),
        (403, 7, "AUTHENTICATION"),
        (418, 2, "code number = 418"),
        (UnreachableError("no answer within 180 s"), 4, "TIMEOUT"),
        (UnreachableError("refused"), 14, "refused"),
        (RuntimeError("a bug"), 13, "a bug"),
    ],
)
def test_what_an_attempt_comes_to(bench, answer, code, text):
    def act():
        if isinstance(answer, Exception):
            raise answer
        return answer

    bench.answer = act
    bench.create("j", "0 * * * *")
    bench.context.agenda.travel(HOUR)
    status = bench.get("j").status
    assert (status.code, text in status.message) == (code, True), status


def test_redirects_are_followed_and_take_no_token_elsewhere(bench):
    hops = iter(
        [Answer(302, {"location": "/b"}, b""), Answer(307, {"Location": "http://other/c"}, b""), Answer(200, {}, b"")]
    )
    bench.answer = lambda: next(hops)
    token = {"service_account_email": "a@b"}
    bench.create("j", "0 * * * *", http_target={"uri": "http://target/a", "oidc_token": token, "body": b"x"})
    bench.context.agenda.travel(HOUR)
    seen = [(call.method, call.url, "Authorization" in call.headers) for call in bench.sent]
    assert seen == [
        ("POST", "http://target/a", True),
        ("GET", "http://target/b", True),
        ("GET", "http://other/c", False),
    ]
    assert bench.get("j").status.code == 0


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"schedule": "61 * * * *"}, "minute"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"http_target": {"uri": "ftp://x"}}, "uri"),
        ({"http_target": {"uri": "http://x", "http_method": "GET", "body": b"x"}}, "GET has no body"),
        ({"http_target": {"uri": "http://x", "oidc_token": {}}}, "email"),
        ({"pubsub_target": {"topic_name": "t", "data": b"x"}}, "projects/{project}/topics/{topic}"),
        ({"pubsub_target": {"topic_name": "projects/other/topics/t", "data": b"x"}}, "project"),
        ({"pubsub_target": {"topic_name": "projects/p/topics/t"}}, "data or at least one attribute"),
        ({"app_engine_http_target": {"http_method": "PATCH"}}, "PATCH is not permitted"),
        ({"app_engine_http_target": {"relative_uri": "tick"}}, "slash"),
        ({"retry_config": {"retry_count": 6}}, "retry_count"),
        ({"retry_config": {"min_backoff_duration": HOUR, "max_backoff_duration": MINUTE}}, "min_backoff"),
        ({"attempt_deadline": SECOND}, "attempt_deadline"),
        ({"attempt_deadline": HOUR}, "attempt_deadline"),
        ({"description": "x" * 501}, "description"),
        ({"name": f"{PARENT}/jobs/a b"}, "job.name"),
        ({"name": "projects/p/locations/elsewhere/jobs/j"}, "is not below"),
    ],
)
def test_bad_jobs_are_refused_and_nothing_is_kept(bench, fields, why):
    base = {"name": name("j"), "schedule": "0 * * * *"}
    if not any(key.endswith("target") for key in fields):
        base["http_target"] = {"uri": "http://x"}
    with pytest.raises(exceptions.InvalidArgument, match=why):
        bench.service.create_job(types.CreateJobRequest(parent=PARENT, job=types.Job(base | fields)))
    assert list(bench.service.list_jobs(types.ListJobsRequest(parent=PARENT)).jobs) == []


def test_no_target_and_a_second_of_the_same_name(bench):
    with pytest.raises(exceptions.InvalidArgument, match="target"):
        bench.service.create_job(types.CreateJobRequest(parent=PARENT, job={"schedule": "0 * * * *"}))
    bench.create("j", "0 * * * *")
    with pytest.raises(exceptions.AlreadyExists, match="already exists"):
        bench.create("j", "0 * * * *")


def test_a_bad_update_changes_nothing(bench):
    bench.create("j", "0 * * * *", http_target={"uri": "http://x", "headers": {"A": "1"}})
    update = types.UpdateJobRequest(job={"name": name("j"), "schedule": "no"}, update_mask={"paths": ["schedule"]})
    with pytest.raises(exceptions.InvalidArgument):
        bench.service.update_job(update)
    assert bench.get("j").schedule == "0 * * * *"
    headers = types.UpdateJobRequest(
        job={"name": name("j"), "http_target": {"headers": {"B": "2"}}}, update_mask={"paths": ["http_target.headers"]}
    )
    assert dict(bench.service.update_job(headers).http_target.headers) == {
        "A": "1", "B": "2", "User-Agent": "Google-Cloud-Scheduler",
    }  # fmt: skip
