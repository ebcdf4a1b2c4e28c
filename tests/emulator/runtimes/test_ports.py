"""Ports for programs: none is given twice, none that somebody listens on, none that a connection may take."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

from gcpmlops.emulator.runtimes.ports import free_port


def test_no_two_at_once_get_the_same() -> None:
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: free_port(), range(400)))
    assert len({*given}) == 400
    assert all(20_000 <= port < 32_768 for port in given)


def test_the_wanted_one_where_nobody_listens_there() -> None:
    wanted = free_port()
    assert free_port(wanted) == wanted
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", wanted))
        taken.listen()
        assert free_port(wanted) != wanted
