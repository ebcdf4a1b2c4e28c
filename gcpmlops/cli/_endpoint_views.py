"""What is shown of endpoints, rollouts, tests and idle models."""

from __future__ import annotations

from typing import Any


def endpoint_row(endpoint: Any) -> dict[str, Any]:
    split = endpoint.traffic
    return {
        "id": endpoint.id,
        "display_name": endpoint.display_name,
        "models": [f"{model.rpartition('/')[2]} {split.get(key, 0)}%" for key, model in endpoint.deployed.items()],
        "price": endpoint.price,
        "created": endpoint.proto.create_time,
    }


def endpoint_whole(endpoint: Any) -> dict[str, Any]:
    proto, previous = endpoint.proto, {key: f"{share}%" for key, share in endpoint.previous.items()}
    found = {**endpoint_row(endpoint), "name": endpoint.name, "traffic": endpoint.traffic, "previous": previous}
    host: dict[str, Any] = {"host": proto.dedicated_endpoint_dns} if proto.dedicated_endpoint_dns else {}
    host |= {"deploying_until": endpoint.deploying_until} if endpoint.deploying_until else {}
    return {**found, **host, "prices": {key: str(price) for key, price in endpoint.prices.items()}}


def rollout_whole(rollout: Any) -> dict[str, Any]:
    return {
        "endpoint": rollout.endpoint,
        "model": rollout.model,
        "deployed_model": rollout.deployed_model_id,
        "decision": rollout.decision,
        "reasons": list(rollout.reasons),
        "traffic": dict(rollout.traffic),
        "previous": dict(rollout.previous),
        "notes": list(rollout.notes),
        "steps": rollout_steps(rollout),
    }


def rollout_rows(rollout: Any) -> list[dict[str, Any]]:
    from gcpmlops._endpoints.rollout import COLUMNS, row

    return [dict(zip(COLUMNS, row(step), strict=True)) for step in rollout.steps]


def rollout_steps(rollout: Any) -> list[dict[str, Any]]:
    from gcpmlops._endpoints.rollout import figures_of

    return [
        {
            "percent": step.percent,
            "seconds": round(step.seconds, 1),
            **figures_of(step.challenger),
            **{f"old_{key}": value for key, value in figures_of(step.champion).items()},
            "quality": step.quality,
            "passed": step.passed,
            "reasons": list(step.reasons),
        }
        for step in rollout.steps
    ]


def price_whole(price: Any) -> dict[str, Any]:
    sums = {"usd_per_hour": price.per_hour, "max_usd_per_hour": price.max_per_hour}
    return {"price": str(price), **sums, "location": price.location, "as_of": price.as_of, "source": price.source}


def test_row(test: Any) -> dict[str, Any]:
    times = {"median_s": test.latency_median_s, "max_s": test.latency_max_s}
    if all(value is not None for value in times.values()):
        times = {key: round(value, 4) for key, value in times.items()}
    head = {"id": test.deployed_model_id, "model": test.model, "traffic": f"{test.percent}%", "ok": test.ok}
    return {**head, "failed": test.failed, **times, "predictions": list(test.shapes), "errors": list(test.errors)}


def idle_row(found: Any) -> dict[str, Any]:
    from gcpmlops._endpoints.prices import dollars

    return {
        "endpoint": found.endpoint_name,
        "endpoint_id": found.endpoint.rpartition("/")[2],
        "id": found.deployed_model_id,
        "model": found.model,
        "traffic": f"{found.percent}%",
        "deployed": found.deployed,
        "requests": found.last_request,
        "price": dollars(found.price.per_hour),
        "undeployed": found.undeployed,
        "problem": found.problem,
    }
