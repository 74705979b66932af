-- Incoming documents that are worked on. What happened is steps; these rows are
-- where it stands now.
CREATE TABLE works (
    document    BLOB    NOT NULL PRIMARY KEY CHECK (length(document) = 16),
    version     INTEGER NOT NULL,             -- counts changes
    state       TEXT    NOT NULL CHECK (state IN ('submitted', 'instructed', 'open', 'done')),
    urgency     INTEGER NOT NULL,
    leader      TEXT    NOT NULL,             -- sign-in name of whom it was submitted to
    leader_name TEXT    NOT NULL,
    submitted   INTEGER NOT NULL,             -- unix ms, 0 never
    instruction TEXT    NOT NULL,             -- bút phê that is in force
    opinion_of  TEXT    NOT NULL,             -- whose it is
    instructed  INTEGER NOT NULL,             -- 0 none
    handed      INTEGER NOT NULL,             -- first hand-over, 0 none
    due         TEXT    NOT NULL,             -- the earliest deadline that is not met, yyyy-mm-dd
    progress    TEXT    NOT NULL,             -- the newest note
    finished    INTEGER NOT NULL,
    result      TEXT    NOT NULL,
    reply       BLOB    CHECK (length(reply) = 16), -- outgoing document that answers it
    reply_code  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX works_due   ON works (due)   WHERE state IN ('instructed', 'open') AND due <> '';
CREATE INDEX works_state ON works (state) WHERE state IN ('submitted', 'instructed');

-- Who is to do what about a document.
CREATE TABLE parts (
    seq      INTEGER PRIMARY KEY,
    document BLOB    NOT NULL REFERENCES works (document),
    role     TEXT    NOT NULL CHECK (role IN ('lead', 'support', 'inform')),
    person   TEXT    NOT NULL,                -- sign-in name, '' for a unit without an account
    name     TEXT    NOT NULL,
    deadline TEXT    NOT NULL,                -- yyyy-mm-dd, '' none
    state    TEXT    NOT NULL CHECK (state IN ('waiting', 'open', 'done', 'passed', 'withdrawn')),
    handed   INTEGER NOT NULL,
    ended    INTEGER NOT NULL,
    result   TEXT    NOT NULL
) STRICT;
CREATE INDEX parts_document ON parts (document);
CREATE INDEX parts_person   ON parts (person, state) WHERE person <> '';

-- The history. Rows are not changed.
CREATE TABLE steps (
    seq        INTEGER PRIMARY KEY,
    document   BLOB    NOT NULL REFERENCES works (document),
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL,              -- sign-in name
    actor_name TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    role       TEXT    NOT NULL,              -- of the part, '' for the document as a whole
    who        TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    deadline   TEXT    NOT NULL
) STRICT;
CREATE INDEX steps_document ON steps (document);

-- Statuses 04 to 06 that were decided by doing the work, each once. told is 0
-- while the sender has to be told.
CREATE TABLE reports (
    document BLOB    NOT NULL,
    code     TEXT    NOT NULL,
    text     TEXT    NOT NULL,
    actor    TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    told     INTEGER NOT NULL,
    PRIMARY KEY (document, code)
) STRICT, WITHOUT ROWID;
CREATE INDEX reports_due ON reports (at, code) WHERE told = 0;
