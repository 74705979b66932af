-- One row about the store itself. epoch is drawn when the database is made, so
-- a neighbour can tell a new store from an old one; boot counts the openings
-- for writing.
CREATE TABLE store (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    epoch   BLOB    NOT NULL CHECK (length(epoch) = 16),
    boot    INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT;
