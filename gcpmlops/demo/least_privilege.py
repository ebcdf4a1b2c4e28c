"""The demo by service accounts that may do what they need, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gcpmlops.client import Client
from gcpmlops.demo import sql

if TYPE_CHECKING:
    from gcpmlops.demo.story import Story
    from gcpmlops.project import Blueprint


def set_up(owner: Client, story: Story) -> Client:
    """`gcpmlops init` in an empty project; a client that acts as its delivery account."""
    with story.step("Set the project up with the least roles", api="IAM and nine more") as step:
        setup = owner.project.init(
            actions=("data", "train", "serve"),
            buckets=[f"{owner.config.project}-flights"],
            datasets=[sql.DATASET],
            developers=[f"serviceAccount:{owner.clients.caller}"],
            directory=None,
        )
        roles = sum(step.kind == "role" for step in setup.steps)
        step.resource = f"projects/{setup.plan.project}"
        step.note = f"{len(setup.plan.accounts)} service accounts, {roles} roles"
    return acting(owner, setup.plan)


def acting(owner: Client, plan: Blueprint) -> Client:
    """The same settings, all calls made as the delivery account, jobs and models run as their own."""
    config = replace(
        owner.config,
        staging_bucket=plan.staging_bucket,
        impersonate_service_account=plan.email("delivery"),
        service_account=plan.email("training"),
        serving_service_account=plan.email("serving"),
        retraining_service_account=plan.email("retraining"),
        scheduler_service_account=plan.email("scheduler"),
    )
    return Client(config=config)
