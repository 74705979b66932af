-- Searches, and filters of lists, that people keep under a name.
CREATE TABLE search_saved (
    seq    INTEGER PRIMARY KEY,
    owner  TEXT    NOT NULL, -- sign-in name
    page   TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    query  TEXT    NOT NULL, -- what stands behind the ? of the page's address
    shared INTEGER NOT NULL CHECK (shared IN (0, 1)), -- 1: for the whole office
    at     INTEGER NOT NULL,
    UNIQUE (owner, page, name)
) STRICT;
