CREATE TABLE IF NOT EXISTS log_entries (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    parent    TEXT NOT NULL,   -- projects/P
    log_name  TEXT NOT NULL,
    at        TEXT NOT NULL,   -- RFC 3339, nine decimals, UTC: sorts as text
    insert_id TEXT NOT NULL,
    job_id    TEXT NOT NULL,   -- resource.labels.job_id, or empty
    body      BLOB NOT NULL,
    UNIQUE (log_name, at, insert_id)
);
CREATE INDEX IF NOT EXISTS log_entries_by_time ON log_entries (parent, at, seq);
CREATE INDEX IF NOT EXISTS log_entries_by_job ON log_entries (job_id, at, seq) WHERE job_id != '';
CREATE TABLE IF NOT EXISTS log_sink_cursors (
    sink TEXT PRIMARY KEY,     -- projects/P/sinks/NAME
    seq  INTEGER NOT NULL      -- of the last entry that it is done with
);
