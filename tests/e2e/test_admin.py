"""`gcloud projects|services|iam|billing`, unmodified, through `gcpmlops emulator exec`."""

import json
import shutil
import sys

import pytest

from .conftest import GCPMLOPS, Shell, run

pytestmark = [
    pytest.mark.gcloud,
    pytest.mark.xdist_group("e2e-gcloud"),
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed"),
]


@pytest.fixture
def gcloud(shell: Shell):
    """What gcloud prints, or what it says where it has to fail."""

    def call(*command: str, code: int = 0) -> str:
        done = shell.tool("gcloud", "--quiet", *command, code=code)
        return (done.stderr if code else done.stdout).strip()

    return call


def test_a_project_its_apis_and_who_pays(gcloud, unique) -> None:
    project = unique("made")
    gcloud("projects", "create", project, "--labels=team=ml")
    assert "already in use" in gcloud("projects", "create", project, code=1)
    described = json.loads(gcloud("projects", "describe", project, "--format=json"))
    assert (described["lifecycleState"], described["labels"]) == ("ACTIVE", {"team": "ml"})
    account = gcloud("billing", "accounts", "list", "--format=value(name)")
    gcloud("billing", "projects", "link", project, f"--billing-account={account}")
    place = f"--project={project}"
    assert "cloudbuild.googleapis.com" in gcloud("services", "disable", "pubsub.googleapis.com", place, code=1)
    gcloud("services", "disable", "vision.googleapis.com", place)
    listed = gcloud("services", "list", "--enabled", place, "--format=value(config.name)").split()
    assert "vision.googleapis.com" not in listed
    assert "run.googleapis.com" in listed
    gcloud("projects", "delete", project)
    assert gcloud("projects", "list", f"--filter=projectId:{project}", "--format=value(projectId)") == ""
    gcloud("projects", "undelete", project)


def test_an_account_and_what_it_may(gcloud, shell: Shell, unique) -> None:
    name = unique("robot")
    gcloud("iam", "service-accounts", "create", name, "--description=Does it all.")
    email = f"{name}@local-project.iam.gserviceaccount.com"
    member = (f"--member=serviceAccount:{email}", "--role=roles/viewer")
    gcloud("projects", "add-iam-policy-binding", "local-project", *member)
    policy = json.loads(gcloud("projects", "get-iam-policy", "local-project", "--format=json"))
    assert [b["role"] for b in policy["bindings"] if f"serviceAccount:{email}" in b["members"]] == ["roles/viewer"]
    gcloud("iam", "service-accounts", "keys", "create", "key.json", f"--iam-account={email}")
    assert json.loads((shell.cwd / "key.json").read_text())["client_email"] == email
    acting = f"--impersonate-service-account={email}"
    assert gcloud("projects", "describe", "local-project", acting, "--format=value(projectId)") == "local-project"
    gcloud("iam", "service-accounts", "delete", email)
    assert "does not exist" in gcloud("iam", "service-accounts", "describe", email, code=1)
    assert "does not exist" in gcloud("projects", "add-iam-policy-binding", "local-project", *member, code=1)


ASKING = """
import os, pathlib, requests
token = pathlib.Path(os.environ["GCPMLOPS_TOKEN_FILE"]).read_text().strip()
url = "https://cloudscheduler.googleapis.com/v1/projects/local-project/locations/us-central1/jobs"
print(requests.get(url, headers={"Authorization": f"Bearer {token}"}).text)
"""


def test_exec_starts_a_strict_emulator(tmp_path) -> None:
    """A project that has nothing yet: what is called first is refused, and says what enables it."""
    options = ("--ephemeral", "--project=local-project", "--no-enable-all", "--enforce-iam")
    done = run((*GCPMLOPS, "emulator", "exec", *options, "--", sys.executable, "-c", ASKING), cwd=tmp_path)
    assert "Cloud Scheduler API has not been used in project" in done.stdout
