-- Offices that back themselves up: as of when the last verified backup is, by this hub's
-- clock.
CREATE TABLE saved (
  office TEXT    NOT NULL PRIMARY KEY, -- in lower case
  at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
