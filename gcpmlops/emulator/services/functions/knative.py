"""The first API of Cloud Run, in Knative's form: gcloud's `run` and `functions` groups read services by it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.api_core import exceptions
from google.cloud.run_v2 import types as run
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.protobuf import json_format

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.services.functions.deploying import Deployments
from gcpmlops.emulator.services.functions.run_services import Services
from gcpmlops.emulator.settings import project_number

Json = dict[str, Any]
_SERVING = "serving.knative.dev/v1"
_SELECTOR = re.compile(r"serving\.knative\.dev/service\s*(?:==?|in)\s*\(?([\w,\s-]+)")


class Knative:
    """Answers in JSON: (path variables, body) to a resource.

    Args:
        project: stands for its number in names.
    """

    def __init__(self, deployments: Deployments, services: Services, project: str) -> None:
        self._deployments = deployments
        self._services = services
        self._project = project

    def list_services(self, variables: Mapping[str, str], _: Any) -> Json:
        """Of a location, or of all of them."""
        project, location = self._id(variables["project"]), variables.get("location", "-")
        prefix = f"projects/{project}/locations/" + ("" if location == "-" else f"{location}/")
        found = [row for row in self._deployments.run.services.list() if row.name.startswith(prefix)]
        return {
            "apiVersion": _SERVING,
            "kind": "ServiceList",
            "metadata": {},
            "items": [service_json(row) for row in found],
        }

    def get_service(self, variables: Mapping[str, str], _: Any) -> Json:
        return service_json(self._named(variables))

    def list_revisions(self, variables: Mapping[str, str], _: Any) -> Json:
        project = self._id(variables["project"])
        prefix = f"projects/{project}/locations/"
        selector = _SELECTOR.search(variables.get("labelSelector", ""))
        selected = re.split(r"[\s,]+", selector[1].strip()) if selector else []
        found = [row for row in self._deployments.run.revisions.list() if row.name.startswith(prefix)]
        found = [row for row in found if not selected or row.service in selected]
        return {
            "apiVersion": _SERVING,
            "kind": "RevisionList",
            "metadata": {},
            "items": [revision_json(row) for row in found[::-1]],
        }

    def get_revision(self, variables: Mapping[str, str], _: Any) -> Json:
        for row in self._deployments.run.revisions.list():
            if row.name.rpartition("/")[2] == variables["revision"]:
                return revision_json(row)
        raise exceptions.NotFound(f"Revision {variables['revision']!r} was not found.")

    def create_service(self, _: Mapping[str, str], body: Any) -> Json:
        """Only functions' services can be here."""
        template = (body or {}).get("spec", {}).get("template", {}).get("spec", {})
        containers = [run.Container(image=str(found.get("image", ""))) for found in template.get("containers", ())]
        service = run.Service(template=run.RevisionTemplate(containers=containers))
        self._services.create_service(run.CreateServiceRequest(service=service))
        return {}

    def replace_service(self, variables: Mapping[str, str], _: Any) -> Json:
        """The function is what can be changed."""
        raise exceptions.MethodNotImplemented(
            f"ReplaceService of {self._named(variables).name} is not built in this emulator: update the function."
        )

    def delete_service(self, variables: Mapping[str, str], _: Any) -> Json:
        self._services.delete_service(run.DeleteServiceRequest(name=self._named(variables).name))
        return {"apiVersion": "v1", "kind": "Status", "status": "Success"}

    def get_policy(self, variables: Mapping[str, str], _: Any) -> Json:
        request = iam_policy_pb2.GetIamPolicyRequest(resource=self._resource(variables))
        return _json(self._services.get_iam_policy(request))

    def set_policy(self, variables: Mapping[str, str], body: Any) -> Json:
        policy = policy_pb2.Policy()
        json_format.ParseDict((body or {}).get("policy", {}), policy)
        request = iam_policy_pb2.SetIamPolicyRequest(resource=self._resource(variables), policy=policy)
        return _json(self._services.set_iam_policy(request))

    def permissions(self, variables: Mapping[str, str], body: Any) -> Json:
        """Those that the caller has, on what is still to be made as well."""
        resource, asked = self._resource(variables), (body or {}).get("permissions", ())
        return {"permissions": [name for name in asked if self._services.access.allows(str(name), resource)]}

    def _resource(self, variables: Mapping[str, str]) -> str:
        parent = f"projects/{self._id(variables['project'])}/locations/{variables['location']}"
        return f"{parent}/services/{variables['service']}"

    def _named(self, variables: Mapping[str, str]) -> run.Service:
        """By name alone: the region is the host's."""
        project, wanted = self._id(variables["project"]), variables["service"]
        for row in self._deployments.run.services.list():
            if names.project_of(row.name) == project and row.name.rpartition("/")[2] == wanted:
                return row  # type: ignore[no-any-return]
        raise exceptions.NotFound(f"Resource {wanted!r} of kind 'SERVICE' in project {project!r} does not exist.")

    def _id(self, project: str) -> str:
        return self._project if project == str(project_number(self._project)) else project


