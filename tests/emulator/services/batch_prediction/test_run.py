"""What becomes of the instances of a job, with models that are functions: good, refusing, dying, hanging."""

import csv
import io
import itertools
import json
import threading
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.runtimes.cancellation import Cancelled
from gcpmlops.emulator.services.batch_prediction import ahead, asking, spool
from gcpmlops.emulator.services.batch_prediction.ahead import Ahead
from gcpmlops.emulator.services.batch_prediction.asking import BatchSize
from gcpmlops.emulator.services.batch_prediction.explaining import spec_of

from .conftest import Bench, Server


def total(instances: list[Any]) -> list[Any]:
    """The sum of each instance's numbers; refuses the whole request for one that isn't numbers."""
    return [sum(value + 0 for value in instance) for instance in instances]


def strict(instances: list[Any]) -> list[Any]:
    for instance in instances:
        if not (isinstance(instance, list) and all(isinstance(value, (int, float)) for value in instance)):
            raise ValueError(f"could not convert {instance} to numbers")
    return total(instances)


def rows(count: int) -> str:
    return "".join(f"[{n}, 1]\n" for n in range(count))


def test_the_order_stays_and_batches_grow(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "ROWS_PER_FILE", 3000)
    server = Server(total)
    outcome = bench.run(server, bench.put("in.jsonl", rows(10_000)), model_parameters={"a": 1})
    assert (outcome.succeeded, outcome.failed, outcome.stopped) == (10_000, 0, "")
    assert bench.lines() == [{"instance": [n, 1], "prediction": n + 1} for n in range(10_000)]
    assert len(list(bench.path.glob("out/*/prediction.results-*-of-00004"))) == 4
    assert not list(bench.path.glob("out/*/prediction.errors_stats-*"))
    assert server.sizes[0] == 8
    assert max(server.sizes) > 1000
    assert server.bodies[0]["parameters"] == {"a": 1}
    assert bench.progress[-1] == (10_000, 0)


def test_a_batch_size_that_is_asked_for_is_kept(bench: Bench) -> None:
    server = Server(total)
    bench.run(server, bench.put("in.jsonl", rows(250)), manual_batch_tuning_parameters={"batch_size": 100})
    assert sorted(server.sizes) == [50, 100, 100]


def test_large_instances_make_small_batches_unless_a_size_is_asked_for(bench: Bench) -> None:
    uri = bench.put("in.jsonl", f'["{"x" * 500_000}"]\n' * 40)
    count = Server(lambda instances: [len(instance[0]) for instance in instances])
    bench.run(count, uri)
    assert max(count.sizes) == 8
    bench.run(count, uri, manual_batch_tuning_parameters={"batch_size": 20})
    assert sorted(count.sizes)[-2:] == [20, 20]


def test_a_container_of_ones_own_gets_64_at_most(bench: Bench) -> None:
    server = Server(total)
    bench.run(server, bench.put("in.jsonl", rows(1000)), prebuilt=False)
    assert max(server.sizes) == 64


def test_bad_instances_are_found_among_many(bench: Bench) -> None:
    lines = [f"[{n}, 1]" for n in range(1000)]
    lines[3], lines[500], lines[501], lines[999] = '["a", 1]', "not json", '{"x": 1}', "[null]"
    server = Server(strict)
    outcome = bench.run(server, bench.put("in.jsonl", "\n".join(lines)))
    assert (outcome.succeeded, outcome.failed) == (996, 4)
    kept = [n for n in range(1000) if n not in (3, 500, 501, 999)]
    assert [line["prediction"] for line in bench.lines()] == [n + 1 for n in kept]
    errors = {json.dumps(line["instance"]): line["error"] for line in bench.lines("errors_stats")}
    assert errors['["a", 1]'] == {"code": 3, "message": "could not convert ['a', 1] to numbers"}
    assert "gs://b/in.jsonl, line 501 is not JSON" in errors["null"]["message"]
    assert [line["instance"] for line in bench.lines("errors_stats")] == [["a", 1], None, {"x": 1}, [None]]
    assert len(server.bodies) < 200  # by halves, not one by one


def test_values_on_one_line_are_no_two_instances(bench: Bench) -> None:
    outcome = bench.run(Server(total), bench.put("in.jsonl", "[1, 2], [3]\n[4\n5]\n\ufeff[6]\n[7]\n"))
    assert (outcome.succeeded, outcome.failed) == (1, 4)
    assert bench.lines() == [{"instance": [7], "prediction": 7}]


