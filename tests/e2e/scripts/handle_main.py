"""A function on a topic that fails every tenth call, and writes down what it handled before it says so."""

import base64
import itertools
import os

import functions_framework

calls = itertools.count(1)


def note(line: str) -> None:
    """One write to a file that is only appended to: it stays whatever ends the process, and lines don't mix."""
    descriptor = os.open(os.environ["HANDLED_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


@functions_framework.cloud_event
def handle(event):
    number = base64.b64decode(event.data["message"]["data"]).decode()
    if next(calls) % 10 == 0:
        note(f"failed {number}")
        raise ValueError("a tenth of the calls fails")
    note(f"handled {number}")
