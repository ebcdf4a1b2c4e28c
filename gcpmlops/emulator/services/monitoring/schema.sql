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
