"""What hand-declared REST calls ask for: those of API versions that no installed client describes."""

from __future__ import annotations

from collections.abc import Mapping

_SERVING = "/apis/serving.knative.dev/v1/namespaces/{project}"
_LOCATED = "/v1/projects/{project}/locations/{location}/services"
_PROJECT = "projects/{project}"
_SERVICE = "projects/{project}/locations/{location}/services/{service}"

# Service, verb and template: the permission, and the resource that it is asked on. Knative's names have no location:
# a role on the project is what counts there.
ROUTES: Mapping[str, tuple[str, str]] = {
    f"run:GET {_SERVING}/services": ("run.services.list", _PROJECT),
    f"run:GET {_SERVING}/services/{{service}}": ("run.services.get", _PROJECT),
    f"run:POST {_SERVING}/services": ("run.services.create", _PROJECT),
    f"run:PUT {_SERVING}/services/{{service}}": ("run.services.update", _PROJECT),
    f"run:DELETE {_SERVING}/services/{{service}}": ("run.services.delete", _PROJECT),
    f"run:GET {_SERVING}/revisions": ("run.revisions.list", _PROJECT),
    f"run:GET {_SERVING}/revisions/{{revision}}": ("run.revisions.get", _PROJECT),
    f"run:GET {_LOCATED}": ("run.services.list", "projects/{project}/locations/{location}"),
    f"run:GET {_LOCATED}/{{service}}:getIamPolicy": ("run.services.getIamPolicy", _SERVICE),
    f"run:POST {_LOCATED}/{{service}}:setIamPolicy": ("run.services.setIamPolicy", _SERVICE),
    "monitoring:GET /v3/projects/{project}/alerts": ("monitoring.alerts.list", _PROJECT),
    "monitoring:GET /v3/projects/{project}/alerts/{alert}": ("monitoring.alerts.get", _PROJECT),
    "notebooks:POST /v2/{name=projects/*/locations/*/instances/*}:resizeDisk": ("notebooks.instances.update", "{name}"),
    "serviceusage:POST /v1beta1/{parent=projects/*/services/*}:generateServiceIdentity": (
        "serviceusage.services.generateServiceIdentity", "{parent}",
    ),
}  # fmt: skip
