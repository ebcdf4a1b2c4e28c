"""The set-up as data: names, roles by action, what is missing, gcpmlops.toml."""

from pathlib import Path

import pytest

from gcpmlops._project import commands, settings
from gcpmlops._project.blueprint import Blueprint
from gcpmlops._project.grants import ACTIONS, RULES, Action
from gcpmlops._project.steps import missing
from gcpmlops._project.survey import Survey
from gcpmlops.exceptions import ConfigError, InvalidArgument

EMPTY = Survey(frozenset(), {}, {}, {}, True, {})


def complete(plan: Blueprint) -> Survey:
    bindings: dict[str, set[tuple[str, str]]] = {}
    for grant in plan.grants:
        bindings.setdefault(grant.resource, set()).add((grant.role, grant.member))
    places = [f"gs://{bucket}" for bucket in plan.all_buckets]
    places += [f"{plan.project}.{dataset}" for dataset in plan.all_datasets]
    found = dict.fromkeys([*places, *filter(None, [plan.repository])], plan.location)
    return Survey(frozenset(plan.apis), dict.fromkeys(plan.accounts.values()), found, bindings, True, {})


@pytest.mark.parametrize("project", ["Project", "p", "1project", "project-", "project_x", "a" * 31, ""])
def test_a_project_id_that_is_not_allowed(project: str) -> None:
    with pytest.raises(InvalidArgument, match="project") as caught:
        Blueprint(project)
    assert "6 to 30" in str(caught.value)


def test_names_follow_from_project_and_name() -> None:
    plan = Blueprint("my-project", "europe-west4", name="fraud", buckets=("extra",), datasets=("flights",))
    assert plan.accounts["training"] == "fraud-training@my-project.iam.gserviceaccount.com"
    assert plan.all_buckets == ("my-project-fraud-data", "my-project-vertex-staging-europe-west4", "extra")
    assert plan.all_datasets == ("fraud", "feedback", "retraining", "flights")
    assert plan.repository == "projects/my-project/locations/europe-west4/repositories/fraud"
    assert plan.labels == {"managed-by": "gcpmlops", "gcpmlops-setup": "fraud"}


@pytest.mark.parametrize(
    ("argument", "value"),
    [("buckets", "Big_Bucket"), ("buckets", "a"), ("datasets", "my-project.flights"), ("datasets", "a-b")],
)
def test_further_buckets_and_datasets_have_names_that_google_allows(argument: str, value: str) -> None:
    with pytest.raises(InvalidArgument, match=value) as caught:
        Blueprint("my-project", **{argument: (value,)})  # type: ignore[arg-type]
    assert caught.value.field == argument


def test_the_staging_bucket_that_is_set_takes_the_place_of_the_default() -> None:
    plan = Blueprint("my-project", staging="ours")
    assert plan.all_buckets == ("my-project-ml-data", "ours")
    assert settings.wanted(plan)["staging_bucket"] == "ours"
    with pytest.raises(InvalidArgument, match="bucket") as caught:  # 69 letters by default
        Blueprint("p" * 30, "northamerica-northeast1")
    assert caught.value.field == "staging_bucket"


def test_account_ids_are_within_googles_limit() -> None:
    plan = Blueprint("my-project", name="a" * 17)
    assert all(6 <= len(email.partition("@")[0]) <= 30 for email in plan.accounts.values())


def test_only_what_the_planned_actions_need() -> None:
    plan = Blueprint("my-project", actions=("train",))
    assert set(plan.accounts) == {"delivery", "training"}
    assert plan.repository is None
    assert "cloudbuild.googleapis.com" not in plan.apis
    assert {grant.role for grant in plan.grants if "training@" in grant.member} == {
        f"roles/{rule.role}" for rule in RULES if rule.account == "training"
    }
    assert not [grant for grant in plan.grants if "serving" in grant.resource + grant.member]


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_can_be_planned_alone(action: Action) -> None:
    """What is made has its API; what runs has an account; what is uploaded has a bucket that takes it."""
    plan = Blueprint("my-project", actions=(action,))
    apis = {api.partition(".")[0] for api in plan.apis}
    assert {"iam", "storage", "bigquery"} <= apis
    assert plan.repository is None or "artifactregistry" in apis
    used = {grant.role.removeprefix("roles/").partition(".")[0] for grant in plan.grants}
    of_roles = {
        "aiplatform",
        "logging",
        "monitoring",
        "cloudfunctions",
        "cloudscheduler",
        "pubsub",
        "run",
        "cloudbuild",
    }
    assert used & of_roles <= apis
    accounts = {grant.member.partition("ml-")[2].partition("@")[0] for grant in plan.grants}
    assert accounts == set(plan.accounts)
    uploads = [grant for grant in plan.grants if "delivery@" in grant.member and "objectUser" in grant.role]
    assert len(uploads) == (0 if action == "alert" else len(plan.all_buckets))
    if action == "retrain":
        assert {"training", "serving"} <= set(plan.accounts)


def test_each_action_adds_something() -> None:
    whole = set(Blueprint("my-project").grants) | set(Blueprint("my-project").apis)
    for action in ACTIONS:
        rest = Blueprint("my-project", actions=tuple(each for each in ACTIONS if each != action))
        assert whole - (set(rest.grants) | set(rest.apis)), action


def test_no_basic_role_and_no_admin_of_everything() -> None:
    roles = {grant.role for grant in Blueprint("my-project").grants}
    assert not roles & {"roles/owner", "roles/editor", "roles/viewer", "roles/storage.admin", "roles/aiplatform.admin"}


