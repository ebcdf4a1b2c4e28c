"""The one definition of a delivery, as a YAML file; what is wrong in it is said with file and line.

name: penguins
model: penguins
source: train.py
training: data/training.csv        # a file, or a query
evaluation: SELECT ... FROM ml.penguins WHERE ...
evaluate: {target: species, score: prediction_1}
gates: gates.yaml
lint: ruff check .
test: pytest -q
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from gcpmlops._cicd import platforms
from gcpmlops._endpoints.strategies import Canary, Quality
from gcpmlops._functions.ignoring import files
from gcpmlops._jobs.settings import JobSettings
from gcpmlops._retraining.recipe import DEPLOY, EVALUATE
from gcpmlops._serving import ServerSettings
from gcpmlops._version import __version__
from gcpmlops._yaml_file import YamlFile, allowed
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import SERVICE_ACCOUNT, is_gs_uri, service_account_email

STEPS = ("lint", "test", "train", "evaluate", "gate", "register", "deploy", "promote")
CHECKS = ("lint", "test")  # these need no cloud
TARGETS = ("cloudbuild", "github", "gitlab", "jenkins")
DATA_FILES = (".csv", ".json", ".jsonl", ".parquet")
NAME = r"[A-Za-z][A-Za-z0-9-]{0,39}"
_SHORT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_NOT_HERE = ("dry_run", "service_account", "staging_bucket", "display_name")


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A delivery from the source to the promotion.

    Attributes:
        name: letters, digits, hyphens.
        model: display name of the registered model that gets a version.
        source: the training code, as `training.submit` takes it, beside the file.
        evaluation: a query, or a CSV, JSON lines or Parquet file: the rows that both models are judged on.
        evaluate: what `evaluation.classification` (or the other `task`) is told: target, score, ...
        endpoint: display name of the endpoint; the model's name otherwise. It is made if need be.
        training: the same for the rows to learn from; without any the job finds its own.
        task: classification or regression.
        features: the columns that are sent to the model, in this order; all but the target otherwise.
        job: settings of `training.submit`; {table}, {evaluation_table}, {run} and {now} in args and env are filled in.
        gates: a gates file. Gates against the champion are left out while there is none.
        canary: settings of `Canary`.
        deploy: hardware of the deployment.
        server: of the container, as `models.upload` takes it.
        dataset: where both tables are put.
        samples: rows of the evaluation data that are stored with the version, and probe it.
        lint, test: shell commands, run in the definition's folder.
        requirements: what pip installs for them and for gcpmlops' own steps, or the path of a requirements file.
        gcpmlops: the requirement that brings gcpmlops itself.
        accounts: delivery (the pipeline), training (its jobs), serving (its models): emails, or the part before the @.
        project, location, staging_bucket: what the rendered pipelines set; a project is else each platform's variable.
        branch: pushes to it deliver.
        python: MAJOR.MINOR that the pipelines run in.
        targets: what `generate` renders unless told.
        cloudbuild, github, gitlab, jenkins: settings of one platform.
    """

    path: Path
    name: str
    model: str
    source: str
    evaluation: str
    evaluate: Mapping[str, Any]
    endpoint: str = ""
    training: str = ""
    task: str = "classification"
    features: Sequence[str] = ()
    job: Mapping[str, Any] = field(default_factory=dict)
    gates: str = ""
    canary: Mapping[str, Any] = field(default_factory=dict)
    deploy: Mapping[str, Any] = field(default_factory=dict)
    server: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = "ml"
    samples: int = 20
    lint: Sequence[str] = ()
    test: Sequence[str] = ()
    requirements: Sequence[str] | str = ()
    gcpmlops: str = f"gcpmlops[evaluation]=={__version__}"
    accounts: Mapping[str, str] = field(default_factory=dict)
    project: str = ""
    location: str = "us-central1"
    staging_bucket: str = ""
    branch: str = "main"
    python: str = "3.11"
    targets: Sequence[str] = TARGETS
    cloudbuild: Mapping[str, Any] = field(default_factory=dict)
    github: Mapping[str, Any] = field(default_factory=dict)
    gitlab: Mapping[str, Any] = field(default_factory=dict)
    jenkins: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where commands run, and what it names is looked for."""
        return self.path.parent

    @property
    def steps(self) -> tuple[str, ...]:
        """In order; linting and testing only where there is something to run."""
        return tuple(step for step in STEPS if step not in CHECKS or getattr(self, step))

    @property
    def digest(self) -> str:
        """Of all that it says; comments and layout don't count."""
        plain = {key: value for key, value in asdict(self).items() if key != "path"}
        return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()[:16]

    @property
    def stamp(self) -> str:
        """Of the definition and the training code: what a delivery that goes on must not differ in."""
        source, found = self.folder / self.source, hashlib.sha256(self.digest.encode())
        if not is_gs_uri(self.source):
            named = sorted(files(source)) if source.is_dir() else [(source.name, source)]
            for name, path in named:
                if not name.startswith("."):
                    found.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        return found.hexdigest()[:16]

    def account(self, kind: str, project: str) -> str:
        """Its email in a project; empty where none is named."""
        given = self.accounts.get(kind, "")
        return given if "@" in given or not given else service_account_email(given, project)

    @property
    def strategy(self) -> Canary:
        """How the model is put into production."""
        given = dict(self.canary)
        if isinstance(given.get("quality"), Mapping):
            given["quality"] = Quality(**given["quality"])
        return Canary(**given)


