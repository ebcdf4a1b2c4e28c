"""Back to what served before: a switch of traffic where it is still deployed, else it is deployed again first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gcpmlops._endpoints import deployed_model, history
from gcpmlops._endpoints.calls import EndpointCalls
from gcpmlops._endpoints.history import Earlier
from gcpmlops._jobs.spec import Hardware
from gcpmlops.exceptions import FailedPrecondition


def roll_back(calls: EndpointCalls, name: str, *, timeout: float | None) -> Any:
    """The endpoint, serving what its labels say served before. Ends a deployment that is under way.

    Raises FailedPrecondition where nothing is noted, or what is noted can't be deployed again.
    """
    endpoint = calls.get(name)
    earlier = _noted(endpoint)
    split = {_again(calls, endpoint, each, timeout): each.percent for each in earlier}

    def edit(now: Any) -> Mapping[str, Any]:
        labels = history.without_history(now.labels)
        labels.pop(history.CLAIM, None)
        return {"traffic_split": split, "labels": labels}

    return calls.change(name, edit)


def _noted(endpoint: Any) -> Sequence[Earlier]:
    earlier = history.noted_before(dict(endpoint.labels), endpoint.name)
    if earlier:
        return earlier
    deployed = ", ".join(row.id for row in endpoint.deployed_models) or "nothing"
    raise FailedPrecondition(
        f"nothing is known to have served {endpoint.display_name} before",
        resource=endpoint.name,
        next_step=(
            f"`gcpmlops endpoints deploy` and `set-traffic` note what served before them. Deployed is {deployed}: "
            f"`gcpmlops endpoints set-traffic {endpoint.name.rpartition('/')[2]} --traffic ID=100` chooses."
        ),
    )


def _again(calls: EndpointCalls, endpoint: Any, earlier: Earlier, timeout: float | None) -> str:
    """The id under which it is deployed."""
    same = [row.id for row in endpoint.deployed_models if row.id == earlier.id]
    model, _, version = earlier.model.partition("@")
    alike = [
        r.id for r in endpoint.deployed_models if (r.model.partition("@")[0], r.model_version_id) == (model, version)
    ]
    if same or alike:
        return str((same or alike)[0])
    if not earlier.machine_type:
        raise FailedPrecondition(
            f"{earlier.model or earlier.id}, which served before, is no longer deployed, and how it was is not known",
            resource=endpoint.name,
            next_step="Deploy it with `gcpmlops endpoints deploy`.",
        )
    deployed = deployed_model.deployed_model(
        earlier.model,
        Hardware(earlier.machine_type, earlier.accelerator_type or None, earlier.accelerator_count),
        earlier.min_replica_count,
        earlier.max_replica_count,
        service_account=earlier.service_account,
    )
    split = {} if endpoint.traffic_split else {"0": 100}
    return str(calls.deploy(endpoint.name, deployed=deployed, split=split, timeout=timeout).id)
