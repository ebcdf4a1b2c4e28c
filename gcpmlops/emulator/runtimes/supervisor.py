"""Runs one command and ends its whole process tree.

`python -I -S supervisor.py FD GRACE TIMEOUT CWD SITE MOUNTS -- COMMAND...`, standalone and standard library only,
because it has to start in a few milliseconds. FD is a socket to the emulator:

    emulator → supervisor   `go` starts the command, `stop` ends the tree; end of file (the emulator died) ends it too
    supervisor → emulator   `pid N`, `timeout` where it ran out, `exit CODE` (negative: the signal that ended it)

Ending is SIGTERM to every process of the tree, GRACE seconds, SIGKILL. When the command itself ends, what it left
running is killed at once, as in a container. On Linux the supervisor is the subreaper of the tree, so that a daemon
that forked twice comes back to it; elsewhere psutil (found in SITE) and the mark in the environment find the tree.

MOUNTS has lines PATH=FOLDER: the command sees those folders at those paths (`/gcs`, `/workspace`), in a mount namespace
of its own, if the machine lets it (`mounts yes` or `mounts no`).
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
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_REACTED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
_RETRY_S = 0.05  # how often a tree that is being ended is looked at where no signal tells


class Supervisor:
    """The command, its tree, and the socket to the emulator."""

    def __init__(
        self, control: socket.socket, grace: float, timeout: float, cwd: str, mounts: str, command: list[str]
    ) -> None:
        self.control = control
        self.grace = grace
        self.timeout_at = time.monotonic() + timeout if timeout else None
        self.cwd = cwd
        self.mounts = dict(line.split("=", 1) for line in mounts.splitlines())
        self.command = command
        self.child = 0
        self.status: int | None = None
        self.kill_at: float | None = None  # set once the tree is being ended
        self.listening = True
        self.wake = _wakeup_pipe()

    def run(self) -> None:
        if self.control.recv(3) != b"go\n":  # no more than that: a `stop` may be right behind it
            return
        self.child = self._spawn()
        self._report(f"pid {self.child}")
        while not self._finished():
            self._step()
        while _signal_all(signal.SIGKILL) | self._reap():
            time.sleep(0.002)
        self._report(f"exit {self.status}")

    def _spawn(self) -> int:
        # a SIGTERM that comes before the command has taken over must end it, not run the supervisor's own reaction
        signal.pthread_sigmask(signal.SIG_BLOCK, _REACTED)
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _REACTED)
            return pid
        try:
            os.setsid()  # a command that signals its own process group must not hit the supervisor
            os.set_inheritable(self.control.fileno(), False)
            if self.mounts:
                self._report("mounts yes" if _show(self.mounts) else "mounts no")
            for number in (*_REACTED, signal.SIGPIPE):  # Python ignores SIGPIPE, the command should not
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _REACTED)
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
    for number in _REACTED:
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
        _libc("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _show(mounts: dict[str, str]) -> bool:
    """Gives this process a root of its own: the machine's, with folders at further paths. Whether that was possible."""
    if sys.platform != "linux":
        return False
    uid, gid = os.getuid(), os.getgid()
    try:
        if uid == 0:
            _libc("unshare", _CLONE_NEWNS)
        else:
            _libc("unshare", _CLONE_NEWUSER | _CLONE_NEWNS)
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{uid} {uid} 1")
            _write("/proc/self/gid_map", f"{gid} {gid} 1")
        _libc("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
        root = f"{next(iter(mounts.values()))}.root"
        _build_root(root, mounts)
        os.chroot(root)
    except OSError:  # containers and hardened kernels forbid it
        return False
    return True


def _build_root(root: str, mounts: dict[str, str]) -> None:
    added = {path.split("/")[1] for path in mounts}
    os.makedirs(root, exist_ok=True)  # noqa: PTH103
    _libc("mount", b"tmpfs", root.encode(), b"tmpfs", 0, b"mode=0755")
    for entry in os.scandir("/"):
        target = f"{root}/{entry.name}"
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), target)  # noqa: PTH115, PTH211
        elif entry.name not in added and entry.is_dir():
            os.mkdir(target)  # noqa: PTH102
            _libc("mount", entry.path.encode(), target.encode(), None, _MS_BIND | _MS_REC, None)
    for path, folder in sorted(mounts.items()):
        os.makedirs(f"{root}{path}", exist_ok=True)  # noqa: PTH103
        _libc("mount", folder.encode(), f"{root}{path}".encode(), None, _MS_BIND, None)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123
        file.write(text)


def _libc(name: str, *arguments: object) -> None:
    import ctypes

    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        raise OSError(ctypes.get_errno(), name)


def main(arguments: list[str]) -> None:
    """Runs the command that the arguments describe (see above)."""
    fd, grace, timeout, cwd, site, mounts, _, *command = arguments
    sys.path.append(site)
    _become_subreaper()
    control = socket.socket(fileno=int(fd))
    Supervisor(control, float(grace), float(timeout), cwd, mounts, command).run()


if __name__ == "__main__":
    main(sys.argv[1:])