def test_a_byte_order_mark_blank_lines_and_windows_line_ends(bench: Bench) -> None:
    bench.run(Server(total), bench.put("in.jsonl", "\ufeff[1]\r\n\r\n[2]\r\n  [3]".encode()))
    assert [line["prediction"] for line in bench.lines()] == [1, 2, 3]


@pytest.mark.parametrize(("kind", "content"), [("jsonl", "\n\n"), ("csv", "a,b\n")])
def test_an_empty_input_is_an_error(bench: Bench, kind: str, content: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="gs://b/in has no instances"):
        bench.run(Server(total), bench.put("in", content), kind)


def test_input_that_is_not_there(bench: Bench) -> None:
    with pytest.raises(exceptions.NotFound, match=r"gs://b/none\.jsonl is not found"):
        bench.run(Server(total), "gs://b/none.jsonl")


def test_hopeless_input_is_given_up(bench: Bench) -> None:
    server = Server(strict)
    outcome = bench.run(server, bench.put("in.jsonl", '{"x": 1}\n' * 20_000))
    assert outcome.succeeded == 0
    assert 1000 <= outcome.failed < 1100
    assert "the rest was not tried" in outcome.stopped
    assert len(server.bodies) < 2500
    assert len(bench.lines("errors_stats")) == outcome.failed


def test_a_server_that_dies_at_every_third_request(bench: Bench) -> None:
    requests = itertools.count(1)

    def dies(instances: list[Any]) -> list[Any]:
        if next(requests) % 3 == 0:
            raise exceptions.ServiceUnavailable("it ended while it answered")
        return total(instances)

    server = Server(dies)
    uri = bench.put("in.jsonl", rows(1000))
    outcome = bench.run(server, uri, manual_batch_tuning_parameters={"batch_size": 50})
    assert (outcome.succeeded, outcome.failed, outcome.stopped) == (1000, 0, "")
    assert [line["prediction"] for line in bench.lines()] == [n + 1 for n in range(1000)]


def test_one_instance_that_kills_the_server(bench: Bench) -> None:
    def dies(instances: list[Any]) -> list[Any]:
        if [66, 1] in instances:
            raise exceptions.ServiceUnavailable("it ended while it answered")
        return total(instances)

    outcome = bench.run(Server(dies), bench.put("in.jsonl", rows(100)))
    assert (outcome.succeeded, outcome.failed) == (99, 1)
    (error,) = bench.lines("errors_stats")
    assert error == {"instance": [66, 1], "error": {"code": 14, "message": "it ended while it answered"}}


def test_a_server_that_only_dies_ends_the_job_with_what_there_is(bench: Bench) -> None:
    requests = itertools.count()

    def dies(instances: list[Any]) -> list[Any]:
        if next(requests):
            raise exceptions.ServiceUnavailable("it ended while it answered")
        return total(instances)

    server = Server(dies)
    outcome = bench.run(server, bench.put("in.jsonl", rows(1000)))
    assert outcome.stopped == f"The model's server failed {asking.BREAKDOWNS} times: it ended while it answered"
    assert len(server.bodies) < 2 * asking.BREAKDOWNS
    assert len(bench.lines()) == outcome.succeeded <= 8


def test_a_server_that_hangs_ends_the_job(bench: Bench) -> None:
    def hangs(instances: list[Any]) -> list[Any]:
        raise exceptions.DeadlineExceeded("it did not answer within 120 s")

    server = Server(hangs)
    outcome = bench.run(server, bench.put("in.jsonl", rows(1000)))
    assert outcome.stopped == f"The model's server failed {asking.TIMEOUTS} times: it did not answer within 120 s"
    assert len(server.bodies) <= 3


@pytest.mark.parametrize("answer", [b"<html>Sign in</html>", b'{"predictions": 3}', b'{"predictions": [1, 2, 3, 4]}'])
def test_answers_that_break_the_contract_are_each_instances_error(bench: Bench, answer: bytes) -> None:
    outcome = bench.run(Server(lambda instances: answer), bench.put("in.jsonl", rows(3)))
    assert (outcome.succeeded, outcome.failed) == (0, 3)
    assert {line["error"]["code"] for line in bench.lines("errors_stats")} == {13}


def test_csv(bench: Bench) -> None:
    uri = bench.put("in.csv", 'x,y\n1,0.5\n2,"a ""b"""\n')
    outcome = bench.run(Server(strict), uri, "csv", "csv")
    assert (outcome.succeeded, outcome.failed) == (1, 1)
    (row,) = csv.DictReader(io.StringIO(bench.text()))
    assert (json.loads(row["instance"]), row["prediction"]) == ([1, 0.5], "1.5")
    (row,) = csv.DictReader(io.StringIO(bench.text("errors_stats")))
    assert json.loads(row["instance"]) == [2, 'a "b"']
    assert json.loads(row["error"])["code"] == 3


