"""Queries see the emulator's time, wherever its clock is."""

from datetime import UTC, date, datetime

import pytest

from gcpmlops.emulator.kernel.clock import ManualClock
from gcpmlops.emulator.services.bigquery.engine.current_time import as_of

NOW = datetime(2013, 7, 1, 23, 30, 0, 250000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT CURRENT_TIMESTAMP()", "SELECT TIMESTAMP '2013-07-01 23:30:00.250000+00:00'"),
        ("SELECT current_timestamp", "SELECT TIMESTAMP '2013-07-01 23:30:00.250000+00:00'"),
        ("SELECT CURRENT_DATE ( ), 1", "SELECT DATE '2013-07-01', 1"),
        ("SELECT CURRENT_DATE('Europe/Berlin')", "SELECT DATE '2013-07-02'"),
        ('SELECT CURRENT_DATETIME("America/New_York")', "SELECT DATETIME '2013-07-01 19:30:00.250000'"),
        ("SELECT CURRENT_TIME()", "SELECT TIME '23:30:00.250000'"),
        ("SELECT DATE_SUB(CURRENT_DATE(), INTERVAL 1 DAY)", "SELECT DATE_SUB(DATE '2013-07-01', INTERVAL 1 DAY)"),
        *[
            (sql, sql)
            for sql in (
                "SELECT 'CURRENT_DATE()' -- CURRENT_DATE()",
                "SELECT t.current_date, `current_date` FROM t",
                "SELECT CURRENT_DATE(zone) FROM t",
                "SELECT CURRENT_DATE('Mars')",
                "CREATE OR REPLACE VIEW d.v AS SELECT CURRENT_DATE()",
                "SELECT 'unclosed CURRENT_DATE()",
            )
        ],
    ],
)
def test_literals(sql, expected):
    assert as_of(sql, NOW) == expected


def test_a_query_at_another_time(running, client, monkeypatch):
    days = "CURRENT_DATE() AS day, CURRENT_DATE('Europe/Berlin') AS there"
    sql = f"SELECT CURRENT_TIMESTAMP() AS at, {days}, CURRENT_TIME()"
    monkeypatch.setattr(running.app._jobs, "_clock", ManualClock(NOW))
    row = next(iter(client.query_and_wait(sql)))
    assert (row["at"], row["day"], row["there"]) == (NOW, date(2013, 7, 1), date(2013, 7, 2))
    assert list(row.keys())[3] == "f0_"
    monkeypatch.undo()
    assert next(iter(client.query_and_wait(sql)))["at"] > NOW
