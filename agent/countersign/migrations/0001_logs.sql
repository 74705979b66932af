-- The audit logs of others as they were when last countersigned. finding says
-- what was wrong with one since; "" is nothing.
CREATE TABLE logs (
    code    TEXT    PRIMARY KEY, -- of the office, in lower case
    epoch   BLOB    NOT NULL CHECK (length(epoch) = 16), -- of its store
    seq     INTEGER NOT NULL,
    hash    BLOB    NOT NULL CHECK (length(hash) = 32),
    at      INTEGER NOT NULL,
    raw     BLOB    NOT NULL,
    finding TEXT    NOT NULL DEFAULT '',
    entry   INTEGER NOT NULL DEFAULT 0, -- from which on it is wrong
    since   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
