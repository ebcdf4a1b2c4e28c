-- Display names that are unique below one parent: runs in an experiment, time series in a run.
CREATE TABLE IF NOT EXISTS tensorboard_titles (
    parent TEXT NOT NULL,
    title  TEXT NOT NULL,
    name   TEXT NOT NULL UNIQUE,
    PRIMARY KEY (parent, title)
) WITHOUT ROWID;
-- One row per time series: a short key for its points, and what clients ask of all of them.
CREATE TABLE IF NOT EXISTS tensorboard_series (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    max_step    INTEGER,
    max_seconds INTEGER,
    max_nanos   INTEGER,
    max_blobs   INTEGER NOT NULL DEFAULT 0
);
-- A point as the official message's bytes; a step written again replaces its point.
CREATE TABLE IF NOT EXISTS tensorboard_points (
    series INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    body   BLOB NOT NULL,
    PRIMARY KEY (series, step)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tensorboard_views (
    tensorboard TEXT NOT NULL,
    month       TEXT NOT NULL,
    user        TEXT NOT NULL,
    views       INTEGER NOT NULL,
    PRIMARY KEY (tensorboard, month, user)
) WITHOUT ROWID;
