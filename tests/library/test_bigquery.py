"""client.bigquery against the emulator."""

import datetime
from pathlib import Path

import pandas as pd
import pytest

from gcpmlops import Accepted, Client, Fresh, InRange, NotNull, RowCount, Unique, exceptions

CSV = "carrier,hour,delay\nUA,5,1.5\nAA,6,\nUA,7,-3\n"


@pytest.fixture
def dataset(client: Client, unique) -> str:
    name = unique("flights").replace("-", "_")
    client.bigquery.create_dataset(name)
    return name


@pytest.fixture
def table(client: Client, dataset: str, tmp_path: Path) -> str:
    (tmp_path / "flights.csv").write_text(CSV)
    name = f"{dataset}.raw"
    client.bigquery.load(name, source=tmp_path / "flights.csv")
    return name


class TestDatasets:
    def test_listed_and_deleted(self, client: Client, dataset: str) -> None:
        assert f"{client.config.project}.{dataset}" in [each.name for each in client.bigquery.list_datasets()]
        client.bigquery.delete_dataset(dataset)
        with pytest.raises(exceptions.NotFound, match=dataset):
            client.bigquery.get_dataset(dataset)

    def test_ensure_updates(self, client: Client, dataset: str) -> None:
        client.bigquery.ensure_dataset(dataset, labels={"team": "risk"}, description="flights")
        found = client.bigquery.get_dataset(dataset)
        assert (dict(found.labels), found.description) == ({"team": "risk"}, "flights")
        assert client.bigquery.ensure_dataset(dataset).description == "flights"

    def test_twice(self, client: Client, dataset: str) -> None:
        with pytest.raises(exceptions.AlreadyExists):
            client.bigquery.create_dataset(dataset)

    def test_with_tables_needs_force(self, client: Client, table: str) -> None:
        dataset = table.partition(".")[0]
        with pytest.raises(exceptions.GcpMlopsError, match=r"(?i)in use"):
            client.bigquery.delete_dataset(dataset)
        client.bigquery.delete_dataset(dataset, force=True)

    @pytest.mark.parametrize("name", ["", "a.b.c", ".a"])
    def test_name(self, client: Client, name: str) -> None:
        with pytest.raises(exceptions.InvalidArgument):
            client.bigquery.get_dataset(name)


class TestTables:
    def test_create_list_delete(self, client: Client, dataset: str) -> None:
        made = client.bigquery.create_table(f"{dataset}.t", schema={"a": "INT64 REQUIRED", "b": "STRING"})
        assert list(made.columns) == ["a", "b"]
        assert [each.name for each in client.bigquery.list_tables(dataset)] == [made.name]
        client.bigquery.delete_table(made.name)
        with pytest.raises(exceptions.NotFound, match="list-tables"):
            client.bigquery.get_table(made.name)

    def test_preview(self, client: Client, table: str) -> None:
        assert client.bigquery.preview(table, rows=1) == [{"carrier": "UA", "hour": 5, "delay": 1.5}]


class TestLoads:
    def test_csv_file_with_autodetect(self, client: Client, table: str) -> None:
        found = client.bigquery.get_table(table)
        assert (found.rows, list(found.columns)) == (3, ["carrier", "hour", "delay"])

    def test_csv_from_a_bucket(self, client: Client, dataset: str, bucket: str) -> None:
        for n in (1, 2):
            client.storage.upload(CSV.encode(), destination=f"gs://{bucket}/raw/{n}.csv")
        assert client.bigquery.load(f"{dataset}.t", source=f"gs://{bucket}/raw/*.csv").rows == 6

    def test_jsonl_and_parquet_and_rows(self, client: Client, dataset: str, tmp_path: Path) -> None:
        frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
        frame.to_json(tmp_path / "f.jsonl", orient="records", lines=True)
        frame.to_parquet(tmp_path / "f.parquet")
        for name, source in (("j", tmp_path / "f.jsonl"), ("p", tmp_path / "f.parquet"), ("d", frame)):
            assert client.bigquery.load(f"{dataset}.{name}", source=source).rows == 2
        assert client.bigquery.load(f"{dataset}.r", source=[{"a": 1}, {"a": 2}]).rows == 2

    def test_dispositions(self, client: Client, table: str, tmp_path: Path) -> None:
        source = tmp_path / "flights.csv"
        assert client.bigquery.load(table, source=source).rows == 6
        assert client.bigquery.load(table, source=source, write_disposition="WRITE_TRUNCATE").rows == 3
        with pytest.raises(exceptions.GcpMlopsError):
            client.bigquery.load(table, source=source, write_disposition="WRITE_EMPTY")
        with pytest.raises(exceptions.InvalidArgument, match="WRITE_TRUNCATE"):
            client.bigquery.load(table, source=source, write_disposition="WRITE_TRUNKATE")

    def test_broken_line_is_named_and_the_old_table_intact(self, client: Client, table: str, tmp_path: Path) -> None:
        (tmp_path / "broken.csv").write_text("carrier,hour,delay\nUA,5,1.5\nAA,six,2\n")
        schema = {"carrier": "STRING", "hour": "INT64", "delay": "FLOAT64"}
        with pytest.raises(exceptions.JobFailed, match="hour") as caught:
            client.bigquery.load(
                table, source=tmp_path / "broken.csv", schema=schema, write_disposition="WRITE_TRUNCATE"
            )
        assert caught.value.job
        assert client.bigquery.get_table(table).rows == 3

    def test_missing_object(self, client: Client, dataset: str, bucket: str) -> None:
        with pytest.raises(exceptions.NotFound, match=r"missing\.csv"):
            client.bigquery.load(f"{dataset}.t", source=f"gs://{bucket}/missing.csv")

    def test_unknown_format(self, client: Client, dataset: str, tmp_path: Path) -> None:
        (tmp_path / "data.xyz").write_text("x")
        with pytest.raises(exceptions.InvalidArgument, match="PARQUET"):
            client.bigquery.load(f"{dataset}.t", source=tmp_path / "data.xyz")
        with pytest.raises(exceptions.InvalidArgument, match="no such file"):
            client.bigquery.load(f"{dataset}.t", source=tmp_path / "missing.csv")


