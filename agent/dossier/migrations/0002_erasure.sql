-- Those whose time may be over.
CREATE INDEX dossiers_kept ON dossiers (ended) WHERE erased = 0 AND ended > 0;

-- That personal data were given up whose traces are still in the database file.
CREATE TABLE dossier_traces (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    since INTEGER NOT NULL, -- the first
    last  INTEGER NOT NULL
) STRICT;
