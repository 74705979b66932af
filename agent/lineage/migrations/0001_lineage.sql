-- The runs of the program over this store that have greeted a neighbour. A
-- copy of the store has those up to the copying and, from then on, its own.
CREATE TABLE boots (
    seq INTEGER PRIMARY KEY,
    id  BLOB    NOT NULL UNIQUE CHECK (length(id) = 16)
) STRICT;

-- The neighbours' boxes: with which run of each a session was last agreed.
CREATE TABLE boxes (
    code   TEXT    NOT NULL PRIMARY KEY, -- office code in lower case
    device BLOB    CHECK (length(device) = 32), -- SHA-256 of the device key on its card; NULL when it had none
    boot   BLOB    NOT NULL CHECK (length(boot) = 16),
    at     INTEGER NOT NULL,             -- unix ms, when it was agreed
    since  INTEGER,                      -- unix ms, first refusal of an older copy; NULL for none
    seen   INTEGER                       -- unix ms, the last one
) STRICT, WITHOUT ROWID;