def test_keys_and_fields(bench: Bench) -> None:
    uri = bench.put("in.jsonl", '{"id": "k1", "b": 1, "a": 5}\n{"id": "k2", "b": 2, "a": 6}\n{"b": 2, "a": 6}\n')
    config = {"instance_type": "array", "key_field": "id", "included_fields": ["a", "b"]}
    server = Server(lambda instances: [{"sum": sum(instance)} for instance in instances])
    bench.run(server, uri, instance_config=config)
    assert bench.lines() == [{"key": "k1", "prediction": {"sum": 6}}, {"key": "k2", "prediction": {"sum": 8}}]
    (error,) = bench.lines("errors_stats")
    assert "no field 'id', which is the key_field" in error["error"]["message"]


def test_contents_of_listed_files_are_sent_as_base64(bench: Bench) -> None:
    listed = bench.put("list.txt", f"{bench.put('a.bin', b'some bytes')}\ngs://b/none.bin\n")
    bench.run(Server(lambda instances: [instance["b64"] for instance in instances]), listed, "file-list")
    assert bench.lines() == [{"instance": {"b64": "c29tZSBieXRlcw=="}, "prediction": "c29tZSBieXRlcw=="}]
    (error,) = bench.lines("errors_stats")
    assert (error["instance"], error["error"]["code"]) == (None, 5)
    assert "gs://b/none.bin is not found" in error["error"]["message"]


def test_explanations(bench: Bench) -> None:
    spec = {
        "parameters": {"sampled_shapley_attribution": {"path_count": 10}},
        "metadata": {
            "inputs": {
                "features": {
                    "encoding": "BAG_OF_FEATURES", "index_feature_mapping": ["a", "b"],
                }
            },
            "outputs": {"sum": {}},
        },
    }  # fmt: skip
    job = types.BatchPredictionJob(generate_explanation=True, explanation_spec=spec)
    server = Server(strict)
    outcome = bench.run(
        server, bench.put("in.jsonl", "[1, 5]\n[2, 1]\n[1, null]\n"), explained_by=spec_of(job, types.Model())
    )
    assert (outcome.succeeded, outcome.failed) == (2, 1)
    first, second = bench.lines()
    assert list(first) == ["instance", "prediction", "explanation"]
    assert (first["instance"], first["prediction"]) == ([1, 5], 6)
    (attribution,) = first["explanation"]["attributions"]
    assert attribution["featureAttributions"] == {"features": [1, 5]}
    assert (attribution["baselineOutputValue"], attribution["instanceOutputValue"]) == (0, 6)
    assert second["explanation"]["attributions"][0]["featureAttributions"] == {"features": [2, 1]}


def test_a_job_that_is_to_stop_writes_nothing(bench: Bench) -> None:
    server = Server(total)

    def check() -> None:
        if len(server.bodies) > 2:
            raise Cancelled

    bench.check = check
    with pytest.raises(Cancelled):
        bench.run(server, bench.put("in.jsonl", rows(100_000)))
    assert len(server.bodies) < 10
    assert not (bench.path / "out").exists()


def test_two_requests_are_under_way(bench: Bench) -> None:
    both = threading.Barrier(2, timeout=30)

    def waits(instances: list[Any]) -> list[Any]:
        both.wait()
        return total(instances)

    server = Server(waits)
    bench.run(server, bench.put("in.jsonl", rows(16)))
    assert server.most_at_once == 2


def test_slow_models_get_smaller_batches() -> None:
    size = BatchSize(at_most=64)
    size.learn(8, 0.01, good=True)
    assert size.now == 16
    size.learn(16, 0.01, good=False)
    assert size.now == 16
    size.learn(16, 5.0, good=True)
    assert size.now == 8
    size.learn(1, 5.0, good=True)
    assert size.now == 1


def test_reading_ahead_is_bounded_and_ends_with_its_block() -> None:
    read = itertools.count()
    items = (b"x" * 1000 for _ in iter(lambda: next(read) < 10**9, False))
    with Ahead(items, len) as reading:
        assert len(reading.take(10, 10**6)) == 10
        assert len(reading.take(10**6, 5000)) == 5
    assert next(read) < 3 * ahead.CHUNK_BYTES * 32 / 1000
    assert not [thread for thread in threading.enumerate() if thread.name == "batch-read"]


def test_what_cannot_be_read_is_raised(bench: Bench) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="row 3: 1 values where the header names 2"):
        bench.run(Server(total), bench.put("in.csv", "x,y\n1,2\n3\n"), "csv")
