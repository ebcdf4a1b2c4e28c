"""A timetable on a clock that stands still, its calls noted instead of sent."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from google.cloud.scheduler_v1 import types
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.outbound import Answer
from gcpmlops.emulator.services.scheduler.log import ExecutionLog
from gcpmlops.emulator.services.scheduler.service import CloudScheduler
from gcpmlops.emulator.services.scheduler.targets import Targets
from gcpmlops.emulator.services.scheduler.timetable import Timetable
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

START = datetime(2013, 1, 1, tzinfo=UTC)
PARENT = "projects/p/locations/us-central1"


@dataclass
class Sent:
    """One call that a target would have got."""

    when: datetime
    method: str
    url: str
    headers: dict
    body: bytes


@dataclass
class Bench:
    clock: TravelClock
    store: Store
    context: Context
    sent: list[Sent] = field(default_factory=list)
    published: list = field(default_factory=list)
    logged: list = field(default_factory=list)
    status: int = 200

    def send(self, method, url, *, headers=None, body=b"", timeout):
        self.sent.append(Sent(self.clock.now(), method, url, dict(headers or {}), body))
        answer = self.answer() if callable(getattr(self, "answer", None)) else self.status
        return answer if isinstance(answer, Answer) else Answer(answer, {}, b"")

    def oidc(self, email, audience):
        return {"Authorization": f"Bearer oidc:{email}:{audience}"}

    def oauth(self, email):
        return {"Authorization": f"Bearer oauth:{email}"}

    def begin(self):
        """As at a start of the emulator."""
        targets = Targets(self, self.published.append)
        self.timetable = Timetable(self.context, targets, ExecutionLog(self.logged.append))
        self.timetable.resume()
        self.service = CloudScheduler(self.context, self.timetable)

    def create(self, name, schedule, **fields):
        target = {"http_target": {"uri": f"http://target/{name}"}}
        if not {"pubsub_target", "app_engine_http_target", "http_target"} & set(fields):
            fields |= target
        job = types.Job(name=f"{PARENT}/jobs/{name}", schedule=schedule, **fields)
        return self.service.create_job(types.CreateJobRequest(parent=PARENT, job=job))

    def get(self, name):
        return self.service.get_job(types.GetJobRequest(name=f"{PARENT}/jobs/{name}"))

    def times(self, name=""):
        return [call.when for call in self.sent if call.url.endswith(name)]


@pytest.fixture
def bench(tmp_path):
    clock = TravelClock(frozen=START)
    store = Store(tmp_path / "state.db", now=clock.now)
    with ThreadPoolExecutor(8) as pool:
        agenda = Agenda(clock, pool)
        operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
        made = Bench(clock, store, Context(store, clock, operations, Locks(), Settings(data_dir=tmp_path), agenda))
        made.begin()
        yield made
        agenda.close()
    store.close()
