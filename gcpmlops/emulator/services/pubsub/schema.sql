-- Messages, as published: the messages of one call are one row (a PublishRequest's bytes without its topic).
CREATE TABLE IF NOT EXISTS pubsub_batch (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    at    REAL NOT NULL,     -- publish time, seconds since 1970
    count INTEGER NOT NULL,
    body  BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS pubsub_batch_by_topic ON pubsub_batch (topic, at);
-- What of a batch a subscription has yet to get: one byte a message in `done`, 1 for what needs no (more) delivery.
-- Rows go when all is done, unless the subscription retains what is acknowledged.
CREATE TABLE IF NOT EXISTS pubsub_pending (
    subscription TEXT NOT NULL,
    batch        INTEGER NOT NULL,
    done         BLOB NOT NULL,
    PRIMARY KEY (subscription, batch)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pubsub_pending_by_batch ON pubsub_pending (batch);
-- Failed deliveries of messages of subscriptions that count them.
CREATE TABLE IF NOT EXISTS pubsub_attempt (
    subscription TEXT NOT NULL,
    message      INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    PRIMARY KEY (subscription, message)
) WITHOUT ROWID;
-- A snapshot's backlog; everything published to its topic after `last_batch` belongs to it as well.
CREATE TABLE IF NOT EXISTS pubsub_snapshot (
    name       TEXT PRIMARY KEY,
    topic      TEXT NOT NULL,
    last_batch INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pubsub_snapshot_pending (
    snapshot TEXT NOT NULL,
    batch    INTEGER NOT NULL,
    done     BLOB NOT NULL,
    PRIMARY KEY (snapshot, batch)
) WITHOUT ROWID;
