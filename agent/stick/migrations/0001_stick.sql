-- Every package from a stick that was imported as a whole. A row is about 60
-- bytes and stays: a package may come again after years in a drawer.
CREATE TABLE stick_imports (
    id       BLOB    PRIMARY KEY CHECK (length(id) = 16),
    peer     TEXT    NOT NULL,
    sequence INTEGER NOT NULL,
    at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is known of a neighbour from its packages. made counts those made for
-- it; epoch and registry are of its last one, NULL and 0 before the first.
CREATE TABLE stick_peers (
    peer     TEXT    PRIMARY KEY,
    made     INTEGER NOT NULL,
    epoch    BLOB    CHECK (epoch IS NULL OR length(epoch) = 16),
    registry INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
