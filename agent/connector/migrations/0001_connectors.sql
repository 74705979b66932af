-- Connectors to other systems, as people have added them.
CREATE TABLE connectors (
    name     TEXT    NOT NULL PRIMARY KEY,
    kind     TEXT    NOT NULL,
    settings TEXT    NOT NULL, -- JSON object
    secret   BLOB,
    paused   INTEGER NOT NULL DEFAULT 0,
    cursor   TEXT    NOT NULL, -- in the office's feed; all before it is delivered or in deliveries
    created  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Entries of the feed that wait for a connector, and dead letters. seq is their
-- order.
CREATE TABLE deliveries (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    connector TEXT    NOT NULL REFERENCES connectors (name) ON DELETE CASCADE,
    document  BLOB    NOT NULL CHECK (length(document) = 16),
    entry     TEXT    NOT NULL, -- JSON
    tries     INTEGER NOT NULL DEFAULT 0,
    since     INTEGER NOT NULL, -- of the first try
    due       INTEGER NOT NULL,
    failure   TEXT    NOT NULL DEFAULT '', -- JSON of the last one
    dead      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX deliveries_order ON deliveries (connector, dead, document, seq);
CREATE INDEX deliveries_due ON deliveries (connector, dead, due, seq);
