"""What an uptime check has to fulfil."""

from __future__ import annotations

import re
from typing import Any

from google.api_core import exceptions
from google.cloud import monitoring_v3

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.services.monitoring.uptime import matchers, regions

_PERIODS = (60, 300, 600, 900)
_TIMEOUTS = (1, 60)
_FEWEST = 3  # checkers
_METHODS = monitoring_v3.UptimeCheckConfig.HttpCheck.RequestMethod
_GET, _POST = int(_METHODS.GET), int(_METHODS.POST)
_CONTAINS = int(matchers.Option.CONTAINS_STRING)
_VPC = int(monitoring_v3.UptimeCheckConfig.CheckerType.VPC_CHECKERS)
_MOST_HEADERS = 100
_PORTS = (1, 65535)
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,253}")
_FIELD = "uptime_check_config"
CLOUD_RUN = "cloud_run_revision"
# Labels by resource, and whether a check needs them.
_LABELS = {
    "uptime_url": {"host": True},
    CLOUD_RUN: {
        "location": True,
        "service_name": True,
        "revision_name": False,
        "configuration_name": False,
    },
}


def fill(config: Any) -> None:
    """What is not said becomes what the API documents, in the message itself (protobuf)."""
    if not config.HasField("period"):
        config.period.FromSeconds(60)
    if not config.HasField("timeout"):
        config.timeout.FromSeconds(10)
    if config.HasField("http_check"):
        check = config.http_check
        check.use_ssl = check.use_ssl or config.monitored_resource.type == CLOUD_RUN
        check.path = check.path if check.path.startswith("/") else f"/{check.path}"
        check.port = check.port or (443 if check.use_ssl else 80)
        check.request_method = check.request_method or _GET
    for matcher in config.content_matchers:
        matcher.matcher = matcher.matcher or _CONTAINS


def check(config: Any) -> None:
    """A filled `UptimeCheckConfig` (protobuf). Raises InvalidArgument, MethodNotImplemented."""
    if not config.display_name:
        raise validate.invalid(f"{_FIELD}.display_name", "required, but missing.")
    _check_kind(config)
    _check_resource(config)
    if config.period.ToTimedelta().total_seconds() not in _PERIODS:
        raise validate.invalid(f"{_FIELD}.period", f"one of {', '.join(f'{each} s' for each in _PERIODS)}.")
    if not _TIMEOUTS[0] <= config.timeout.ToTimedelta().total_seconds() <= _TIMEOUTS[1]:
        raise validate.invalid(f"{_FIELD}.timeout", f"{_TIMEOUTS[0]} to {_TIMEOUTS[1]} s.")
    chosen = [monitoring_v3.UptimeCheckRegion(each) for each in config.selected_regions]
    if monitoring_v3.UptimeCheckRegion.REGION_UNSPECIFIED in chosen:
        raise validate.invalid(f"{_FIELD}.selected_regions", "a region has to be named.")
    if len(regions.locations(chosen)) < _FEWEST:
        raise validate.invalid(f"{_FIELD}.selected_regions", f"at least {_FEWEST} checkers are needed.")
    for matcher in config.content_matchers:
        matchers.check(matcher, f"{_FIELD}.content_matchers")
    validate.labels(config.user_labels, f"{_FIELD}.user_labels")


def _check_kind(config: Any) -> None:
    kind = config.WhichOneof("check_request_type")
    if kind is None:
        raise validate.invalid(_FIELD, "http_check or tcp_check is required.")
    part = getattr(config, kind)
    if not _PORTS[0] <= part.port <= _PORTS[1]:
        raise validate.invalid(f"{_FIELD}.{kind}.port", f"{part.port}: {_PORTS[0]} to {_PORTS[1]}.")
    if part.ping_config.pings_count:
        raise exceptions.MethodNotImplemented(f"{_FIELD}.{kind}.ping_config: ICMP is not built in this emulator.")
    if kind == "tcp_check":
        if config.content_matchers:
            raise validate.invalid(f"{_FIELD}.content_matchers", "only HTTP checks have content.")
        return
    if len(part.headers) > _MOST_HEADERS:
        raise validate.invalid(f"{_FIELD}.http_check.headers", f"{_MOST_HEADERS} at most.")
    if part.body and part.request_method != _POST:
        raise validate.invalid(f"{_FIELD}.http_check.body", "only POST has a body.")
    if part.validate_ssl and not part.use_ssl:
        raise validate.invalid(f"{_FIELD}.http_check.validate_ssl", "only with use_ssl.")


def _check_resource(config: Any) -> None:
    kind = config.WhichOneof("resource")
    if kind is None:
        raise validate.invalid(f"{_FIELD}.monitored_resource", "required, but missing.")
    if kind != "monitored_resource":
        raise exceptions.MethodNotImplemented(f"{_FIELD}.{kind} is not built in this emulator.")
    if config.checker_type == _VPC or config.is_internal or config.internal_checkers:
        raise exceptions.MethodNotImplemented(f"{_FIELD}: checkers in a VPC are not built in this emulator.")
    resource = config.monitored_resource
    if resource.type not in _LABELS:
        raise exceptions.MethodNotImplemented(
            f"{_FIELD}.monitored_resource.type {resource.type!r} is not built in this emulator: "
            f"take one of {', '.join(_LABELS)}."
        )
    known = _LABELS[resource.type]
    for key in known:
        if known[key] and not _HOST.fullmatch(resource.labels.get(key, "")):
            text = "required, without scheme and path."
            raise validate.invalid(f"{_FIELD}.monitored_resource.labels.{key}", text)
    unknown = resource.labels.keys() - known.keys() - {"project_id"}
    if unknown:
        text = f"{resource.type} has no {sorted(unknown)[0]!r}."
        raise validate.invalid(f"{_FIELD}.monitored_resource.labels", text)
    if resource.type == CLOUD_RUN and not config.HasField("http_check"):
        raise validate.invalid(f"{_FIELD}.http_check", f"required for {CLOUD_RUN}.")


def masked(config: Any) -> Any:
    """As callers see it: secret headers hidden."""
    shown = type(config)()
    message = raw(shown)
    message.CopyFrom(raw(config))
    if message.http_check.mask_headers:
        for key in message.http_check.headers:
            message.http_check.headers[key] = "******"
    if message.http_check.auth_info.password:
        message.http_check.auth_info.password = "******"  # noqa: S105 - hides one
    return shown
