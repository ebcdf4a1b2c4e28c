"""What can be known to be wrong with a build before it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types

from gcpmlops.emulator.runtimes import docker
from gcpmlops.emulator.services.cloud_build.waiting import waits
from gcpmlops.emulator.settings import project_number

_MOST_STEPS, _LONGEST_ARG, _MOST_ARGS = 300, 10_000, 100
_LONGEST_S = 24 * 3600
_LARGEST_DISK_GB = 4000
_MOST_TAGS = 64
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = ("/workspace", "/builder/home", "/builder/outputs", "/var/run/docker.sock")
_VERSION = re.compile(r"projects/[^/]+/(?:locations/[^/]+/)?secrets/[^/]+/versions/[^/]+")
_ACCOUNT = re.compile(r"projects/([^/]+)/serviceAccounts/([^/]+)")
_NOT_BUILT = {
    "maven_artifacts": "artifacts.mavenArtifacts",
    "go_modules": "artifacts.goModules",
    "npm_packages": "artifacts.npmPackages",
}
_OWN_BUCKET = types.BuildOptions.DefaultLogsBucketBehavior.REGIONAL_USER_OWNED_BUCKET
_CLOUD_ONLY = (types.BuildOptions.LoggingMode.CLOUD_LOGGING_ONLY, types.BuildOptions.LoggingMode.STACKDRIVER_ONLY,
               types.BuildOptions.LoggingMode.NONE)  # fmt: skip


def check(build: types.Build) -> None:
    """Raises: InvalidArgument naming what is wrong; MethodNotImplemented naming what is not built here."""
    if not build.steps:
        raise _invalid("a build must have at least one step")
    if len(build.steps) > _MOST_STEPS:
        raise _invalid(f"it has {len(build.steps)} steps, {_MOST_STEPS} are allowed")
    _check_limits(build)
    if len(build.tags) > _MOST_TAGS:
        raise _invalid(f"it has {len(build.tags)} tags, {_MOST_TAGS} are allowed")
    for tag in build.tags:
        if not _TAG.fullmatch(tag):
            raise _invalid(f'tag "{tag}" does not match the pattern [\\w][\\w.-]{{0,127}}')
    waits(build.steps)
    for place, step in enumerate(build.steps):
        _check_step(place, step, build)
    _check_volumes(build)
    _check_secrets(build)
    _check_artifacts(build)
    _check_account(build)
    _check_built(build)


def secret_variables(build: types.Build) -> dict[str, str]:
    """The names of secret versions, with the project's id for its number, by the variables that they are put into."""
    number, project = f"projects/{project_number(build.project_id)}/", f"projects/{build.project_id}/"
    return {
        secret.env: f"{project}{secret.version_name.removeprefix(number)}"
        if secret.version_name.startswith(number)
        else secret.version_name
        for secret in build.available_secrets.secret_manager
    }


def account_email(build: types.Build) -> str:
    """Of the account that a build names; empty without one."""
    found = _ACCOUNT.fullmatch(build.service_account)
    return found[2] if found else ""


def _check_limits(build: types.Build) -> None:
    """Durations and the disk."""
    if _seconds(build.timeout) > _LONGEST_S:
        raise _invalid(f"timeout exceeds the maximum of {_LONGEST_S} s")
    for called, duration in (("timeout", build.timeout), ("queueTtl", build.queue_ttl)):
        if _seconds(duration) < 0:
            raise _invalid(f"{called} is negative")
    if build.options.disk_size_gb > _LARGEST_DISK_GB:
        raise _invalid(f"options.diskSizeGb exceeds the maximum of {_LARGEST_DISK_GB}")


def _check_artifacts(build: types.Build) -> None:
    if build.images and build.artifacts.images and list(build.images) != list(build.artifacts.images):
        raise _invalid("images and artifacts.images differ: give one of them")
    if "objects" not in build.artifacts:
        return
    location, paths = build.artifacts.objects.location, build.artifacts.objects.paths
    if not location.startswith("gs://"):
        raise _invalid(f'artifacts.objects.location "{location}" is not of the form gs://BUCKET/FOLDER/')
    if not paths:
        raise _invalid("artifacts.objects.paths: which files?")
    if twice := _twice(paths):
        raise _invalid(f'artifacts.objects.paths has "{twice}" twice')
    for path in paths:
        if re.search(r"\s", path):
            raise _invalid(f'artifacts.objects.paths: "{path}" has a space in it')


def _check_step(place: int, step: types.BuildStep, build: types.Build) -> None:
    shown = f"build step #{place}" + (f' - "{step.id}"' if step.id else "")
    if not step.name:
        raise _invalid(f"{shown} must specify a name, the image that it runs")
    if step.script and (step.args or step.entrypoint):
        raise _invalid(f"{shown} has a script: it can't have args or an entrypoint beside it")
    if len(step.args) > _MOST_ARGS or any(len(arg) > _LONGEST_ARG for arg in step.args):
        raise _invalid(f"{shown} may have {_MOST_ARGS} args of {_LONGEST_ARG} characters each")
    if _seconds(step.timeout) < 0:
        raise _invalid(f"{shown} has a negative timeout")
    if step.timeout and build.timeout and step.timeout > build.timeout:
        raise _invalid(f"{shown} has a timeout that is longer than the build's")
    for text in step.env:
        name, equals, _ = text.partition("=")
        if not equals or not _VARIABLE.fullmatch(name):
            raise _invalid(f'{shown} has the variable "{text}", which is not of the form NAME=VALUE')


