-- Where a file's content is, and what its format knows of it (JSON).
CREATE TABLE IF NOT EXISTS artifact_contents (
    file    TEXT PRIMARY KEY,
    blob    TEXT NOT NULL,
    details TEXT NOT NULL
);
