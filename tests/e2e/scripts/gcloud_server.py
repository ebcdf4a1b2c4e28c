"""Runs in gcloud's own Python, started by its own launcher: loads gcloud once, and forks for each command.

Most of a gcloud command's time goes to loading gcloud. Here that is done once; a command is a fork in which the
unmodified `gcloud.main()` runs with the command's arguments, folder, environment and streams. What a command loaded
further is loaded in the server, too, before the next one.
"""

import array
import atexit
import importlib
import importlib.util
import json
import os
import socket
import sys
import traceback

_KEPT = ("googlecloudsdk.", "apitools.", "requests", "urllib3", "google.auth", "oauth2client", "yaml", "ruamel", "grpc")


def load(path: str):
    """gcloud.py, and behind it all that every command needs."""
    sys.argv = [path]
    spec = importlib.util.spec_from_file_location("gcloud_launcher", path)
    gcloud = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gcloud)
    sys.path = gcloud.reorder_sys_path(sys.path)
    gcloud._fix_google_module()
    gcloud._import_gcloud_main()
    return gcloud


def serve(gcloud, listener: socket.socket, path: str) -> None:
    """One connection a command; ends when the one that started it has gone."""
    while True:
        conn, _ = listener.accept()
        message, streams = receive(conn)
        if not message:
            return
        request = json.loads(message)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            listener.close()
            os.close(reader)
            run(gcloud, path, request, streams, writer)
        os.close(writer)
        for stream in streams:
            os.close(stream)
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


def run(gcloud, path: str, request, streams, writer: int) -> None:
    """In the fork: the command, as if it had been started by itself."""
    code, before = 1, set(sys.modules)
    try:
        os.dup2(streams[0], 1)
        os.dup2(streams[1], 2)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = [path, *request["arguments"]]
        gcloud.main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - shown, as Python itself would
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        new = [name for name in set(sys.modules) - before if name.startswith(_KEPT) and ".surface" not in name]
        os.write(writer, " ".join(sorted(new)).encode())
        os._exit(code)


def main() -> None:
    path = os.path.abspath(sys.argv[1])  # noqa: PTH100 - a text, as gcloud has it
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.environ["GCLOUD_SERVER_SOCKET"])
    gcloud = load(path)
    listener.listen()
    print("ready", flush=True)
    serve(gcloud, listener, path)


main()
