-- Entries whose hash another one has signed for, so that the chain up to them
-- can be rewritten no more.
CREATE TABLE countersigned (
    seq     INTEGER PRIMARY KEY, -- of the entry
    hash    BLOB    NOT NULL CHECK (length(hash) = 32),
    witness TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    raw     BLOB    NOT NULL     -- the signed bytes
) STRICT;
