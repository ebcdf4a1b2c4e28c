"""How official clients are made: host, user agent, quota project, retries, waiting."""

import pytest
import requests
from google.api_core import exceptions as theirs
from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform_v1.types import CustomJob
from google.longrunning.operations_pb2 import Operation as OperationMessage

from gcpmlops import Client, Config, exceptions
from gcpmlops.clients import USER_AGENT, is_transient


@pytest.fixture
def cloud():
    """A client of Google itself; nothing is sent."""
    with Client(config=Config(project="p", location="europe-west4"), credentials=AnonymousCredentials()) as client:
        yield client


def test_google_by_default(cloud: Client) -> None:
    clients = cloud.clients
    assert clients.jobs.transport.host == "europe-west4-aiplatform.googleapis.com:443"
    assert clients.prediction.transport.host == "europe-west4-aiplatform.googleapis.com:443"
    assert clients.logging.transport.host == "logging.googleapis.com:443"
    assert clients.storage._connection.API_BASE_URL == "https://storage.googleapis.com"
    assert clients.bigquery._connection.API_BASE_URL == "https://bigquery.googleapis.com"


def test_one_endpoint_for_all() -> None:
    config = Config(project="p", endpoint="http://127.0.0.1:9")
    with Client(config=config, credentials=AnonymousCredentials()) as client:
        assert client.clients.storage._connection.API_BASE_URL == "http://127.0.0.1:9"
        assert client.clients.bigquery._connection.API_BASE_URL == "http://127.0.0.1:9"
        with pytest.raises(exceptions.Unavailable, match=r"127\.0\.0\.1:9"):
            client.training.list()
        with pytest.raises(exceptions.Unavailable, match="config show"):
            client.storage.list_buckets()


def test_user_agent(cloud: Client) -> None:
    assert USER_AGENT in cloud.clients.storage._connection.user_agent
    assert USER_AGENT in cloud.clients.bigquery._connection.user_agent


def test_clients_are_kept_until_closed(cloud: Client) -> None:
    first = cloud.clients.jobs
    assert cloud.clients.jobs is first
    cloud.close()
    assert cloud.clients.jobs is not first


def test_missing_key_file_says_how_to_log_in() -> None:
    with pytest.raises(exceptions.Unauthenticated, match="application-default login"):
        Client(config=Config(project="p", credentials_file="/no/such/key.json")).clients.credentials  # noqa: B018


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (theirs.ServiceUnavailable("x"), True),
        (theirs.ResourceExhausted("x"), True),
        (theirs.DeadlineExceeded("x"), True),
        (requests.ConnectionError("reset by peer"), True),
        (requests.Timeout("x"), True),
        (theirs.ServiceUnavailable("Connection refused"), False),
        (theirs.NotFound("x"), False),
        (theirs.InternalServerError("x"), False),
        (ValueError("x"), False),
    ],
)
def test_what_is_tried_again(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


class TestOperations:
    """`finish`, on operations whose polls are answered here."""

    def operation(self, *polls: OperationMessage | Exception):
        from google.api_core.operation import Operation

        answers = iter(polls)

        def refresh(**_: object) -> OperationMessage:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return Operation(OperationMessage(name="operations/1"), refresh, lambda: None, CustomJob)

    def failed(self, code: int, message: str) -> OperationMessage:
        done = OperationMessage(name="operations/1", done=True)
        done.error.code, done.error.message = code, message
        return done

    def test_response(self, cloud: Client) -> None:
        done = OperationMessage(name="operations/1", done=True)
        done.response.Pack(CustomJob.pb(CustomJob(name="x")))
        found = cloud.clients.finish(self.operation(OperationMessage(), done), timeout=10, resource="thing")
        assert found.name == "x"

    def test_error_of_the_operation(self, cloud: Client) -> None:
        with pytest.raises(exceptions.OperationFailed, match="thing: the server died"):
            cloud.clients.finish(self.operation(self.failed(13, "the server died")), timeout=10, resource="thing")

    def test_error_that_has_a_name(self, cloud: Client) -> None:
        with pytest.raises(exceptions.InvalidArgument, match="no such image"):
            cloud.clients.finish(self.operation(self.failed(3, "no such image")), timeout=10, resource="thing")

    def test_poll_that_fails(self, cloud: Client) -> None:
        with pytest.raises(exceptions.PermissionDenied):
            cloud.clients.finish(self.operation(theirs.PermissionDenied("no")), timeout=10, resource="thing")

    def test_time_runs_out(self, cloud: Client) -> None:
        polls = [OperationMessage()] * 20
        with pytest.raises(exceptions.DeadlineExceeded, match="thing"):
            cloud.clients.finish(self.operation(*polls), timeout=0.2, resource="thing")
