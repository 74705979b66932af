-- What others testify about a document: sealed records of hubs, and time stamps
-- on its seal. These tables are a schema of their own: they are filled by other
-- hands than the documents' and may grow beside them.
CREATE TABLE testimony (
    seq      INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (seq),
    kind     TEXT    NOT NULL CHECK (kind IN ('evidence', 'stamp')),
    witness  TEXT    NOT NULL, -- code of the hub; of an external authority, 'tsa'
    at       INTEGER NOT NULL, -- of a time stamp its time, else when it came
    sha256   BLOB    NOT NULL CHECK (length(sha256) = 32), -- of data
    data     BLOB    NOT NULL,
    UNIQUE (document, sha256)
) STRICT;
