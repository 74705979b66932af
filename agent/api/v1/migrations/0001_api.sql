-- Answers to calls with an Idempotency-Key, kept so that the same call again
-- gets the same answer.
CREATE TABLE api_answers (
    app      TEXT    NOT NULL,
    key      TEXT    NOT NULL,
    digest   BLOB    NOT NULL CHECK (length(digest) = 32), -- of the request
    status   INTEGER NOT NULL,
    location TEXT    NOT NULL,
    body     BLOB    NOT NULL,
    created  INTEGER NOT NULL,
    PRIMARY KEY (app, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX api_answers_created ON api_answers (created);

-- Resumable uploads. Their bytes are partial contents of the blob store, whose
-- durable length is the offset.
CREATE TABLE api_uploads (
    id      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    app     TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    length  INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_uploads_app     ON api_uploads (app);
CREATE INDEX api_uploads_expires ON api_uploads (expires);

-- Which application read which content how often in a day; the first time
-- stands in the audit log.
CREATE TABLE api_reads (
    app      TEXT    NOT NULL,
    document BLOB    NOT NULL CHECK (length(document) = 16),
    part     TEXT    NOT NULL, -- "0", "1" … of an attachment, "edxml", "container"
    day      TEXT    NOT NULL, -- yyyy-mm-dd, UTC
    reads    INTEGER NOT NULL,
    PRIMARY KEY (app, document, part, day)
) STRICT, WITHOUT ROWID;
