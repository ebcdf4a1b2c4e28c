"""What can be known to be wrong with a trigger before it starts anything."""

from __future__ import annotations

import re

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types

from gcpmlops.emulator.services.cloud_build.waiting import waits

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?")
_KEY = re.compile(r"_[A-Z0-9_]+")
_NOT_BUILT = {
    "github": "github: GitHub Apps",
    "trigger_template": "triggerTemplate: Cloud Source Repositories",
    "repository_event_config": "repositoryEventConfig: repository connections",
    "filter": "filter: conditions on a message",
    "autodetect": "autodetect",
}


def check(trigger: types.BuildTrigger) -> None:
    """Raises: InvalidArgument naming what is wrong, MethodNotImplemented naming what is not built here."""
    for field, called in _NOT_BUILT.items():
        if getattr(trigger, field):
            raise exceptions.MethodNotImplemented(
                f"{called} are not built in this emulator; triggers run by hand, by webhook and by Pub/Sub are."
            )
    for field, repository in (("sourceToBuild", trigger.source_to_build), ("gitFileSource", trigger.git_file_source)):
        if repository.repository or repository.github_enterprise_config:
            raise exceptions.MethodNotImplemented(
                f"{field}.repository: repository connections are not built in this emulator; give the uri."
            )
    if not _NAME.fullmatch(trigger.name):
        raise _invalid(f'name "{trigger.name}" may have 64 letters, digits and hyphens, none of these at an end')
    for key in trigger.substitutions:
        if not _KEY.fullmatch(key):
            raise _invalid(f'substitution key "{key}" does not respect format "^_[A-Z0-9_]+$"')
    _check_config(trigger)
    if "webhook_config" in trigger and not trigger.webhook_config.secret:
        raise _invalid("webhookConfig.secret: required, the name of a secret version")
    if "pubsub_config" in trigger and not re.fullmatch(r"projects/[^/]+/topics/[^/]+", trigger.pubsub_config.topic):
        raise _invalid(f"pubsubConfig.topic {trigger.pubsub_config.topic!r} is not of the form projects/P/topics/T")


def _check_config(trigger: types.BuildTrigger) -> None:
    """Where its build comes from: one of three."""
    given = [
        called
        for field, called in (("build", "build"), ("git_file_source", "gitFileSource"), ("filename", "filename"))
        if field in trigger
    ]
    if len(given) != 1:
        raise _invalid(f"one of build, gitFileSource and filename is required, given are: {', '.join(given) or 'none'}")
    if "build" in trigger and not trigger.build.steps:
        raise _invalid("build: a build must have at least one step")
    if not any("$" in name for step in trigger.build.steps for name in (step.id, *step.wait_for)):
        waits(trigger.build.steps)  # else when it runs, and substitutions are made
    if "git_file_source" in trigger and not (trigger.git_file_source.path and trigger.git_file_source.uri):
        raise _invalid("gitFileSource needs path and uri")
    if "filename" in trigger and not trigger.source_to_build.uri:
        raise _invalid("filename needs sourceToBuild.uri, the repository in which the file is")


def _invalid(text: str) -> exceptions.InvalidArgument:
    return exceptions.InvalidArgument(f"invalid build trigger: {text}")