def _check_volumes(build: types.Build) -> None:
    """Each volume has one path in a step, and is shared by two at least."""
    users: dict[str, int] = {volume.name: len(build.steps) for volume in build.options.volumes}
    for place, step in enumerate(build.steps):
        volumes = [*build.options.volumes, *step.volumes]
        for volume in volumes:
            if not _VOLUME.fullmatch(volume.name) or not volume.path.startswith("/"):
                raise _invalid(
                    f'build step #{place}: the volume "{volume.name}" needs an absolute path, and a name of letters, '
                    "digits and _.- that begins with a letter or digit"
                )
            if volume.path.rstrip("/") in _RESERVED or volume.path.startswith(("/workspace/", "/builder/")):
                raise _invalid(f'build step #{place}: the volume "{volume.name}" can\'t be at {volume.path}')
        for what, found in (("name", [v.name for v in volumes]), ("path", [v.path for v in volumes])):
            if twice := _twice(found):
                raise _invalid(f'build step #{place} has two volumes of the {what} "{twice}"')
        for volume in step.volumes:
            users[volume.name] = users.get(volume.name, 0) + 1
    for name, count in users.items():
        if count < 2:
            raise _invalid(f'volume "{name}" is used by one step alone: a volume is there to be shared')


def _check_secrets(build: types.Build) -> None:
    if build.secrets or build.available_secrets.inline:
        field = "secrets" if build.secrets else "availableSecrets.inline"
        raise exceptions.MethodNotImplemented(
            f"{field}: secrets that Cloud KMS decrypts are not built in this emulator; "
            "use availableSecrets.secretManager."
        )
    available = {secret.env for secret in build.available_secrets.secret_manager}
    if twice := _twice([secret.env for secret in build.available_secrets.secret_manager]):
        raise _invalid(f'availableSecrets has the variable "{twice}" twice')
    for secret in build.available_secrets.secret_manager:
        if not _VERSION.fullmatch(secret.version_name):
            raise _invalid(
                f'availableSecrets: versionName "{secret.version_name}" is not of the form '
                "projects/PROJECT/secrets/SECRET/versions/VERSION"
            )
    for place, step in enumerate(build.steps):
        if twice := _twice([*build.options.secret_env, *step.secret_env]):
            raise _invalid(f'build step #{place}: secretEnv has "{twice}" twice')
        for variable in (*build.options.secret_env, *step.secret_env):
            if variable not in available:
                raise _invalid(f'build step #{place}: secretEnv "{variable}" is not in availableSecrets.secretManager')
        plain = {text.partition("=")[0] for text in (*build.options.env, *step.env)}
        if both := plain & {*build.options.secret_env, *step.secret_env}:
            raise _invalid(f'build step #{place}: "{min(both)}" is both in env and in secretEnv')


def _check_account(build: types.Build) -> None:
    """The rules for a build that runs as an account of the user's."""
    if not build.service_account:
        return
    if not _ACCOUNT.fullmatch(build.service_account):
        raise _invalid(
            f'serviceAccount "{build.service_account}" is not of the form projects/PROJECT/serviceAccounts/EMAIL'
        )
    options = build.options
    own = options.default_logs_bucket_behavior == _OWN_BUCKET
    if not (build.logs_bucket or own or options.logging in _CLOUD_ONLY):
        raise exceptions.InvalidArgument(
            "invalid argument: if 'build.service_account' is specified, the build must either (a) specify "
            "'build.logs_bucket', (b) use the REGIONAL_USER_OWNED_BUCKET "
            "build.options.default_logs_bucket_behavior option, or (c) use either CLOUD_LOGGING_ONLY / NONE logging "
            "options"
        )


def _check_built(build: types.Build) -> None:
    """What this emulator lacks, by name."""
    for field, called in _NOT_BUILT.items():
        if getattr(build.artifacts, field):
            raise exceptions.MethodNotImplemented(f"{called} is not built in this emulator.")
    if build.options.pool.name or build.options.worker_pool:
        raise exceptions.MethodNotImplemented("options.pool: worker pools are not built in this emulator.")
    for field, called in (("dependencies", "dependencies"), ("git_config", "gitConfig")):
        if getattr(build, field):
            raise exceptions.MethodNotImplemented(f"{called}: not built in this emulator.")
    images = [*build.images, *build.artifacts.images]
    if images and not docker.available():
        raise exceptions.InvalidArgument(
            f"images {', '.join(sorted(set(images)))} can't be pushed from here: no Docker daemon answers on this "
            "machine."
        )


def _invalid(text: str) -> exceptions.InvalidArgument:
    return exceptions.InvalidArgument(f"invalid build: {text}")


def _seconds(duration: object) -> float:
    return float(getattr(duration, "total_seconds", lambda: 0)()) if duration else 0.0


def _twice(texts: Iterable[str]) -> str:
    seen: set[str] = set()
    for text in texts:
        if text in seen:
            return text
        seen.add(text)
    return ""
