"""`gcpmlops endpoints`: what its options make, what it shows, how it exits."""

import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gcpmlops import BlueGreen, Canary, exceptions
from gcpmlops._endpoints.reaping import Idle
from gcpmlops._endpoints.rollout import Rollout, Step
from gcpmlops._endpoints.rollout_watch import RolloutEvent
from gcpmlops._endpoints.sample_test import EndpointTest, ModelTest
from gcpmlops._endpoints.serving_metrics import Served
from gcpmlops.cli import root
from gcpmlops.cli._rollout_progress import ended_politely
from gcpmlops.endpoints import Endpoints

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NO_LIMITS = ("--max-error-rate", "none", "--tolerance", "none")
NAME = "projects/p/locations/us-central1/endpoints/7"
STEP = Step(5, NOW, NOW, Served(40, 8, 0.01, 0.02), Served(900, 0, 0.01, 0.02), None, ("error rate 20 %",))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path) -> Callable[..., Result]:
    for name in ("GCPMLOPS_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GCPMLOPS_PROJECT", "p")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0, answer: str | None = None) -> Result:
        result = CliRunner().invoke(root, ["endpoints", *arguments], input=answer)
        assert result.exit_code == code, result.output
        return result

    return call


def deploying(monkeypatch: pytest.MonkeyPatch, result: Any) -> list[dict[str, Any]]:
    """Stands in for the library's deploy; what it was told."""
    told: list[dict[str, Any]] = []

    def deploy(self: Endpoints, name: str, **given: Any) -> Any:
        told.append({"name": name, **given})
        if given.get("on_event"):
            given["on_event"](RolloutEvent("looked", "5 %: no requests; 9 s to go"))
            given["on_event"](RolloutEvent("step", "5 % of the traffic goes to 222"))
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(Endpoints, "deploy", deploy)
    return told


def test_canary_options(run, monkeypatch: pytest.MonkeyPatch) -> None:
    promoted = Rollout(NAME, "m@2", "222", "PROMOTED", (STEP,), traffic={"222": 100}, previous={"111": 100})
    told = deploying(monkeypatch, promoted)
    options = "--steps 10,100 --bake 5m --settle 0 --max-error-rate 2% --max-latency-p95 0.2 --tolerance 0.1 --keep 1d"
    result = run("deploy", "flights", "--model", "m@2", "--strategy", "canary", *options.split(), "--keep-failed")
    assert told[0]["strategy"] == Canary(
        steps=(10, 100),
        bake="5m",
        settle="0",
        max_error_rate=0.02,
        max_latency_p95=0.2,
        tolerance=0.1,
        keep="1d",
        on_failure="keep",
    )
    assert result.stderr.splitlines() == [
        "about $0.11/hour for 1 x n1-standard-2 (list prices of 2025-11)",
        "5 % of the traffic goes to 222",
    ]
    assert "PROMOTED" in result.stdout


def test_other_strategies(run, monkeypatch: pytest.MonkeyPatch) -> None:
    told = deploying(monkeypatch, Rollout(NAME, "m@2", "222", "PROMOTED"))
    sql = "SELECT 1"
    blue = ["--strategy", "blue-green", "--no-preview", "--quality-query", sql, "--quality-minimum", "0.8"]
    run("deploy", "flights", "--model", "m@2", *blue, "--keep", "forever", *NO_LIMITS)
    strategy = told[0]["strategy"]
    assert isinstance(strategy, BlueGreen)
    assert (strategy.max_error_rate, strategy.tolerance) == (1, float("inf"))
    assert (strategy.preview, strategy.keep) == (False, None)
    assert strategy.quality is not None
    assert (strategy.quality.query, strategy.quality.minimum) == (sql, 0.8)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--steps", "5,100"], "--steps: not an option of --strategy all"),
        (["--strategy", "canary", "--no-preview"], "--preview: not an option of --strategy canary"),
        (["--strategy", "canary", "--steps", "5,x"], "not a list of per cents"),
        (["--strategy", "canary", "--max-error-rate", "few"], "not a share"),
    ],
)
def test_wrong_options_are_usage_errors(run, options: list[str], said: str) -> None:
    assert said in run("deploy", "flights", "--model", "m", *options, code=2).stderr


