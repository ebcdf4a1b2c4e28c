"""What a query is known to do before it runs: what its caller needs permission for."""

from __future__ import annotations

import pytest

from gcpmlops.emulator.services.bigquery import grants
from gcpmlops.emulator.services.bigquery.engine.accesses import accesses


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT CASE WHEN x THEN 1 ELSE 2 END FROM d.t JOIN q.d.u USING (x)", "read p.d.t, read q.d.u"),
        ("CREATE TABLE d.n AS SELECT * FROM d.t", "create p.d.n, read p.d.t"),
        ("DROP VIEW d.v", "delete p.d.v"),
        ("LOAD DATA INTO d.t FROM FILES(format='CSV', uris=['gs://b/x'])", "write p.d.t"),
        ("CREATE SCHEMA IF NOT EXISTS q.n", "create dataset q.n."),
        ("ALTER SCHEMA d SET OPTIONS(description='x')", "write dataset p.d."),
        ("DROP SCHEMA d CASCADE", "delete dataset p.d."),
        ("CREATE FUNCTION d.f(x INT64) AS (x)", "create routine p.d.f"),
        ("CREATE MODEL d.m OPTIONS(model_type='linear_reg') AS SELECT * FROM d.t", "create model p.d.m, read p.d.t"),
        ("SELECT * FROM d.INFORMATION_SCHEMA.TABLES", "list p.d."),
        ("SELECT * FROM `region-us`.INFORMATION_SCHEMA.JOBS", "list p.."),
        ("EXECUTE IMMEDIATE 'SELECT * FROM d.t WHERE x = ?' USING 1", "read p.d.t"),
        ("EXECUTE IMMEDIATE CONCAT('DROP TABLE ', 'd.t')", "dynamic p.."),
        ("CALL d.p()", "dynamic p.."),
        ("BEGIN DROP TABLE d.t; END", "delete p.d.t"),
        ("BEGIN SELECT 1; EXCEPTION WHEN ERROR THEN DROP SCHEMA d; END", "delete dataset p.d."),
        ("BEGIN TRANSACTION; DELETE FROM d.t WHERE TRUE; COMMIT TRANSACTION", "write p.d.t"),
        ("IF EXISTS(SELECT 1 FROM d.u) THEN SELECT 1; ELSE TRUNCATE TABLE d.t; END IF", "read p.d.u, write p.d.t"),
        ("CASE WHEN TRUE THEN DROP TABLE d.t; END CASE; SELECT * FROM d.u", "delete p.d.t, read p.d.u"),
        ("DECLARE n INT64; WHILE n < 3 DO INSERT INTO d.t VALUES (1); SET n = n + 1; END WHILE", "write p.d.t"),
        ("FOR r IN (SELECT * FROM d.t) DO SELECT r.x; END FOR", "read p.d.t"),
        ("LOOP EXECUTE IMMEDIATE 'DROP TABLE d.t'; BREAK; END LOOP", "delete p.d.t"),
        ("BEGIN SELECT 'a;b' AS `IF`; RAISE USING MESSAGE = 'x'; END -- ; DROP TABLE d.t", ""),
    ],
)  # fmt: skip
def test_what_it_does_and_to_what(sql: str, expected: str) -> None:
    assert ", ".join(f"{kind} {'.'.join(reference)}" for kind, reference in accesses(sql, "p")) == expected


def test_granting_changes_the_dataset() -> None:
    grant = 'GRANT `roles/bigquery.dataViewer` ON SCHEMA `q`.d TO "user:me@example.com"'
    assert grants.accesses(grant, "p") == [("write dataset", ("q", "d", ""))]
    assert grants.accesses("SELECT 1", "p") is None