_KEYS = tuple(each.name for each in fields(Definition) if each.name != "path")
_NEEDED = ("name", "model", "source", "evaluation", "evaluate", "gates")
_TEXTS = ("features", "targets", *CHECKS)
_JOB = tuple(key for key in JobSettings.__annotations__ if key not in _NOT_HERE)
_SUB_KEYS: dict[str, Sequence[str]] = {
    "job": _JOB,
    "evaluate": EVALUATE,
    "canary": tuple(each.name for each in fields(Canary)),
    "deploy": tuple(key for key in DEPLOY if key != "service_account"),
    "server": tuple(ServerSettings.__annotations__),
    "accounts": ("delivery", "training", "serving"),
    "cloudbuild": ("image", "timeout", "machine_type"),
    "github": ("workload_identity_provider", "runs_on", "environment"),
    "gitlab": ("workload_identity_provider", "image", "tags"),
    "jenkins": ("agent", "image", "credentials"),
}
_PATTERNS = {  # what a text looks like, and how that is said
    "name": (re.compile(NAME), "up to 40 letters, digits and hyphens, a letter first"),
    "python": (re.compile(r"3\.(?:1[1-9]|[2-9]\d)"), "3.11 or later, in quotes"),
    "task": (re.compile("classification|regression"), "classification, regression"),
    "branch": (re.compile(r"(?![./-])(?!.*(?:\.\.|//|/\.|[./]$|\.lock(?:/|$)))[\w./-]+"), "the name of a branch"),
    "location": (re.compile(r"[a-z]+(?:-[a-z]+\d+)?"), "a location such as us-central1"),
    "project": (re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"), "a project id"),
    "staging_bucket": (re.compile(r"(?:gs://)?[a-z0-9][a-z0-9._-]+[a-z0-9]/?"), "a bucket's name"),
    "dataset": (re.compile(r"\w+"), "the id of a dataset"),
}


class _DefinitionFile(YamlFile):
    keys = ", ".join(_NEEDED)

    def definition(self) -> Definition:
        given: dict[str, Any] = {}
        nodes: dict[str, Any] = {}
        root = self._root()
        for key, key_node, node in self._pairs(root, "the file"):
            self._check_key(key, key_node, _KEYS)
            given[key], nodes[key] = self._value(key, node), node
        for name in _NEEDED:
            if name not in given:
                raise self._error(f"{name} is missing", root, allowed(name, self.keys))
        self._check_evaluate(given, nodes["evaluate"])
        made = Definition(path=self._path, **{"endpoint": given["model"], **given})
        self._check_canary(made, nodes)
        self._check_files(made, nodes)
        return made

    def _check_evaluate(self, given: Mapping[str, Any], node: Any) -> None:
        """Found now, not when the training is paid for."""
        told, regression = given["evaluate"], given.get("task") == "regression"
        if "target" not in told:
            raise self._error("evaluate names no target", node, allowed("evaluate", "target: COLUMN"))
        columns = ("prediction",) if regression else ("score", "prediction")
        if sum(name in told for name in columns) != 1 or (regression and "score" in told):
            words = " or ".join(f"{name}: COLUMN" for name in columns)
            raise self._error("evaluate does not say what is predicted", node, allowed("evaluate", words))

    def _value(self, key: str, node: Any) -> Any:
        if key in _SUB_KEYS:
            return self._mapping(key, node)
        if key in _TEXTS:
            return self._texts(key, node)
        value = self._plain(node)
        if key == "requirements":
            return value if isinstance(value, str) else self._texts(key, node)
        if key == "samples":
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise self._error(f"samples: {value!r} is no number of rows", node, allowed(key, "0 or more"))
            return value
        return self._text(key, value, node)

    def _text(self, key: str, value: Any, node: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self._error(f"{key}: {value!r} is no text", node, allowed(key, "text; numbers in quotes"))
        pattern, words = _PATTERNS.get(key, (None, ""))
        if pattern and not pattern.fullmatch(value):
            raise self._error(f"{key}: {value!r} is not possible", node, allowed(key, words))
        return value

    def _texts(self, key: str, node: Any) -> list[str]:
        value = self._plain(node)
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(each, str) and each.strip() for each in found):
            raise self._error(f"{key} is no list of texts", node, allowed(key, "text, or a list of texts"))
        for target in found if key == "targets" else ():
            if target not in TARGETS:
                raise self._error(f"there is no target {target!r}", node, allowed(key, ", ".join(TARGETS)))
        return found

    def _mapping(self, key: str, node: Any) -> dict[str, Any]:
        found = {}
        for name, name_node, child in self._pairs(node, key):
            self._check_key(name, name_node, _SUB_KEYS[key])
            found[name] = value = self._plain(child)
            if key == "accounts":
                self._check_account(value, child)
            if key in TARGETS and (words := platforms.problem(name, value)):
                raise self._error(f"{key}: {name} can't be {value!r}", child, allowed(name, words))
        return found

    def _check_account(self, value: Any, node: Any) -> None:
        if not isinstance(value, str) or not (SERVICE_ACCOUNT.fullmatch(value) or _SHORT.fullmatch(value)):
            words = "an email, or its part before the @: 6 to 30 lower-case letters, digits and hyphens"
            raise self._error(f"{value!r} is no service account", node, allowed("accounts", words))

    def _check_canary(self, made: Definition, nodes: Mapping[str, Any]) -> None:
        try:
            probes = made.strategy.probes
        except (TypeError, InvalidArgument) as exc:
            cause = exc if isinstance(exc, InvalidArgument) else allowed("canary", ", ".join(_SUB_KEYS["canary"]))
            raise self._error(f"canary: {str(exc).partition(chr(10))[0]}", nodes["canary"], cause) from exc
        if probes and not made.samples:
            raise self._error("canary: probes needs samples", nodes["samples"], allowed("samples", "1 or more"))

    def _check_files(self, made: Definition, nodes: Mapping[str, Any]) -> None:
        """What it names is there. A query is no file."""
        named = {"source": made.source, "gates": made.gates}
        named |= {key: getattr(made, key) for key in ("training", "evaluation") if is_file(getattr(made, key))}
        if isinstance(made.requirements, str):
            named["requirements"] = made.requirements
        for key, name in named.items():
            if not is_gs_uri(name) and not (made.folder / name).exists():
                raise self._error(f"{key}: {name} is not there", nodes[key], allowed(key, f"a path in {made.folder}"))


def is_file(source: str) -> bool:
    """Whether data is a file, here or at gs://, and no query."""
    return source.endswith(DATA_FILES) and not re.search(r"\s", source.strip())


def read(path: Path) -> Definition:
    """The definition of a file. Raises InvalidArgument naming file and line."""
    return _DefinitionFile(path).definition()
