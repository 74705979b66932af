-- Sealed messages that other parts of this office sent, for as long as answers
-- to them are taken. What they say, and how far they came, stands in the tables
-- of those parts.
CREATE TABLE mail (
    seq     INTEGER PRIMARY KEY,
    id      BLOB    NOT NULL UNIQUE, -- of the bundle
    kind    INTEGER NOT NULL,        -- of the bundle
    stamp   BLOB    NOT NULL,        -- what a time stamp on its seal is on; empty once there is one
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX mail_expires ON mail (expires);

CREATE TABLE mail_recipients (
    mail  INTEGER NOT NULL REFERENCES mail (seq) ON DELETE CASCADE,
    code  TEXT    NOT NULL,
    state TEXT    NOT NULL,
    PRIMARY KEY (mail, code)
) STRICT, WITHOUT ROWID;

-- Answers to incoming messages that cannot be made before the registry has the
-- sender's key, as "owed" has them for documents.
CREATE TABLE mail_owed (
    mail        BLOB    NOT NULL PRIMARY KEY, -- ID of its bundle
    sender      TEXT    NOT NULL,
    urgency     INTEGER NOT NULL,
    code        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