class TestQueries:
    def test_typed_parameters(self, client: Client, table: str) -> None:
        sql = f"SELECT carrier FROM `{table}` WHERE hour >= @hour AND carrier IN UNNEST(@carriers) ORDER BY hour"
        result = client.bigquery.query(sql, parameters={"hour": 6, "carriers": ["UA", "AA"]})
        assert result.rows() == [{"carrier": "AA"}, {"carrier": "UA"}]
        (row,) = client.bigquery.query("SELECT ? AS day", parameters=[datetime.date(2026, 1, 2)]).rows()
        assert row == {"day": datetime.date(2026, 1, 2)}

    def test_dataframe(self, client: Client, table: str) -> None:
        frame = client.bigquery.query(f"SELECT hour, delay FROM `{table}` ORDER BY hour").to_dataframe()
        assert list(frame["hour"]) == [5, 6, 7]

    def test_destination(self, client: Client, table: str) -> None:
        target = f"{table}_late"
        client.bigquery.query(f"SELECT * FROM `{table}` WHERE delay > 0", destination=target)
        assert client.bigquery.get_table(target).rows == 1

    def test_wrong_sql(self, client: Client) -> None:
        with pytest.raises(exceptions.InvalidArgument):
            client.bigquery.query("SELEKT 1")

    def test_missing_table(self, client: Client, dataset: str) -> None:
        with pytest.raises(exceptions.NotFound, match="missing"):
            client.bigquery.query(f"SELECT * FROM `{dataset}.missing`")

    def test_dry_run(self, client: Client, table: str) -> None:
        assert client.bigquery.query(f"SELECT * FROM `{table}`", dry_run=True).bytes_processed >= 0


class TestChecks:
    def test_all_pass(self, client: Client, table: str) -> None:
        checks = [
            RowCount(minimum=3, maximum=3),
            NotNull("carrier"),
            NotNull("delay", max_fraction=0.5),
            Unique("hour"),
            Unique(["carrier", "hour"]),
            InRange("hour", minimum=0, maximum=23),
            Accepted("carrier", ["UA", "AA"]),
        ]
        report = client.bigquery.check(table, checks=checks)
        assert report.passed
        assert len(report.results) == len(checks)

    def test_failures_are_all_reported(self, client: Client, table: str) -> None:
        checks = [RowCount(minimum=10), NotNull("delay"), Unique("carrier"), InRange("hour", maximum=6), RowCount()]
        with pytest.raises(exceptions.DataCheckFailed, match="1/5 checks passed") as caught:
            client.bigquery.check(table, checks=checks)
        assert [result.found for result in caught.value.report.results] == [3, pytest.approx(1 / 3), 1, 1, 3]
        assert not client.bigquery.check(table, checks=checks, raise_on_failure=False).passed

    def test_freshness(self, client: Client, dataset: str) -> None:
        client.bigquery.query("SELECT TIMESTAMP '2020-01-01' AS at", destination=f"{dataset}.old")
        with pytest.raises(exceptions.DataCheckFailed, match="newest at most 1 day"):
            client.bigquery.check(f"{dataset}.old", checks=[Fresh("at", datetime.timedelta(days=1))])

    def test_missing_column(self, client: Client, table: str) -> None:
        with pytest.raises(exceptions.InvalidArgument, match="missing"):
            client.bigquery.check(table, checks=[NotNull("missing")])
