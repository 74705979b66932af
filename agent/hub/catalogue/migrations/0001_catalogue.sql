-- What this hub publishes: versions of procedures and calendars. serial counts changes
-- of all.
CREATE TABLE catalogue_items (
    kind    TEXT    NOT NULL CHECK (kind IN ('procedure', 'calendar')),
    name    TEXT    NOT NULL, -- code of a procedure, name of a calendar
    version INTEGER NOT NULL, -- of a procedure; 0
    serial  INTEGER NOT NULL UNIQUE,
    origin  TEXT    NOT NULL, -- code of the hub where it was put in
    at      INTEGER NOT NULL, -- when it came here
    folded  TEXT    NOT NULL,
    content TEXT    NOT NULL, -- as a file has it
    PRIMARY KEY (kind, name, version)
) STRICT, WITHOUT ROWID;

-- Up to where those below have it, and what is on its way to them.
CREATE TABLE catalogue_offices (
    peer   TEXT    NOT NULL PRIMARY KEY, -- code as on its card
    has    INTEGER NOT NULL,             -- as it last reported
    heard  INTEGER NOT NULL,             -- when that was
    bundle BLOB    CHECK (length(bundle) = 16),
    upto   INTEGER NOT NULL,             -- what it will have with the bundle
    newest INTEGER NOT NULL,             -- what there was when that was made
    sent   INTEGER NOT NULL              -- when that was
) STRICT, WITHOUT ROWID;

-- Up to where the catalogue of the hub above is here.
CREATE TABLE catalogue_above (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    store  BLOB    NOT NULL CHECK (length(store) = 16),
    serial INTEGER NOT NULL
) STRICT;
