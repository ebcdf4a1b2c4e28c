CREATE TABLE IF NOT EXISTS monitoring_series (
    id              INTEGER PRIMARY KEY,
    project         TEXT NOT NULL,
    metric_type     TEXT NOT NULL,
    metric_labels   TEXT NOT NULL,   -- JSON object, keys sorted
    resource_type   TEXT NOT NULL,
    resource_labels TEXT NOT NULL,   -- JSON object, keys sorted
    kind            TEXT NOT NULL,   -- MetricDescriptor.MetricKind
    value_type      TEXT NOT NULL,   -- MetricDescriptor.ValueType
    UNIQUE (project, metric_type, metric_labels, resource_type, resource_labels, kind, value_type)
);
CREATE TABLE IF NOT EXISTS monitoring_points (
    series   INTEGER NOT NULL,       -- monitoring_series.id
    end_us   INTEGER NOT NULL,       -- microseconds since 1970
    start_us INTEGER NOT NULL,       -- the same as end_us for gauges
    value,                           -- a number or text as it is; a google.api.Distribution in bytes
    PRIMARY KEY (series, end_us)
) WITHOUT ROWID;
-- Many points of a series with numbers, out of monitoring_points: a query over a month reads few rows.
CREATE TABLE IF NOT EXISTS monitoring_chunks (
    series   INTEGER NOT NULL,       -- monitoring_series.id
    last_us  INTEGER NOT NULL,       -- end of the last point
    first_us INTEGER NOT NULL,       -- end of the first point
    ends     BLOB NOT NULL,          -- 8 bytes a point, little-endian, rising
    starts   BLOB,                   -- the same; NULL: each is the end
    numbers  BLOB NOT NULL,          -- 8 bytes a point: int64, or double where the series says so
    PRIMARY KEY (series, last_us)
);
CREATE TABLE IF NOT EXISTS monitoring_thinned (
    until_us INTEGER NOT NULL        -- one row: older points are one for ten minutes at most
);
