"""Development: `python tests/infra/readmes.py` writes the README of each module from its variables and outputs."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from hcl import INFRA, bare, labelled

ABOUT = {
    "plan": "Names, labels and roles of the set-up, computed from `setup.json`, which gcpmlops writes of the "
    "definition that `gcpmlops init` has (`python -m gcpmlops._project.terraform`). No provider; makes nothing.",
    "apis": "Enables APIs. Destroy leaves them enabled: others may use them.",
    "identities": "Service accounts without keys, their roles on the project, and who may act as which of them.",
    "buckets": "Buckets: uniform access, never public, versioned; roles on each bucket.",
    "datasets": "BigQuery datasets and the roles on each.",
    "repository": "The Docker repository of Artifact Registry and the roles on it.",
    "function": "The retraining function (2nd generation), its source a zip file in a bucket. One instance, one "
    "request at a time. Who calls it needs roles/run.invoker; requests come from inside the project unless `ingress`.",
    "scheduler": "Cloud Scheduler jobs that call a URL with an identity token of a service account.",
    "alerts": "A notification channel, and alert policies on all endpoints of the project: errors and latency.",
    "federation": "Workload identity federation: pipelines of one repository and one branch at GitHub or GitLab act as "
    "the delivery account, without keys.",
}


ROOT = """\
# Infrastructure

- Terraform of the set-up that [`gcpmlops init`](../docs/setup.md) makes, with what a team adds to it:
  [docs/infrastructure.md](../docs/infrastructure.md).
- [elk](elk/README.md): logs in Elasticsearch: Filebeat, Logstash, index template, life-cycle policy.

## The root module
"""


def path_of(name: str) -> Path:
    """A module's folder; the root's for an empty name."""
    return INFRA / "modules" / name if name else INFRA


def text(name: str) -> str:
    """What the README of a module has to be."""
    lines = [f"# {name}", "", ABOUT[name], ""] if name else [ROOT]
    lines += ["| variable | default | what |", "| --- | --- | --- |"]
    for variable, body in labelled(path_of(name), "variable").items():
        default = f"`{_plain(body['default'])}`" if "default" in body else "required"
        lines.append(f"| `{variable}` | {default} | {_cell(body)} |")
    lines += ["", "| output | what |", "| --- | --- |"]
    lines += [f"| `{output}` | {_cell(body)} |" for output, body in labelled(path_of(name), "output").items()]
    return "\n".join(lines) + "\n"


def _cell(body: dict[str, str]) -> str:
    return bare(body["description"]).replace("|", "\\|")


def _plain(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, dict):
        return "{}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else bare(str(value))


if __name__ == "__main__":
    for each in ("", *ABOUT):
        (path_of(each) / "README.md").write_text(text(each), "utf-8")
