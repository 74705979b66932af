-- Calendars that the hub gave, which its next ones may replace.
ALTER TABLE dossier_calendars ADD COLUMN published INTEGER NOT NULL DEFAULT 0;

-- What the hub gave and this office could not take.
CREATE TABLE dossier_refused (
    kind    TEXT    NOT NULL,
    name    TEXT    NOT NULL, -- code and version of a procedure, name of a calendar
    origin  TEXT    NOT NULL, -- hub that published it
    content TEXT    NOT NULL, -- JSON of the item
    why     TEXT    NOT NULL, -- code of the problem
    at      INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- How this office and its hub stand: up to where the hub's catalogue is here, and the
-- report that is on its way.
CREATE TABLE dossier_hub (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    store   BLOB    NOT NULL CHECK (length(store) = 16), -- the hub's catalogue
    serial  INTEGER NOT NULL,
    epoch   BLOB    NOT NULL CHECK (length(epoch) = 16), -- of the hub's store
    number  INTEGER NOT NULL,                            -- of the last report
    report  BLOB    CHECK (length(report) = 16),         -- its bundle while it is on its way
    refused INTEGER NOT NULL                             -- when the hub last took none; 0
) STRICT;

-- What the hub has been told, by part: a month of figures, or the mark.
CREATE TABLE dossier_told (
    part TEXT NOT NULL PRIMARY KEY,
    told BLOB NOT NULL, -- digest of what it has; empty for nothing
    sent BLOB NOT NULL  -- digest of what is on its way; empty for nothing
) STRICT, WITHOUT ROWID;
