-- The last report of each neighbour below.
CREATE TABLE rollup_sources (
    peer    TEXT    NOT NULL PRIMARY KEY,
    store   BLOB    NOT NULL CHECK (length(store) = 16),
    number  INTEGER NOT NULL,
    created INTEGER NOT NULL -- by its clock
) STRICT, WITHOUT ROWID;

-- Months of offices, as they last told them. serial counts changes of all.
CREATE TABLE rollup_months (
    office TEXT    NOT NULL,
    month  TEXT    NOT NULL, -- yyyy-mm
    at     INTEGER NOT NULL, -- as of when, by the office's clock
    serial INTEGER NOT NULL UNIQUE,
    counts TEXT    NOT NULL, -- JSON list of dossier.Counts
    PRIMARY KEY (office, month)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollup_months_month ON rollup_months (month);

-- What the hub above has of it, and the report that is on its way.
CREATE TABLE rollup_above (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    epoch  BLOB    NOT NULL CHECK (length(epoch) = 16), -- of its store
    number INTEGER NOT NULL,                            -- of the last report
    has    INTEGER NOT NULL,                            -- serial that it has
    store  BLOB    NOT NULL CHECK (length(store) = 16), -- mark that it has
    serial INTEGER NOT NULL,
    report BLOB    CHECK (length(report) = 16),         -- bundle on its way
    upto   INTEGER NOT NULL,                            -- serial in it
    said   TEXT    NOT NULL,                            -- mark in it, JSON
    full   INTEGER NOT NULL                             -- there was no room for all
) STRICT;
