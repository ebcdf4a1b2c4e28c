"""What happens to secrets by the clock; an agenda of its own, so that nothing else is due on the way."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from google.api_core import exceptions
from google.cloud.secretmanager_v1 import types
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.secret_manager.notices import Notices
from gcpmlops.emulator.services.secret_manager.service import SecretPolicies, Secrets
from gcpmlops.emulator.services.secret_manager.vault import Vault
from gcpmlops.emulator.services.secret_manager.versions import Versions
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

State = types.SecretVersion.State
PARENT = "projects/p"


@dataclass
class Bench:
    agenda: Agenda
    secrets: Secrets
    versions: Versions
    policies: SecretPolicies

    def create(self, name: str, **fields) -> types.Secret:
        secret = {"replication": {"automatic": {}}, **fields}
        return self.secrets.create_secret(types.CreateSecretRequest(parent=PARENT, secret_id=name, secret=secret))

    def add(self, secret: types.Secret, data: bytes) -> types.SecretVersion:
        request = types.AddSecretVersionRequest(parent=secret.name, payload={"data": data})
        return self.versions.add_secret_version(request)

    def policy(self, name: str):
        return self.policies.get_iam_policy(iam_policy_pb2.GetIamPolicyRequest(resource=name))


@pytest.fixture
def bench(tmp_path):
    """As the catalog puts them together."""
    clock = TravelClock(frozen=datetime(2026, 1, 1, tzinfo=UTC))
    store = Store(tmp_path / "state.db", now=clock.now)
    with ThreadPoolExecutor(2) as pool:
        agenda = Agenda(clock, pool)
        operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
        context = Context(store, clock, operations, Locks(), Settings(data_dir=tmp_path), agenda)
        vault = Vault(context, Notices(lambda: pytest.fail("no secret has topics"), clock.now))
        policies = SecretPolicies(vault)
        vault.on_delete = policies.forget
        yield Bench(agenda, Secrets(vault), Versions(vault), policies)
        agenda.close()
    store.close()


def test_the_clock_ends_secrets_and_versions(bench) -> None:
    short = bench.create("short", ttl={"seconds": 3600})
    delayed = bench.create("delayed", version_destroy_ttl={"seconds": 2 * 86400})
    for secret in (short, delayed):
        bench.add(secret, b"x")
    name = f"{delayed.name}/versions/1"
    waiting = bench.versions.destroy_secret_version(types.DestroySecretVersionRequest(name=name))
    assert waiting.state == State.DISABLED
    assert waiting.scheduled_destroy_time - waiting.create_time > timedelta(days=1)
    binding = {"role": "roles/secretmanager.secretAccessor", "members": ["user:someone@example.com"]}
    policy = {"bindings": [binding]}
    bench.policies.set_iam_policy(iam_policy_pb2.SetIamPolicyRequest(resource=short.name, policy=policy))
    assert [each.role for each in bench.policy(short.name).bindings] == [binding["role"]]
    bench.agenda.travel(timedelta(hours=2))
    with pytest.raises(exceptions.NotFound):
        bench.secrets.get_secret(types.GetSecretRequest(name=short.name))
    again = bench.create("short")
    assert list(bench.policy(again.name).bindings) == []  # it is another secret
    bench.versions.enable_secret_version(types.EnableSecretVersionRequest(name=name))  # destruction is called off
    bench.agenda.travel(timedelta(days=3))
    found = bench.versions.access_secret_version(types.AccessSecretVersionRequest(name=name))
    assert found.payload.data == b"x"
    bench.versions.destroy_secret_version(types.DestroySecretVersionRequest(name=name))
    bench.agenda.travel(timedelta(days=3))
    assert bench.versions.get_secret_version(types.GetSecretVersionRequest(name=name)).state == State.DESTROYED
