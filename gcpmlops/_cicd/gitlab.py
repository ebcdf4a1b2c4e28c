"""The delivery as .gitlab-ci.yml: by an ID token of the job, without keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gcpmlops import _yaml_text
from gcpmlops._cicd import shell
from gcpmlops._cicd.definition import Definition

_PROVIDER = "$GCPMLOPS_WORKLOAD_IDENTITY_PROVIDER"
_PROJECT = "$GCPMLOPS_PROJECT"
_ACCOUNT = "$GCPMLOPS_DELIVERY_ACCOUNT"
_TOKEN, _CREDENTIALS = "$CI_BUILDS_DIR/.gcpmlops-token", "$CI_BUILDS_DIR/.gcpmlops-credentials.json"


def render(definition: Definition, root: Path) -> str:
    """The file's text, without its header."""
    given = definition.gitlab
    checks = shell.checks(definition)
    jobs: dict[str, Any] = {}
    if checks:
        jobs["check"] = {"stage": "check", "script": [shell.step(definition, root, name) for name in checks]}
    jobs["deliver"] = _deliver(definition, root)
    return _yaml_text.dump(
        {
            "stages": list(jobs),
            "workflow": {
                "rules": [
                    {"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'},
                    {"if": f'$CI_COMMIT_BRANCH == "{definition.branch}"'},
                ]
            },
            "default": {
                "image": given.get("image", f"python:{definition.python}"),
                **({"tags": given["tags"]} if given.get("tags") else {}),
                "before_script": [shell.install(definition, root)],
            },
            **jobs,
        }
    )


def _deliver(definition: Definition, root: Path) -> dict[str, Any]:
    provider = definition.gitlab.get("workload_identity_provider", _PROVIDER)
    variables = {
        "GCPMLOPS_LOCATION": definition.location,
        "GCPMLOPS_STAGING_BUCKET": definition.staging_bucket,
        **({"GCPMLOPS_PROJECT": definition.project} if definition.project else {}),
    }
    return {
        "stage": "deliver",
        "rules": [{"if": f'$CI_COMMIT_BRANCH == "{definition.branch}"'}],
        "resource_group": f"delivery-{definition.name}",  # one at a time
        "interruptible": False,
        "timeout": "2 hours",
        "variables": {name: value for name, value in variables.items() if value},
        "id_tokens": {"GCPMLOPS_ID_TOKEN": {"aud": f"https://iam.googleapis.com/{provider}"}},
        "script": [
            _federation(definition, provider),
            *(shell.step(definition, root, name) for name in shell.deliveries(definition)),
        ],
        "after_script": [f'rm -f "{_TOKEN}" "{_CREDENTIALS}"'],
        "artifacts": {"when": "always", "paths": [shell.workspace(definition, root)], "expire_in": "30 days"},
    }


def _federation(definition: Definition, provider: str) -> str:
    """Credentials that exchange the job's token: outside of the workspace, which is kept."""
    account = definition.account("delivery", definition.project or _PROJECT) or _ACCOUNT
    account_url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
    config = {
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{provider}",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url": account_url,
        "credential_source": {"file": _TOKEN},
    }
    text = json.dumps(config, indent=2)
    return (
        f"umask 077\n"
        f'printf "%s" "$GCPMLOPS_ID_TOKEN" > "{_TOKEN}"\n'
        f'cat > "{_CREDENTIALS}" << JSON\n{text}\nJSON\n'
        f'export GOOGLE_APPLICATION_CREDENTIALS="{_CREDENTIALS}"\n'
    )
