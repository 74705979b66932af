-- What is written to see whether and how fast the database can be written.
CREATE TABLE hub_vitals (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    at  INTEGER NOT NULL,
    pad BLOB    NOT NULL -- takes pages of its own
) STRICT;