def test_developers_act_as_the_delivery_account() -> None:
    plan = Blueprint("my-project", developers=("group:ml@example.com",))
    (grant,) = [grant for grant in plan.grants if grant.member == "group:ml@example.com"]
    assert grant.role == "roles/iam.serviceAccountTokenCreator"
    assert grant.resource.endswith("/serviceAccounts/ml-delivery@my-project.iam.gserviceaccount.com")
    with pytest.raises(InvalidArgument, match="developers"):
        Blueprint("my-project", developers=("somebody",))


def test_everything_is_missing_from_an_empty_project_in_the_order_of_making() -> None:
    plan = Blueprint("my-project")
    steps = missing(plan, EMPTY)
    kinds = list(dict.fromkeys(step.kind for step in steps))
    assert kinds == ["API", "service account", "bucket", "dataset", "repository", "role"]
    assert sum(step.kind == "role" for step in steps) == len(plan.grants)


def test_nothing_is_missing_from_a_complete_one() -> None:
    plan = Blueprint("my-project")
    assert missing(plan, complete(plan)) == []


def test_each_missing_role_names_its_command_and_who_may_run_it() -> None:
    for step in missing(Blueprint("my-project"), EMPTY):
        if step.grant:
            assert step.grant.member in step.command.line
            assert step.grant.role in step.command.line
            assert step.command.who.startswith("roles/")


def test_grants_name_the_resource_in_the_tools_own_way() -> None:
    member = "serviceAccount:a@p.iam.gserviceaccount.com"
    grant = commands.grant
    assert grant("projects/p", "roles/x", member).line.startswith("gcloud projects add-iam-policy-binding p --member=")
    assert grant("gs://b", "roles/x", member).line.startswith("gcloud storage buckets add-iam-policy-binding gs://b")
    assert "GRANT `roles/x` ON SCHEMA `p`.d TO" in grant("p.d", "roles/x", member).line
    account = "projects/p/serviceAccounts/b@p.iam.gserviceaccount.com"
    assert "service-accounts add-iam-policy-binding b@p." in grant(account, "roles/x", member).line
    assert "remove-iam-policy-binding" in commands.revoke("projects/p", "roles/x", member).line


class TestSettings:
    plan = Blueprint("my-project", name="fraud", actions=("data", "train"), datasets=("flights",))

    def test_a_new_file_is_read_back(self, tmp_path: Path) -> None:
        path = settings.place(tmp_path)
        assert settings.write(path, settings.wanted(self.plan))
        assert settings.read(tmp_path) == {"name": "fraud", "actions": ("data", "train"), "datasets": ("flights",)}
        assert not settings.write(path, settings.wanted(self.plan)), "a second time changes nothing"

    def test_it_is_what_the_library_reads(self, tmp_path: Path) -> None:
        from gcpmlops.config import Config

        settings.write(tmp_path / "gcpmlops.toml", settings.wanted(self.plan))
        config = Config.load(environ={"HOME": str(tmp_path)}, directory=tmp_path)
        assert config.project == "my-project"
        assert config.service_account == "fraud-training@my-project.iam.gserviceaccount.com"
        assert config.account_for("serving") == config.service_account, "no model is served: none has an account"

    def test_what_people_wrote_stays(self, tmp_path: Path) -> None:
        path = tmp_path / "gcpmlops.toml"
        path.write_text('# ours\nlocation = "europe-west1"  # near us\n\n[emulator.images]\n"a/b" = "python x.py"\n')
        settings.write(path, settings.wanted(self.plan))
        text = path.read_text()
        assert "# ours" in text
        assert 'location = "europe-west1"  # near us' in text
        assert '[emulator.images]\n"a/b" = "python x.py"' in text
        assert settings.differences(path, settings.wanted(self.plan)) == {"location": ("europe-west1", "us-central1")}

    def test_what_people_wrote_in_its_own_table_stays(self, tmp_path: Path) -> None:
        path = tmp_path / "gcpmlops.toml"
        path.write_text('[setup]\n# fraud, since 2024\nname = "fraud"  # short\nbuckets = ["old"]\n\n[emulator]\n')
        path.chmod(0o640)
        settings.write(path, settings.wanted(self.plan))
        text = path.read_text()
        assert '[setup]\n# fraud, since 2024\nname = "fraud"  # short\n' in text
        assert "old" not in text
        assert path.stat().st_mode & 0o777 == 0o640
        assert settings.read(tmp_path) == {"name": "fraud", "actions": ("data", "train"), "datasets": ("flights",)}

    def test_a_folder_that_is_not_there_any_more(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="can't be written") as caught:
            settings.write(tmp_path / "gone" / "gcpmlops.toml", settings.wanted(self.plan))
        assert "run it again" in str(caught.value)

    @pytest.mark.parametrize("line", ["actions = 3", "colour = ['red']", "buckets = [1]"])
    def test_a_table_that_is_not_as_it_should_be(self, tmp_path: Path, line: str) -> None:
        (tmp_path / "gcpmlops.toml").write_text(f"[setup]\n{line}\n")
        with pytest.raises(ConfigError, match=line.partition(" ")[0]):
            settings.read(tmp_path)

    def test_a_table_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "gcpmlops.toml").write_text("setup = 3\n")
        with pytest.raises(ConfigError, match="setup = 3 is not valid"):
            settings.read(tmp_path)

    def test_a_broken_file(self, tmp_path: Path) -> None:
        (tmp_path / "gcpmlops.toml").write_text("[setup\n")
        with pytest.raises(ConfigError, match=r"gcpmlops\.toml"):
            settings.read(tmp_path)
