-- Bytes on the line as the provider counts them, by day.
CREATE TABLE line_days (
    day      INTEGER NOT NULL,  -- days since 1970-01-01 in Vietnam's time; 0: while the date was not known
    metered  INTEGER NOT NULL,  -- 1: over a line whose bytes cost money
    sent     INTEGER NOT NULL,
    received INTEGER NOT NULL,
    PRIMARY KEY (day, metered)
) STRICT, WITHOUT ROWID;

-- Documents that somebody asked to send first.
CREATE TABLE line_first (
    id    BLOB PRIMARY KEY,
    asked INTEGER NOT NULL      -- unix ms
) STRICT, WITHOUT ROWID;
