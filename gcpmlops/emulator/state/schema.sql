-- One row per resource: the official message's bytes plus what lists and look-ups need.
CREATE TABLE IF NOT EXISTS resources (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    type    TEXT NOT NULL,
    name    TEXT NOT NULL,
    parent  TEXT NOT NULL,
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    body    BLOB NOT NULL,
    UNIQUE (type, name)
);
CREATE INDEX IF NOT EXISTS resources_by_parent ON resources (type, parent, seq);
