-- Cloud Storage. Times and generations are microseconds since 1970, strictly increasing for generations.

CREATE TABLE IF NOT EXISTS storage_bucket (
    name TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    generation INTEGER NOT NULL,
    metageneration INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    config TEXT NOT NULL,        -- JSON: the bucket resource's own fields
    acl TEXT NOT NULL,           -- JSON list
    default_acl TEXT NOT NULL,   -- JSON list
    policy TEXT                  -- JSON: IAM policy once it was set
) WITHOUT ROWID;

-- One row per generation. AUTOINCREMENT: a generation is never used again, even after a deletion.
CREATE TABLE IF NOT EXISTS storage_object (
    generation INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket TEXT NOT NULL,
    name TEXT NOT NULL,          -- BINARY collation on UTF-8: the order in which the service lists
    live INTEGER NOT NULL,
    metageneration INTEGER NOT NULL,
    size INTEGER NOT NULL,
    md5 TEXT,                    -- base64; composed objects have none
    crc32c TEXT NOT NULL,        -- base64
    components INTEGER,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    deleted INTEGER,
    blob TEXT,                   -- content file; NULL: in storage_content
    fields TEXT NOT NULL,        -- JSON: contentType, metadata and what else the user sets
    acl TEXT                     -- JSON list; NULL: the bucket decides
);

CREATE UNIQUE INDEX IF NOT EXISTS storage_object_live ON storage_object (bucket, name) WHERE live = 1;
CREATE INDEX IF NOT EXISTS storage_object_version ON storage_object (bucket, name, generation);

-- Small contents, kept in the database: one commit instead of a file each.
CREATE TABLE IF NOT EXISTS storage_content (
    generation INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);

-- Resumable sessions; the bytes received so far lie in a partial file of the same id.
CREATE TABLE IF NOT EXISTS storage_upload (
    id TEXT PRIMARY KEY,
    bucket TEXT NOT NULL,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    request TEXT NOT NULL,       -- JSON: fields, conditions, expected checksums
    generation INTEGER           -- the object, once it is complete
) WITHOUT ROWID;

-- Notification configurations: JSON as clients send it. Ids count up by bucket.
CREATE TABLE IF NOT EXISTS storage_notification (
    bucket TEXT NOT NULL,
    id INTEGER NOT NULL,
    config TEXT NOT NULL,
    PRIMARY KEY (bucket, id)
) WITHOUT ROWID;

-- Object events that their listeners have yet to be told of.
CREATE TABLE IF NOT EXISTS storage_event (
    seq INTEGER PRIMARY KEY,
    event TEXT NOT NULL
);
