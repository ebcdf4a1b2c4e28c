"""How each API words a refusal; all of them name the permission."""

from __future__ import annotations

_HOSTS = {"resourcemanager": "cloudresourcemanager", "billing": "cloudbilling"}


def denied(permission: str, resource: str, email: str) -> str:
    """The message."""
    api = permission.partition(".")[0]
    if api == "storage":
        return _storage(permission, resource, email)
    if api == "bigquery":
        return _bigquery(permission, resource)
    if permission == "run.routes.invoke":
        return f"Permission 'run.routes.invoke' denied on resource {resource!r} (or it may not exist)."
    return (
        f"Permission '{permission}' denied on resource '//{_HOSTS.get(api, api)}.googleapis.com/{resource}' "
        "(or it may not exist)."
    )


def _storage(permission: str, resource: str, email: str) -> str:
    who = email or "Anonymous caller"
    if resource.startswith("projects/") and "/buckets/" not in resource:
        what = "project"
    else:
        what = "object" if permission.startswith("storage.objects.") else "bucket"
    return (
        f"{who} does not have {permission} access to the Google Cloud Storage {what}. "
        f"Permission '{permission}' denied on resource (or it may not exist)."
    ).replace("Storage project", "project")


def _bigquery(permission: str, resource: str) -> str:
    parts = resource.split("/")
    if len(parts) >= 6 and parts[4] in ("tables", "models", "routines"):
        kind = parts[4][:-1]
        name = f"{parts[1]}:{parts[3]}.{parts[5]}"
        denial = f"Permission {permission} denied on {kind} {name} (or it may not exist)."
        return f"Access Denied: {kind.capitalize()} {name}: {denial}"
    if len(parts) >= 4 and parts[2] == "datasets":
        name = f"{parts[1]}:{parts[3]}"
        return f"Access Denied: Dataset {name}: Permission {permission} denied on dataset {name} (or it may not exist)."
    project = parts[1] if len(parts) > 1 else ""
    return f"Access Denied: Project {project}: User does not have {permission} permission in project {project}."
