"""Google's exceptions become the library's, with what to do next."""

import re

import pytest
import requests
from google.api_core import exceptions as theirs
from google.auth import exceptions as auth

from gcpmlops import exceptions as ours
from gcpmlops.exceptions import translated


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (theirs.NotFound("gone"), ours.NotFound),
        (theirs.AlreadyExists("there"), ours.AlreadyExists),
        (theirs.Conflict("the bucket is not empty"), ours.FailedPrecondition),
        (theirs.Aborted("changed meanwhile"), ours.FailedPrecondition),
        (theirs.FailedPrecondition("deployed"), ours.FailedPrecondition),
        (theirs.InvalidArgument("bad"), ours.InvalidArgument),
        (theirs.Unauthenticated("who"), ours.Unauthenticated),
        (theirs.PermissionDenied("no"), ours.PermissionDenied),
        (theirs.ResourceExhausted("slow down"), ours.QuotaExceeded),
        (theirs.DeadlineExceeded("late"), ours.DeadlineExceeded),
        (theirs.ServiceUnavailable("down"), ours.Unavailable),
        (theirs.MethodNotImplemented("Foo.Bar"), ours.Unimplemented),
        (theirs.InternalServerError("oops"), ours.GcpMlopsError),
        (theirs.RetryError("gave up", cause=theirs.NotFound("gone")), ours.NotFound),
        (auth.DefaultCredentialsError("none"), ours.Unauthenticated),
        (auth.TransportError("refused"), ours.Unavailable),
        (requests.ConnectionError("refused"), ours.Unavailable),
    ],
)
def test_translation(raised: Exception, expected: type[ours.GcpMlopsError]) -> None:
    with pytest.raises(ours.GcpMlopsError) as caught, translated("thing x"):
        raise raised
    assert type(caught.value) is expected
    assert caught.value.__cause__ is raised


def test_the_resource_is_named_once() -> None:
    with pytest.raises(ours.NotFound, match=r"^thing x: gone$"), translated("thing x"):
        raise theirs.NotFound("gone")
    with pytest.raises(ours.NotFound, match=r"^thing x is gone$"), translated("thing x"):
        raise theirs.NotFound("thing x is gone")


def test_the_request_line_is_left_out() -> None:
    with pytest.raises(ours.NotFound, match=r"^b: no such bucket$"), translated("b"):
        raise theirs.NotFound("GET https://storage.googleapis.com/storage/v1/b/b?x=y: no such bucket")


def test_others_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), translated("x"):
        raise ZeroDivisionError


def test_as_decorator() -> None:
    @translated("thing")
    def fails() -> None:
        raise theirs.NotFound("gone")

    with pytest.raises(ours.NotFound):
        fails()


def test_vertex_permission_names_role_and_fix() -> None:
    message = (
        "Permission 'aiplatform.customJobs.create' denied on resource "
        "'//aiplatform.googleapis.com/projects/my-project/locations/us-central1' (or it may not exist)."
    )
    with pytest.raises(ours.PermissionDenied) as caught, translated():
        raise theirs.PermissionDenied(message)
    error = caught.value
    assert (error.permission, error.role) == ("aiplatform.customJobs.create", "roles/aiplatform.user")
    assert "add-iam-policy-binding my-project" in error.fix


def test_storage_permission_names_principal() -> None:
    message = "job@my-project.iam.gserviceaccount.com does not have storage.objects.get access to the object."
    with pytest.raises(ours.PermissionDenied) as caught, translated():
        raise theirs.Forbidden(message)
    assert caught.value.principal == "job@my-project.iam.gserviceaccount.com"
    assert "--member=serviceAccount:job@my-project.iam.gserviceaccount.com" in caught.value.fix
    assert "--role=roles/storage.objectViewer" in caught.value.fix


def test_disabled_service_says_how_to_enable_it() -> None:
    info = {"reason": "SERVICE_DISABLED", "metadata": {"service": "aiplatform.googleapis.com"}}
    from google.rpc.error_details_pb2 import ErrorInfo

    with pytest.raises(ours.PermissionDenied) as caught, translated():
        raise theirs.PermissionDenied("off", error_info=ErrorInfo(**info))
    assert caught.value.fix == "gcloud services enable aiplatform.googleapis.com"


def test_tree_in_the_docstring_is_the_tree() -> None:
    """Every class stands in the docstring, below its base."""
    names = {name for name, value in vars(ours).items() if isinstance(value, type) and issubclass(value, Exception)}
    listed = re.findall(r"^[│├└─ ]*([A-Z]\w+)", (ours.__doc__ or "").split("`translated")[0], re.MULTILINE)
    assert names == {name for name in listed if name != "Everything"}


def test_job_failed_shows_the_tail() -> None:
    error = ours.JobFailed("train failed", log_tail=["Traceback", "ValueError: x"], next_step="Look.")
    assert str(error) == "train failed\n    Traceback\n    ValueError: x\nLook."