def service_json(row: run.Service) -> Json:
    """A service in Knative's form."""
    container = row.template
    template: Json = {
        "metadata": {"name": container.revision, **_scaling(container)},
        "spec": _revision_spec(container),
    }
    revision = row.latest_ready_revision.rpartition("/")[2]
    split = {"percent": 100, "latestRevision": True}
    return {
        "apiVersion": _SERVING,
        "kind": "Service",
        "metadata": _metadata(row),
        "spec": {"template": template, "traffic": [split]},
        "status": {
            "observedGeneration": row.generation,
            "conditions": _conditions([row.terminal_condition, *row.conditions]),
            "latestReadyRevisionName": revision,
            "latestCreatedRevisionName": revision,
            "traffic": [{**split, "revisionName": revision}],
            "url": row.uri,
            "address": {"url": row.uri},
        },
    }


def revision_json(row: run.Revision) -> Json:
    """A revision in Knative's form."""
    metadata = _metadata(row)
    metadata["labels"]["serving.knative.dev/service"] = row.service
    return {
        "apiVersion": _SERVING,
        "kind": "Revision",
        "metadata": metadata,
        "spec": _revision_spec(row),
        "status": {
            "observedGeneration": row.generation,
            "conditions": [*_conditions(row.conditions), {"type": "Active", "status": "True"}],
            "imageDigest": row.containers[0].image,
            "serviceName": row.service,
        },
    }


def _metadata(row: Any) -> Json:
    region, number = names.location_of(row.name), project_number(names.project_of(row.name))
    name = row.name.rpartition("/")[2]
    return {
        "name": name,
        "namespace": str(number),
        "selfLink": f"/apis/{_SERVING}/namespaces/{number}/services/{name}",
        "uid": row.uid,
        "resourceVersion": row.etag,
        "generation": row.generation,
        "creationTimestamp": row.create_time.isoformat().replace("+00:00", "Z"),
        "labels": {**row.labels, "cloud.googleapis.com/location": region},
        "annotations": {**row.annotations, "run.googleapis.com/ingress": "all"},
    }


def _scaling(part: Any) -> Json:
    scaling = part.scaling
    annotations = {"autoscaling.knative.dev/maxScale": str(scaling.max_instance_count)}
    if scaling.min_instance_count:
        annotations["autoscaling.knative.dev/minScale"] = str(scaling.min_instance_count)
    return {"annotations": annotations}


def _revision_spec(part: Any) -> Json:
    container = part.containers[0]
    return {
        "containerConcurrency": part.max_instance_request_concurrency,
        "timeoutSeconds": int(part.timeout.total_seconds()),
        "serviceAccountName": part.service_account,
        "containers": [
            {
                "name": container.name,
                "image": container.image,
                "ports": [{"name": "http1", "containerPort": 8080}],
                "env": [{"name": variable.name, "value": variable.value} for variable in container.env],
                "resources": {"limits": dict(container.resources.limits)},
            }
        ],
    }


def _conditions(conditions: Any) -> list[Json]:
    return [
        {
            "type": condition.type_,
            "status": "True",
            "lastTransitionTime": condition.last_transition_time.isoformat().replace("+00:00", "Z"),
        }
        for condition in conditions
    ]


def _json(message: Any) -> Json:
    found: Json = json_format.MessageToDict(message)
    return found
