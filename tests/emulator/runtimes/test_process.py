"""Real processes under the real supervisor."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gcpmlops.emulator.runtimes.process import Exit, Processes, ProcessSpec, reap_leftovers

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open(sys.argv[1], "w") as file:
            file.write(str(os.getpid()))
        os.rename(sys.argv[1], sys.argv[2])
        time.sleep(600)
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
"""


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path / "registry")
    yield processes
    processes.close()
    assert not list((tmp_path / "registry").iterdir())


def ignore(*_: object) -> None:
    pass


class Recorder:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.exits: list[Exit] = []

    def on_line(self, stream: str, text: str) -> None:
        self.lines.append((stream, text))


def python(code: str, *args: str, cwd: Path, **limits: float) -> ProcessSpec:
    return ProcessSpec([sys.executable, "-S", "-c", code, *args], dict(os.environ), cwd, **limits)  # type: ignore[arg-type]


def run(processes: Processes, spec: ProcessSpec) -> tuple[Exit, list[tuple[str, str]]]:
    recorder = Recorder()
    result = processes.start(spec, recorder.on_line, recorder.exits.append).wait(60)
    assert recorder.exits == [result]
    return result, recorder.lines


def test_output_arrives_by_stream_and_line(processes: Processes, tmp_path: Path) -> None:
    result, lines = run(
        processes,
        python("import sys; print('é'); print('b\\n\\nc', end=''); print('e', file=sys.stderr)", cwd=tmp_path),
    )
    assert result.ok
    assert result.code == 0
    assert [text for stream, text in lines if stream == "stdout"] == ["é", "b", "", "c"]
    assert ("stderr", "e") in lines


def test_exit_code_and_tail(processes: Processes, tmp_path: Path) -> None:
    result, _ = run(processes, python("for i in range(80): print(i)\nraise SystemExit(3)", cwd=tmp_path))
    assert (result.code, result.signal, result.ok) == (3, None, False)
    assert result.tail == tuple(str(i) for i in range(30, 80))


def test_death_by_signal(processes: Processes, tmp_path: Path) -> None:
    result, _ = run(processes, python("import os; os.kill(os.getpid(), 11)", cwd=tmp_path))
    assert (result.code, result.signal) == (None, 11)
    assert "SIGSEGV" in result.describe()


def test_command_that_does_not_exist(processes: Processes, tmp_path: Path) -> None:
    result, lines = run(processes, ProcessSpec(["no-such-command"], dict(os.environ), tmp_path))
    assert result.code == 127
    assert lines == [("stderr", f"cannot run no-such-command in {tmp_path}: No such file or directory")]


def test_timeout(processes: Processes, tmp_path: Path) -> None:
    result, _ = run(processes, python("import time; time.sleep(600)", cwd=tmp_path, timeout_s=0.2))
    assert result.timed_out
    assert not result.cancelled
    assert not result.ok


def test_cancel_lets_the_command_clean_up(processes: Processes, tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: (print('saved'), sys.exit(0)))\n"
        "print('up', flush=True)\ntime.sleep(600)"
    )
    up, recorder = threading.Event(), Recorder()

    def on_line(stream: str, text: str) -> None:
        recorder.on_line(stream, text)
        up.set()

    process = processes.start(python(code, cwd=tmp_path), on_line, recorder.exits.append)
    assert up.wait(20)
    process.cancel()
    result = process.wait(20)
    assert result.cancelled
    assert result.code == 0
    assert not result.ok
    assert recorder.lines == [("stdout", "up"), ("stdout", "saved")]


def test_a_shell_does_not_cut_the_grace_of_its_child(processes: Processes, tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: "
        "(time.sleep(0.3), print('saved'), sys.exit(0)))\n"
        "print('up', flush=True)\ntime.sleep(600)"
    )
    up, recorder = threading.Event(), Recorder()
    spec = ProcessSpec(["sh", "-c", '"$0" -S -c "$1"; true', sys.executable, code], dict(os.environ), tmp_path)
    process = processes.start(
        spec, lambda stream, text: (recorder.on_line(stream, text), up.set())[1], recorder.exits.append
    )
    assert up.wait(20)
    process.cancel()
    process.wait(20)
    assert ("stdout", "saved") in recorder.lines


def test_cancel_right_after_the_start(processes: Processes, tmp_path: Path) -> None:
    for _ in range(5):
        process = processes.start(ProcessSpec(["sleep", "600"], dict(os.environ), tmp_path), ignore, ignore)
        process.cancel()
        assert process.wait(5).cancelled


