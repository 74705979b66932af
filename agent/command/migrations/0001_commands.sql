-- What the hub has ordered. until and ended are 0 for none; why is that of a refusal.
CREATE TABLE commands (
    id       BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- of the bundle
    command  TEXT    NOT NULL,
    until    INTEGER NOT NULL,
    ordered  TEXT    NOT NULL, -- by which account of the hub
    created  INTEGER NOT NULL, -- by the hub's clock
    expires  INTEGER NOT NULL,
    received INTEGER NOT NULL,
    state    TEXT    NOT NULL CHECK (state IN ('new', 'waiting', 'done', 'refused')),
    allowed  TEXT    NOT NULL, -- who at the box has allowed it, '' for nobody
    why      TEXT    NOT NULL,
    ended    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX commands_open ON commands (received) WHERE state IN ('new', 'waiting');
CREATE INDEX commands_received ON commands (received);

-- Since when urgent documents alone go, and until when; 0: until it is ended.
CREATE TABLE command_hold (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    since   INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    ordered TEXT    NOT NULL
) STRICT;
