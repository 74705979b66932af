-- Documents on their way to the axis. One without ref was begun: whether the
-- axis has it is not known.
CREATE TABLE sent (
    document BLOB    NOT NULL PRIMARY KEY CHECK (length(document) = 16),
    edxml_id TEXT    NOT NULL,
    ref      TEXT    NOT NULL DEFAULT '', -- how the axis names it
    state    TEXT    NOT NULL DEFAULT '', -- of the transport, as the axis last said
    begun    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sent_ref ON sent (ref);

-- The axis's list of offices. Those of the newest complete list are shown.
CREATE TABLE agencies (
    code_key TEXT    NOT NULL,
    round    INTEGER NOT NULL,
    code     TEXT    NOT NULL,
    old_key  TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    PRIMARY KEY (code_key, round)
) STRICT, WITHOUT ROWID;
CREATE INDEX agencies_old ON agencies (old_key) WHERE old_key <> '';

-- The words of many offices in one text, a line each: without marks, then the
-- code. So a search reads few rows.
CREATE TABLE words (
    round INTEGER NOT NULL,
    page  INTEGER NOT NULL,
    text  TEXT    NOT NULL,
    PRIMARY KEY (round, page)
) STRICT, WITHOUT ROWID;

CREATE TABLE marks (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
