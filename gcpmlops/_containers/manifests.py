"""A model on GKE: what Kubernetes needs, with the least rights."""

from __future__ import annotations

import re
from typing import Any

from gcpmlops import _yaml_text
from gcpmlops._containers.dockerfiles import image
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import SERVICE_ACCOUNT

_NAME = r"[a-z]([a-z0-9-]{0,51}[a-z0-9])?", "up to 53 lower-case letters, digits, hyphens; a letter first"
_NAMESPACE = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "up to 63 lower-case letters, digits, hyphens"
_URI = r"gs://[a-z0-9][a-z0-9._-]*(/[^\x00-\x1f]*)?", "gs://BUCKET/FOLDER"
_ACCOUNT = f"({SERVICE_ACCOUNT.pattern})?", "a service account's email"
_PORT = 8080


def render(
    model: str, *, container: str, uri: str, service_account: str, namespace: str, replicas: tuple[int, int]
) -> str:
    """All objects in one file. Raises InvalidArgument."""
    for field, value, (pattern, words) in (
        ("model", model, _NAME), ("namespace", namespace, _NAMESPACE), ("model_uri", uri, _URI),
        ("service_account", service_account, _ACCOUNT),
    ):  # fmt: skip
        if not re.fullmatch(pattern, value):
            raise InvalidArgument(field=field, value=value, allowed=words)
    if not 1 <= replicas[0] <= replicas[1]:
        raise InvalidArgument(field="replicas", value=replicas, allowed="1 <= least <= most")
    least, most = replicas
    objects = [
        _object("v1", "ServiceAccount", model, namespace, automountServiceAccountToken=False),
        _object("apps/v1", "Deployment", model, namespace, spec=_deployment(model, image(container, "image"), uri)),
        _object("v1", "Service", model, namespace, spec=_service(model)),
        _object("autoscaling/v2", "HorizontalPodAutoscaler", model, namespace, spec=_scaling(model, least, most)),
        _object("policy/v1", "PodDisruptionBudget", model, namespace,
                spec={"maxUnavailable": 1, "selector": _selector(model)}),
        _object("networking.k8s.io/v1", "NetworkPolicy", model, namespace, spec=_network(model)),
    ]  # fmt: skip
    if service_account:
        objects[0]["metadata"]["annotations"] = {"iam.gke.io/gcp-service-account": service_account}
    return _yaml_text.dump(*objects)


def _object(version: str, kind: str, name: str, namespace: str, **rest: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "gcpmlops"}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def _selector(name: str) -> dict[str, Any]:
    return {"matchLabels": {"app.kubernetes.io/name": name}}


def _deployment(name: str, container: str, uri: str) -> dict[str, Any]:
    spread = {
        "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": _selector(name),
    }  # fmt: skip
    pod = {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [spread],
        "containers": [_container(container, uri)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }  # fmt: skip
    template = {"metadata": {"labels": {"app.kubernetes.io/name": name}}, "spec": pod}
    return {  # no replicas: the autoscaler has them
        "selector": _selector(name),
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": template,
    }


def _container(container: str, uri: str) -> dict[str, Any]:
    check = {"httpGet": {"path": "/health", "port": "http"}, "timeoutSeconds": 3}
    variables = {
        "AIP_HTTP_PORT": str(_PORT), "AIP_HEALTH_ROUTE": "/health", "AIP_PREDICT_ROUTE": "/predict",
        "AIP_STORAGE_URI": uri.replace("$(", "$$("),  # which is a reference otherwise
    }  # fmt: skip
    return {
        "name": "server",
        "image": container,
        "imagePullPolicy": "Always",
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "ports": [{"name": "http", "containerPort": _PORT}],
        "startupProbe": {**check, "periodSeconds": 5, "failureThreshold": 60},
        "readinessProbe": {**check, "periodSeconds": 5},
        "livenessProbe": {**check, "periodSeconds": 10, "failureThreshold": 3},
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the pod's own, where models are copied
    }  # fmt: skip


def _service(name: str) -> dict[str, Any]:
    port = {"name": "http", "port": 80, "targetPort": "http"}
    return {"type": "ClusterIP", "selector": {"app.kubernetes.io/name": name}, "ports": [port]}


def _scaling(name: str, least: int, most: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": 60}
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": least,
        "maxReplicas": most,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }


def _network(name: str) -> dict[str, Any]:
    """From the namespace to the port; out to names, Google's APIs and the metadata server, which gives tokens."""
    out = [{"protocol": protocol, "port": port} for protocol, port in (
        ("UDP", 53), ("TCP", 53), ("TCP", 443), ("TCP", 80), ("TCP", 988), ("TCP", 987))]  # fmt: skip
    return {
        "podSelector": _selector(name),
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": _PORT}]}],
        "egress": [{"ports": out}],
    }
