"""Runs one command and ends its whole process tree.

`python -I -S supervisor.py FD GRACE TIMEOUT CWD SITE -- COMMAND...`, standalone and standard library only, because it
has to start in a few milliseconds. FD is a socket to the emulator:

    emulator → supervisor   `go` starts the command, `stop` ends the tree; end of file (the emulator died) ends it too
    supervisor → emulator   `pid N`, `timeout` where it ran out, `exit CODE` (negative: the signal that ended it)

Ending is SIGTERM to every process of the tree, GRACE seconds, SIGKILL. When the command itself ends, what it left
running is killed at once, as in a container. On Linux the supervisor is the subreaper of the tree, so that a daemon
that forked twice comes back to it; elsewhere psutil (found in SITE) and the mark in the environment find the tree.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator

MARK = "GCPMLOPS_PROCESS"  # the environment variable that names the tree
_PR_SET_CHILD_SUBREAPER = 36
_RETRY_S = 0.05  # how often a tree that is being ended is looked at where no signal tells


class Supervisor:
    """The command, its tree, and the socket to the emulator."""

    def __init__(self, control: socket.socket, grace: float, timeout: float, cwd: str, command: list[str]) -> None:
        self.control = control
        self.grace = grace
        self.timeout_at = time.monotonic() + timeout if timeout else None
        self.cwd = cwd
        self.command = command
        self.child = 0
        self.status: int | None = None
        self.kill_at: float | None = None  # set once the tree is being ended
        self.listening = True
        self.wake = _wakeup_pipe()

    def run(self) -> None:
        if self.control.recv(16)[:2] != b"go":
            return
        self.child = self._spawn()
        self._report(f"pid {self.child}")
        while not self._finished():
            self._step()
        while _signal_all(signal.SIGKILL) | self._reap():
            time.sleep(0.002)
        self._report(f"exit {self.status}")

    def _spawn(self) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setsid()  # a command that signals its own process group must not hit the supervisor
            os.set_inheritable(self.control.fileno(), False)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, the command should not
            os.chdir(self.cwd)
            os.execvp(self.command[0], self.command)
        except OSError as error:
            os.write(2, f"cannot run {self.command[0]} in {self.cwd}: {error.strerror}\n".encode())
        finally:
            os._exit(127)

    def _finished(self) -> bool:
        if self.status is None:
            return False
        return self.kill_at is None or not any(_tree())

    def _step(self) -> None:
        sources = [self.wake, self.control.fileno()] if self.listening else [self.wake]
        ready, _, _ = select.select(sources, [], [], self._pause())
        if self.wake in ready:
            self._signalled(os.read(self.wake, 512))
        if self.control.fileno() in ready:
            self._commanded()
        self._reap()
        self._check_time(time.monotonic())

    def _pause(self) -> float | None:
        if self.kill_at is not None:
            until = self.kill_at if sys.platform == "linux" and self.status is None else time.monotonic() + _RETRY_S
        elif self.timeout_at is not None:
            until = self.timeout_at
        else:
            return None
        return max(0.0, min(until - time.monotonic(), 3600.0))

    def _signalled(self, numbers: bytes) -> None:
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            self._end()

    def _commanded(self) -> None:
        try:
            data = self.control.recv(64)
        except OSError:  # reset by a dying emulator: the same as end of file
            data = b""
        self.listening = bool(data)
        self._end()  # `stop` is the only command after `go`

    def _check_time(self, now: float) -> None:
        if self.kill_at is None and self.timeout_at is not None and now >= self.timeout_at and self.status is None:
            self._report("timeout")
            self._end()
        elif self.kill_at is not None and now >= self.kill_at:
            _signal_all(signal.SIGKILL)
            self.kill_at = now + _RETRY_S  # again, for what forked meanwhile

    def _end(self) -> None:
        if self.kill_at is None:
            self.kill_at = time.monotonic() + self.grace
            _signal_all(signal.SIGTERM)

    def _reap(self) -> bool:
        """Collects every ended process of the tree, the command's own status among them; whether any is left."""
        with contextlib.suppress(ChildProcessError):  # no child left
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return True
                if pid == self.child:
                    self.status = os.waitstatus_to_exitcode(status)
        return False

    def _report(self, line: str) -> None:
        with contextlib.suppress(OSError):  # the emulator is gone: nobody to tell
            self.control.sendall(line.encode() + b"\n")


def _wakeup_pipe() -> int:
    """A descriptor that becomes readable, with the signal's number, when a child ended or the supervisor should."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _signal_all(number: int) -> bool:
    """Sends a signal to every process of the tree; whether there was one."""
    found = False
    for pid in list(_tree()):
        found = True
        with contextlib.suppress(ProcessLookupError, PermissionError):  # ended meanwhile, or another user's
            os.kill(pid, number)
    return found


def _tree() -> Iterator[int]:
    return _tree_by_proc() if sys.platform == "linux" else _tree_by_psutil()


def _tree_by_proc() -> Iterator[int]:
    """Living descendants of this process (zombies are no longer anyone's burden)."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208
        if entry.isdigit():
            # what ends while we look is skipped; importing pathlib would double the start-up
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:  # noqa: PTH123
                state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state not in b"ZX":
                    parents[int(entry)] = int(parent)
    family = {os.getpid()}
    grown = True
    while grown:
        fresh = {pid for pid, parent in parents.items() if parent in family} - family
        family |= fresh
        grown = bool(fresh)
    yield from family - {os.getpid()}


def _tree_by_psutil() -> Iterator[int]:
    import psutil

    mark, own = os.environ.get(MARK), os.getpid()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # ended, or another user's
            if process.pid != own and process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                yield process.pid


def _become_subreaper() -> None:
    if sys.platform == "linux":
        import ctypes

        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def main(arguments: list[str]) -> None:
    """Runs the command that the arguments describe (see above)."""
    fd, grace, timeout, cwd, site, _, *command = arguments
    sys.path.append(site)
    _become_subreaper()
    control = socket.socket(fileno=int(fd))
    Supervisor(control, float(grace), float(timeout), cwd, command).run()


if __name__ == "__main__":
    main(sys.argv[1:])