def test_cancel_kills_what_ignores_sigterm(processes: Processes, tmp_path: Path) -> None:
    code = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)"
    )
    up = threading.Event()
    process = processes.start(python(code, cwd=tmp_path, grace_s=0.2), lambda *_: up.set(), lambda _: None)
    assert up.wait(20)
    process.cancel()
    assert process.wait(20).signal == signal.SIGKILL


def test_a_daemonised_grandchild_ends_with_the_command(processes: Processes, tmp_path: Path) -> None:
    result, _ = run(processes, python(DAEMON, str(tmp_path / "part"), str(tmp_path / "pid"), cwd=tmp_path))
    assert result.ok
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_hundred_thousand_lines(processes: Processes, tmp_path: Path) -> None:
    result, lines = run(processes, python("for i in range(100_000): print(i)", cwd=tmp_path))
    assert result.ok
    assert [text for _, text in lines] == [str(i) for i in range(100_000)]


def test_a_huge_line_is_split_and_does_not_stay_in_memory(processes: Processes, tmp_path: Path) -> None:
    sizes: list[int] = []
    before = psutil.Process().memory_info().rss
    code = "import sys\nfor _ in range(64): sys.stdout.write('x' * 1048576)"
    process = processes.start(python(code, cwd=tmp_path), lambda _, text: sizes.append(len(text)), lambda _: None)
    assert process.wait(60).ok
    assert sum(sizes) == 64 << 20
    assert max(sizes) == 1 << 16
    assert psutil.Process().memory_info().rss - before < 32 << 20


def test_a_slow_reader_holds_the_command_back(processes: Processes, tmp_path: Path) -> None:
    go, lines = threading.Event(), Recorder()

    def on_line(stream: str, text: str) -> None:
        go.wait(60)
        lines.on_line(stream, text)

    done = tmp_path / "done"
    code = "import sys\nfor _ in range(2000): print('x' * 1000)\nopen(sys.argv[1], 'w').close()"
    process = processes.start(python(code, str(done), cwd=tmp_path), on_line, lambda _: None)
    with pytest.raises(TimeoutError):
        process.wait(0.5)
    assert not done.exists()
    go.set()
    assert process.wait(60).ok
    assert len(lines.lines) == 2000


def test_memory_and_pid(processes: Processes, tmp_path: Path) -> None:
    process = processes.start(python("import time; time.sleep(600)", cwd=tmp_path), lambda *_: None, lambda _: None)
    assert psutil.Process(process.pid).ppid() != os.getpid()
    eventually(lambda: process.rss > 1 << 20)
    process.cancel()
    process.wait(20)
    assert process.rss == 0


def test_a_failing_callback_does_not_lose_the_exit(
    processes: Processes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Exit) -> None:
        raise RuntimeError("broken")

    assert processes.start(python("", cwd=tmp_path), lambda *_: None, broken).wait(20).ok
    assert "its exit could not be handled" in caplog.text


EMULATOR = """
import os, sys, threading
from pathlib import Path
from gcpmlops.emulator.runtimes.process import Processes, ProcessSpec
processes = Processes(Path(sys.argv[1]))
spec = ProcessSpec([sys.executable, "-c", sys.argv[2], *sys.argv[3:]], dict(os.environ), Path("/"), grace_s=0.2)
processes.start(spec, lambda *_: None, lambda _: None)
threading.Event().wait()
"""
LINGERING = DAEMON + "time.sleep(600)\n"


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process that supervises a command with a daemon, and the daemon's pid."""
    pid_file = tmp_path / "pid"
    parent = subprocess.Popen(
        [sys.executable, "-c", EMULATOR, str(tmp_path / "r"), LINGERING, str(tmp_path / "part"), str(pid_file)]
    )
    eventually(pid_file.exists)
    yield parent, int(pid_file.read_text())
    parent.kill()
    parent.wait()


def test_nothing_survives_a_killed_emulator(emulator: tuple[subprocess.Popen[bytes], int]) -> None:
    parent, daemon = emulator
    tree = psutil.Process(parent.pid).children(recursive=True)
    assert len(tree) >= 2
    assert psutil.pid_exists(daemon)
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(tree, timeout=20)
    assert not alive
    eventually(lambda: not psutil.pid_exists(daemon))


def test_a_restart_reaps_what_a_killed_supervisor_left(
    emulator: tuple[subprocess.Popen[bytes], int], tmp_path: Path
) -> None:
    parent, daemon = emulator
    keeper = psutil.Process(parent.pid).children()[0]
    parent.send_signal(signal.SIGSTOP)
    keeper.kill()
    parent.kill()
    parent.wait()
    assert psutil.pid_exists(daemon)
    assert reap_leftovers(tmp_path / "r") >= 2
    assert not psutil.pid_exists(daemon)
    assert not list((tmp_path / "r").iterdir())
    assert reap_leftovers(tmp_path / "r") == 0
