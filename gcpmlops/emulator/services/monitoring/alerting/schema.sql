CREATE TABLE IF NOT EXISTS alert_incidents (
    seq       INTEGER PRIMARY KEY,
    id        TEXT NOT NULL UNIQUE,  -- as notifications show it
    project   TEXT NOT NULL,
    policy    TEXT NOT NULL,         -- resource name
    condition TEXT NOT NULL,         -- resource name
    series    TEXT NOT NULL,         -- the key of a time series, or of a log's extracted labels
    opened_us INTEGER NOT NULL,      -- microseconds since 1970
    closed_us INTEGER,               -- NULL: it is open
    body      TEXT NOT NULL          -- JSON: see incidents.Incident
);
CREATE INDEX IF NOT EXISTS alert_incidents_open ON alert_incidents (policy) WHERE closed_us IS NULL;
CREATE TABLE IF NOT EXISTS alert_states (
    policy    TEXT NOT NULL,
    condition TEXT NOT NULL,
    series    TEXT NOT NULL,
    last_us   INTEGER NOT NULL,      -- its newest point
    since_us  INTEGER,               -- violating since then; NULL: it is not
    met       INTEGER NOT NULL,
    spent     INTEGER NOT NULL,      -- closed for want of data: only new data count
    PRIMARY KEY (policy, condition, series)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alert_deliveries (
    id        INTEGER PRIMARY KEY,
    channel   TEXT NOT NULL,         -- resource name
    attempts  INTEGER NOT NULL,      -- that failed
    due_us    INTEGER NOT NULL,      -- when the next one is to be made
    body      TEXT NOT NULL          -- JSON: the payload
);
CREATE TABLE IF NOT EXISTS alert_codes (
    channel    TEXT NOT NULL,
    code       TEXT NOT NULL,
    expires_us INTEGER NOT NULL,
    PRIMARY KEY (channel, code)
) WITHOUT ROWID;
