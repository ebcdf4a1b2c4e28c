"""A Python program that is loaded once, and forks for each of its commands. Argument: the path of the program.

Most of the time of a short command goes to loading its program. Here that is done once; a command is a fork in which
the unmodified program runs as `__main__`, with the command's arguments, folder, environment and streams. Started by
gcloud's own launcher, in gcloud's own Python, it serves gcloud and the first half of bq and gsutil, which are started
by gcloud's libraries. Started by another Python, it serves what PROGRAM_SERVER_MODULES names: any script that needs
these modules.
"""

import array
import atexit
import datetime
import gc
import importlib
import importlib.util
import inspect
import json
import os
import runpy
import select
import socket
import sys
import threading
import traceback

# What a command of gcloud loaded further is loaded in the server, too, before the next one.
_KEPT = ("googlecloudsdk.", "apitools.", "requests", "urllib3", "google.auth", "oauth2client", "yaml", "ruamel", "grpc")


class Gcloud:
    """gcloud.py, and behind it all that every command needs; bq and gsutil as far as gcloud starts them."""

    def __init__(self, path):
        self.path = path
        sys.argv = [path]
        spec = importlib.util.spec_from_file_location("gcloud_launcher", path)
        self.gcloud = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.gcloud)
        sys.path = self.gcloud.reorder_sys_path(sys.path)
        self.gcloud._fix_google_module()
        self.gcloud._import_gcloud_main()
        self._look_often()

    def _look_often(self):
        """What takes minutes in the cloud takes milliseconds here: commands look at it again as soon as they may."""
        from googlecloudsdk.api_lib.util import waiter
        from googlecloudsdk.command_lib.ai import log_util
        from googlecloudsdk.command_lib.logs import stream

        log_util._CONTINUE_INTERVAL = 1  # seconds; 10
        until, late = stream.LogPosition.GetFilterUpperBound, datetime.timedelta(seconds=5)
        # What was logged in the last 5 s is left for later, in case that older entries are still on their way: none is.
        stream.LogPosition.GetFilterUpperBound = lambda position, now: until(position, now + late)
        often = {"pre_start_sleep_ms": 50, "jitter_ms": 0, "sleep_ms": 100}  # 1000, up to 1000, 2000
        before = {name: given.default for name, given in inspect.signature(waiter.WaitFor).parameters.items()}
        waiter.WaitFor.__defaults__ = tuple({**before, **often}.values())[-len(waiter.WaitFor.__defaults__) :]

    def run(self, program, arguments, tools):
        if program == "gcloud":
            sys.argv = [self.path, *arguments]
            self.gcloud.main()
            return
        folder = os.path.join(os.path.dirname(os.path.dirname(self.path)), "bin", "bootstrapping")  # noqa: PTH118, PTH120
        sys.path.insert(0, folder)
        sys.argv = [os.path.join(folder, f"{program}.py"), *arguments]  # noqa: PTH118
        from googlecloudsdk.core import execution_utils

        start = execution_utils.Exec

        def through_its_server(command, *others, **options):
            for number, part in enumerate(command):
                if (part := os.path.realpath(part)) in tools:
                    sys.exit(ask(tools[part], {"program": part, "arguments": command[number + 1 :]}))
            start(command, *others, **options)

        execution_utils.Exec = through_its_server
        runpy.run_path(sys.argv[0], run_name="__main__")

    def kept(self, names):
        return [name for name in names if name.startswith(_KEPT) and ".surface" not in name]


class Script:
    """A program and further modules it needs (or any program, where only modules are loaded)."""

    def __init__(self, path):
        if path:
            sys.path[0] = os.path.dirname(path)  # noqa: PTH120
            sys.argv = [path]
            runpy.run_path(path, run_name="loaded")
        for name in os.environ.get("PROGRAM_SERVER_MODULES", "").split():
            importlib.import_module(name)
        if polling := sys.modules.get("google.api_core.future.polling"):
            # What takes minutes in the cloud is done here before clients that ask up to 1 s later, then 1.5, ask again.
            polling.DEFAULT_POLLING._initial = polling.DEFAULT_POLLING._maximum = 0.1

    def run(self, program, arguments, tools):
        sys.path[0] = os.path.dirname(program)  # noqa: PTH120
        sys.argv = [program, *arguments]
        runpy.run_path(program, run_name="__main__")

    def kept(self, names):
        return []


def ask(address, request):
    """The exit code of a command of another server, with this process's folder, environment and streams."""
    request = {**request, "cwd": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
    sys.stdout.flush()
    sys.stderr.flush()
    with socket.socket(socket.AF_UNIX) as conn:
        conn.connect(address)
        socket.send_fds(conn, [json.dumps(request).encode()], [1, 2])
        conn.sendall(b"\n")
        return int(conn.recv(16))


def serve(program, listener: socket.socket) -> None:
    """One connection a command; ends with the standard input, that is, when the one that started it has gone."""
    running = {}
    while True:
        ready, _, _ = select.select([listener, sys.stdin, *running], [], [])
        if sys.stdin in ready:
            return
        for reader in running.keys() & set(ready):
            finish(reader, *running.pop(reader))
        if listener in ready:
            reader, *command = begin(program, listener)
            running[reader] = command


def begin(program, listener: socket.socket):
    """A fork for the next command: what tells of its end, its process, who asked for it."""
    conn, _ = listener.accept()
    message, streams = receive(conn)
    reader, writer = os.pipe()
    gc.freeze()  # what is loaded is no garbage, and forks that look for some would copy it all
    child = os.fork()
    if child == 0:
        gc.enable()
        listener.close()
        os.close(reader)
        run(program, json.loads(message), streams, writer)
    os.close(writer)
    for stream in streams:
        os.close(stream)
    return reader, child, conn


def finish(reader: int, child: int, conn: socket.socket) -> None:
    with os.fdopen(reader) as loaded:
        names = loaded.read().split()
    _, status = os.waitpid(child, 0)
    conn.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    conn.close()
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001 - what only that command could load
            continue


def receive(conn: socket.socket):
    """The request and the two streams of the command."""
    descriptors = array.array("i")
    message, ancillary, _, _ = conn.recvmsg(1 << 20, socket.CMSG_LEN(2 * descriptors.itemsize))
    for _, _, data in ancillary:
        descriptors.frombytes(data)
    while message and not message.endswith(b"\n"):
        message += conn.recv(1 << 20)
    return message, list(descriptors)


def run(program, request, streams, writer: int) -> None:
    """In the fork: the command, as if it had been started by itself."""
    code, before = 1, set(sys.modules)
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(streams[0], 1)
        os.dup2(streams[1], 2)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        program.run(request["program"], request["arguments"], request.get("tools", {}))
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - shown, as Python itself would
        traceback.print_exc()
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(writer, " ".join(sorted(program.kept(set(sys.modules) - before))).encode())
        os._exit(code)


def main() -> None:
    gc.disable()  # here; each fork has its own
    path = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""  # noqa: PTH100 - a text, as gcloud has it
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.environ["PROGRAM_SERVER_SOCKET"])
    program = Gcloud(path) if path.endswith("gcloud.py") else Script(path)
    listener.listen()
    print(f"ready {sys.executable}", flush=True)
    serve(program, listener)


main()
