-- Changes of state of each box, the newest maxChanges of them.
CREATE TABLE changes (
    code   TEXT    NOT NULL,
    at     INTEGER NOT NULL, -- unix ms
    state  INTEGER NOT NULL,
    reason TEXT    NOT NULL,
    args   TEXT    NOT NULL, -- JSON
    PRIMARY KEY (code, at)
) STRICT, WITHOUT ROWID;

-- Samples of each box, several in a row; see history.go for what data holds.
CREATE TABLE samples (
    code  TEXT    NOT NULL,
    tier  INTEGER NOT NULL, -- 0: five minutes, 1: hours, 2: days
    block INTEGER NOT NULL, -- number of the row's span of time
    data  BLOB    NOT NULL,
    PRIMARY KEY (code, tier, block)
) STRICT, WITHOUT ROWID;
