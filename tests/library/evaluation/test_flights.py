"""examples/evaluation on real flights: what stops a model, and that the report says why. No service is called."""

import importlib.util
import re
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

EXAMPLES = Path(__file__).parents[3] / "examples"


def loaded(path: Path):
    """An example's module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the example prints, and the folder of its reports."""
    folder = tmp_path_factory.mktemp("flights")
    loaded(EXAMPLES / "flights" / "months.py").main(str(folder), ["1", "2"])
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1):  # threads that spin cost more than they save
        said: list[str] = []
        patch.setattr("builtins.print", lambda text, **_: said.append(str(text)))
        loaded(EXAMPLES / "evaluation" / "judge.py").main(str(folder), str(folder))
    return "\n".join(said), folder


def failures(output: str, name: str) -> list[str]:
    """The gates that stopped a challenger, as it is printed."""
    part = output.partition(f"{name}: ")[2].partition("why:")[0]
    return re.findall(r"FAILED  (\w+) .*?\((.*?)\)", part)


def test_all_are_better_on_average_and_one_passes(judged) -> None:
    output, _ = judged
    gains = re.findall(r"^\w+: (passed|stopped), roc_auc: ([\d.]+) → ([\d.]+), ", output, re.MULTILINE)
    assert [said for said, _, _ in gains] == ["passed", "stopped", "stopped"]
    assert all(float(after) > float(before) + 0.1 for _, before, after in gains)
    assert failures(output, "challenger") == []


def test_the_slice_gate_stops_the_one_that_fails_a_carrier(judged) -> None:
    output, folder = judged
    assert failures(output, "careless") == [("roc_auc", "carrier=AA")]
    page = (folder / "careless.html").read_text()
    assert "Stopped</strong>: 1 of " in page
    why = re.search(r"<li>(.*?)</li>", page)[1]
    assert "in <b>carrier=AA</b>" in why
    assert re.search(r"0\.\d+ worse \(champion 0\.\d+, careless 0\.\d+\), short by <b>0\.\d+</b>", why)


def test_the_fairness_gate_stops_the_one_that_is_biased(judged) -> None:
    output, folder = judged
    assert failures(output, "unfair") == [("equalized_odds_difference", "origin")]
    why = re.search(r"<li>(.*?)</li>", (folder / "unfair.html").read_text())[1]
    assert re.search(r"in <b>origin</b>: 0\.\d+ \(false positive rate: EWR 0\.\d+, (JFK|LGA) 0\.\d+\)", why)
    assert "| equalized_odds_difference ≤ 0.15 | origin | FAILED |" in (folder / "unfair.md").read_text()
