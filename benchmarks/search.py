"""Search quality: 30 trials with our Gaussian-process sampler, beside random search, Optuna's TPE and its GPSampler.

``python -m benchmarks.search SEED [FUNCTION ...]``: the same with the 20 seeds from SEED on, and other functions.
"""

from __future__ import annotations

import importlib.metadata
import os
import statistics
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks._measure import Line, environment
from benchmarks._sampling import FUNCTIONS, TRIALS

_SEEDS = 20
_PEER = "GPSampler"
_PEERS = {"RandomSampler": "random search", "TPESampler": "Optuna TPE", _PEER: "Optuna GPSampler"}
_TORCH = "torch==2.13.0"
_WORKER = Path(__file__).with_name("_sampling.py")
_ENVIRONMENT = Path(__file__).parents[1] / ".peers" / "gpsampler"
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_UNIT = "above the minimum"


class _Worker:
    """A process that searches on demand; each has one thread for its linear algebra."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def search(self, function: str, seed: int) -> tuple[float, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(function, seed, file=self._process.stdin, flush=True)
        best, seconds = map(float, self._process.stdout.readline().split())
        return best, seconds


def lines(first_seed: int = 0, functions: Sequence[str] = ("Branin", "Hartmann6")) -> Iterator[Line]:
    with ExitStack() as stack:
        pythons = {"ours": sys.executable, **dict.fromkeys(_PEERS, sys.executable)}
        lack = _prepare()
        if lack is None:
            pythons[_PEER] = str(_ENVIRONMENT / "bin" / "python")
        else:
            del pythons[_PEER]
        workers = {name: stack.enter_context(_worker(python, name)) for name, python in pythons.items()}
        for function in functions:
            yield from _function(function, workers, range(first_seed, first_seed + _SEEDS), lack)


def _function(function: str, workers: dict[str, _Worker], seeds: range, lack: str | None) -> Iterator[Line]:
    """Every seed goes through all samplers in turn, so that noise hits all alike."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in workers}
    for seed in seeds:
        for name, worker in workers.items():
            taken[name].append(worker.search(function, seed))
    minimum = FUNCTIONS[function].minimum
    excess = {name: [best - minimum for best, _ in runs] for name, runs in taken.items()}
    times = {name: 1000 * statistics.mean(seconds for _, seconds in runs) for name, runs in taken.items()}
    for title, statistic in (("median", statistics.median), ("worst", max)):
        ours = statistic(excess["ours"])
        for name, label in _PEERS.items():
            values = f"{minimum + ours:.4g}"
            if name in excess:
                values += f" against {minimum + statistic(excess[name]):.4g}"
            text = f"{function} after {TRIALS} trials, {title} of {len(seeds)} seeds: {values}"
            yield _line(text, ours, statistic(excess[name]) if name in excess else None, _UNIT, label, 1, lack)
    yield _line(f"{function}: time per suggestion", times["ours"], times.get(_PEER), "ms", _PEERS[_PEER], 0.4, lack)


def _line(text: str, ours: float, peer: float | None, unit: str, label: str, target: float, lack: str | None) -> Line:
    if peer is None:
        return Line(f"{text}; no {label} here: {lack}", ours, None, unit, None)
    return Line(text, ours, peer, unit, target, peer_name=label)


@contextmanager
def _worker(python: str, name: str) -> Iterator[_Worker]:
    process = subprocess.Popen(
        [python, "-P", str(_WORKER), name],
        env=environment(**_ONE_THREAD),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield _Worker(process)
    finally:
        process.terminate()
        process.wait(30)


def _prepare() -> str | None:
    """Makes the environment of the peer that needs torch, once. Returns why that is impossible here, if so."""
    done = _ENVIRONMENT / "installed"
    if done.exists():
        return None
    venv.create(_ENVIRONMENT, with_pip=True, clear=True)
    wanted = [_TORCH, "scipy", f"optuna=={importlib.metadata.version('optuna')}"]
    pip = [str(_ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", *wanted]
    result = subprocess.run(pip, env=os.environ, capture_output=True, text=True)
    if result.returncode:
        return (result.stderr.strip().splitlines() or ["pip failed"])[-1]
    done.touch()
    return None


def _main() -> None:
    seed, *functions = sys.argv[1:]
    for line in lines(int(seed), functions or list(FUNCTIONS)):
        peer = "-" if line.peer is None else f"{line.peer:.4g} ({line.peer_name})"
        ratio = "-" if line.ratio is None else f"{line.ratio:.3g}"
        print(f"{line.name}: {line.ours:.4g} {line.unit}, {peer}, ratio {ratio}, {line.verdict}", flush=True)


if __name__ == "__main__":
    _main()
