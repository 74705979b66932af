-- Applications that may use the public interface. A name is never given again:
-- documents and the audit log refer to it.
CREATE TABLE apps (
    name    TEXT    NOT NULL PRIMARY KEY,
    id      TEXT    NOT NULL UNIQUE,  -- the public part of its key
    secret  BLOB    NOT NULL CHECK (length(secret) = 32), -- SHA-256 of the whole key
    kind    TEXT    NOT NULL,
    scopes  TEXT    NOT NULL,         -- separated by spaces
    rate    INTEGER NOT NULL,         -- calls a minute
    own     INTEGER NOT NULL,         -- sees only what it sent and what answers that
    created INTEGER NOT NULL,         -- unix ms
    rotated INTEGER NOT NULL DEFAULT 0,
    expires INTEGER NOT NULL DEFAULT 0, -- 0: never
    revoked INTEGER NOT NULL DEFAULT 0, -- 0: in use
    used    INTEGER NOT NULL DEFAULT 0  -- last use, 0: never
) STRICT, WITHOUT ROWID;

-- How often each operation was called. Calls that change or read content stand
-- in the audit log as well.
CREATE TABLE app_calls (
    app       TEXT    NOT NULL REFERENCES apps (name),
    day       TEXT    NOT NULL, -- yyyy-mm-dd, UTC
    operation TEXT    NOT NULL,
    calls     INTEGER NOT NULL,
    PRIMARY KEY (app, day, operation)
) STRICT, WITHOUT ROWID;
