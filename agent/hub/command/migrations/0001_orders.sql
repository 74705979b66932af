-- What was ordered of offices. Times are 0 for none. state: 'queued' the office has
-- not taken it over, 'taken' it has, 'waiting' somebody there has to allow it, then
-- 'done' or 'refused'; 'withdrawn' before the office had it.
CREATE TABLE hub_commands (
    id        BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- of the bundle
    office    TEXT    NOT NULL, -- code as on its card
    command   TEXT    NOT NULL,
    until     INTEGER NOT NULL,
    ordered   TEXT    NOT NULL, -- by which account
    role      TEXT    NOT NULL, -- of that account
    created   INTEGER NOT NULL,
    expires   INTEGER NOT NULL,
    state     TEXT    NOT NULL CHECK (state IN ('queued', 'taken', 'waiting', 'done', 'refused', 'withdrawn')),
    taken     INTEGER NOT NULL,
    answered  INTEGER NOT NULL, -- when the last answer came
    at        INTEGER NOT NULL, -- when it was done, by the office's clock
    why       TEXT    NOT NULL,
    result    TEXT    NOT NULL, -- JSON, '' for none
    withdrawn TEXT    NOT NULL  -- by whom
) STRICT, WITHOUT ROWID;
CREATE INDEX hub_commands_office ON hub_commands (office, created);
CREATE INDEX hub_commands_created ON hub_commands (created);

-- Support archives that came back, the newest.
CREATE TABLE hub_command_archives (
    id      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    came    INTEGER NOT NULL,
    archive BLOB    NOT NULL
) STRICT;
