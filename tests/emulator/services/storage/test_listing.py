"""Listings against a naive model, and their speed where a delimiter folds much."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from importlib import resources

import pytest
from google.api_core import exceptions
from hypothesis import given, settings
from hypothesis import strategies as st

from gcpmlops.emulator.services.storage import listing
from gcpmlops.emulator.services.storage.contents import Content
from gcpmlops.emulator.services.storage.listing import Query

NAMES = st.text(alphabet="ab/-ü😀\U0010ffff", min_size=1, max_size=6)


def database(names, generations=1):
    conn = sqlite3.connect(":memory:")
    conn.row_factory = sqlite3.Row
    conn.executescript(resources.files("gcpmlops.emulator.services.storage").joinpath("schema.sql").read_text())
    columns = "bucket, name, live, metageneration, size, crc32c, created, updated, fields"
    for generation in range(generations):
        live = int(generation == generations - 1)
        rows = [("b", name, live, 1, 0, "", 0, 0, "{}") for name in names]
        conn.executemany(f"INSERT INTO storage_object ({columns}) VALUES (?,?,?,?,?,?,?,?,?)", rows)
    return conn


def naive(names, query, generations):
    """(kind, name) in order, by the definition and nothing else."""
    entries = set()
    for name in names:
        outside = name < query.start_offset or (query.end_offset and name >= query.end_offset)
        if outside or not name.startswith(query.prefix):
            continue
        rest = name[len(query.prefix) :]
        if query.delimiter and query.delimiter in rest:
            folded = query.prefix + rest[: rest.index(query.delimiter) + len(query.delimiter)]
            entries.add((folded.encode(), "prefix", 0))
            if not (query.trailing and folded == name):
                continue
        entries |= {(name.encode(), "item", generation) for generation in range(generations)}
    return [(kind, name.decode()) for name, kind, _ in sorted(entries, key=lambda e: (e[0], e[1] == "item", e[2]))]


def paged(conn, query):
    """Every page's entries, merged by name as the naive model orders them."""
    found, token = [], None
    while True:
        page = listing.page(conn, query, token)
        assert len(page.items) + len(page.prefixes) <= query.limit
        entries = [("prefix", prefix) for prefix in page.prefixes] + [("item", item.name) for item in page.items]
        found += sorted(entries, key=lambda entry: (entry[1].encode(), entry[0] == "item"))
        if (token := page.token) is None:
            return found


@settings(max_examples=300, deadline=None)
@given(
    names=st.sets(NAMES, max_size=12),
    prefix=st.one_of(st.just(""), NAMES),
    delimiter=st.sampled_from(["", "/", "-", "ü", "ab"]),
    start=st.one_of(st.just(""), NAMES),
    end=st.one_of(st.just(""), NAMES),
    trailing=st.booleans(),
    versions=st.booleans(),
    limit=st.integers(1, 5),
)
def test_pages_agree_with_the_definition(names, prefix, delimiter, start, end, trailing, versions, limit):
    query = Query("b", prefix, delimiter, start, end, trailing=trailing, versions=versions, limit=limit)
    conn = database(names, generations=2)
    assert paged(conn, query) == naive(names, query, 2 if versions else 1)
    conn.close()


@given(NAMES, NAMES)
def test_the_successor_lies_behind_all_that_begin_with_the_prefix(prefix, rest):
    upper = listing.successor(prefix)
    if upper is not None:
        assert (prefix + rest).encode() < upper.encode()
        assert not upper.startswith(prefix)


def test_a_delimiter_skips_in_the_index():
    names = [f"dir-{top}/{leaf:05}" for top in range(10) for leaf in range(1000)]
    conn = database(names)
    plan = " ".join(
        row["detail"]
        for row in conn.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM storage_object WHERE bucket = 'b' AND name >= 'a' "
            "AND (name > 'a' OR generation > 0) AND live = 1 ORDER BY name, generation"
        )
    )
    assert "storage_object_live" in plan
    assert "TEMP B-TREE" not in plan
    steps = [0]
    conn.set_progress_handler(lambda: steps.__setitem__(0, steps[0] + 1), 100)
    page = listing.page(conn, Query("b", delimiter="/"))
    assert page.prefixes == [f"dir-{top}/" for top in range(10)]
    assert steps[0] < 150  # hundreds of instructions; every row would be thousands
    conn.close()


@pytest.mark.parametrize(
    ("glob", "matching"),
    [
        ("*.csv", ["x.csv"]),
        ("**.csv", ["d/e/z.csv", "d/y.csv", "x.csv"]),
        ("d/*", ["d/y.csv"]),
        ("?.csv", ["x.csv"]),
        ("[xw].csv", ["x.csv"]),
        ("[!x].csv", []),
        ("{d/y,x}.csv", ["d/y.csv", "x.csv"]),
        ("x+csv", []),
    ],
)
def test_globs(bucket, glob, matching):
    for name in ("x.csv", "d/y.csv", "d/e/z.csv", "x.txt"):
        bucket.blob(name).upload_from_string(b"")
    assert [blob.name for blob in bucket.list_blobs(match_glob=glob)] == matching


def test_the_clients_pages(bucket, engine):
    for at in range(25):
        engine.objects.put("bucket-1", f"p/{at:03}", Content(0, None, "AAAAAA==", b""), {})
    engine.objects.put("bucket-1", "q/", Content(0, None, "AAAAAA==", b""), {})
    found = bucket.list_blobs(prefix="p/", page_size=10)
    assert [len(list(page)) for page in found.pages] == [10, 10, 5]
    folded = bucket.list_blobs(delimiter="/", include_trailing_delimiter=True)
    assert ([blob.name for blob in folded], folded.prefixes) == (["q/"], {"p/", "q/"})
    assert [blob.name for blob in bucket.list_blobs(start_offset="p/023", end_offset="q")] == ["p/023", "p/024"]
    assert len(list(bucket.list_blobs(max_results=3))) == 3


def test_a_missing_bucket(storage_client):
    with pytest.raises(exceptions.NotFound, match="The specified bucket does not exist"):
        list(storage_client.list_blobs("no-such-bucket"))


def test_the_engine_lists_beyond_a_page(engine, served):
    engine.buckets.insert("local-project", {"name": "many"})
    names = [f"n{at:05}" for at in range(2500)]

    def fill(conn):
        for name in names:
            engine.objects.put_in(conn, "many", name, Content(0, None, "", b""), {}, engine_none())

    served.store.write(fill)
    assert [info.name for info in engine.list("many", "n")] == names
    assert served.clock.now() > datetime(2024, 1, 1, tzinfo=UTC)


def engine_none():
    from gcpmlops.emulator.services.storage.preconditions import NONE

    return NONE