def test_wrong_values_say_what_is_allowed(run) -> None:
    found = run("deploy", "flights", "--model", "m", "--strategy", "canary", "--steps", "50,5", code=1).stderr
    assert "steps: [50, 5] are no canary steps" in found
    assert "Allowed: rising whole per cents" in found


@pytest.mark.parametrize("how", ["table", "json"])
def test_a_rollout_that_failed_is_exit_1_with_its_figures(run, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    rollout = Rollout(NAME, "m@2", "222", "ROLLED_BACK", (STEP,), STEP.reasons, ("222 was undeployed.",), {"111": 100})
    deploying(monkeypatch, exceptions.RolloutFailed(rollout))
    result = run("deploy", "flights", "--model", "m@2", "--strategy", "canary", "--format", how, code=1)
    assert "Error: m@2 was not promoted: error rate 20 %; the traffic is what it was" in result.stderr
    assert "222 was undeployed." in result.stderr
    if how == "json":
        shown = json.loads(result.stdout)
        assert shown["decision"] == "ROLLED_BACK"
        assert (shown["steps"][0]["requests"], shown["steps"][0]["error_rate"]) == (40, 0.2)


def test_a_dry_run_shows_price_and_strategy(run) -> None:
    machine = ["--machine-type", "n1-standard-4", "--accelerator-type", "NVIDIA_TESLA_T4", "--accelerator-count", "1"]
    result = run("deploy", "flights", "--model", "m", "--strategy", "canary", "--dry-run", *machine)
    assert "about $0.62/hour for 1 x n1-standard-4 with 1 x NVIDIA_TESLA_T4" in result.stderr
    assert "Canary(" in result.stdout
    assert (
        "unknown price for 1 x q-1" in run("deploy", "f", "--model", "m", "--machine-type", "q-1", "--dry-run").stderr
    )


def test_price(run, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(run("price", "n1-standard-4", "--format", "json").stdout)["usd_per_hour"] == pytest.approx(
        0.2185, abs=1e-4
    )
    (tmp_path / "mine.json").write_text('{"as_of": "2026-06", "machines": {"n1-standard-4": 0.1}}')
    (tmp_path / "gcpmlops.toml").write_text('prices_file = "mine.json"\n')
    assert "$0.10/hour for 1 x n1-standard-4 (list prices of 2026-06)" in run("price", "n1-standard-4").stdout


def test_reap_asks(run, monkeypatch: pytest.MonkeyPatch) -> None:
    price = Endpoints.price(_offline(), "n1-standard-4")
    found = Idle(NAME, "flights", "222", "m@2", 100, NOW, 86400.0, price)
    taken: list[str] = []
    monkeypatch.setattr(Endpoints, "idle", lambda self, **given: [found])
    monkeypatch.setattr(Endpoints, "_reap", lambda self, each, timeout: taken.append(each.deployed_model_id) or each)
    assert "Undeploy 1 deployed model?" in run("reap", answer="n\n").stderr
    run("reap", "--yes", "--dry-run")
    assert taken == []
    assert "served nothing for 1 d; about $0.22/hour" in run("reap", answer="y\n").stderr
    run("reap", "--yes")
    assert taken == ["222", "222"]


def test_test_fails_where_samples_do(run, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = ModelTest("222", "m@2", 100, 1, 1, 0.01, 0.02, ("number",), ("no",))
    monkeypatch.setattr(Endpoints, "test", lambda self, name, **given: EndpointTest(NAME, 2, (failed,)))
    assert "number" in run("test", "flights", code=1).stdout


def test_sigterm_is_like_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ended_politely():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def _offline() -> Endpoints:
    from gcpmlops import Client

    return Client(project="p").endpoints
