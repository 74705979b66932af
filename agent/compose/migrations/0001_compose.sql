-- What a person was writing. fields are those of the form, as JSON.
CREATE TABLE compose_drafts (
    id     TEXT    NOT NULL PRIMARY KEY,
    owner  TEXT    NOT NULL, -- sign-in name
    fields TEXT    NOT NULL,
    saved  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX compose_drafts_owner ON compose_drafts (owner, saved);

-- id is the name of the file in the folder of drafts.
CREATE TABLE compose_files (
    id    TEXT    NOT NULL PRIMARY KEY,
    draft TEXT    NOT NULL REFERENCES compose_drafts (id) ON DELETE CASCADE,
    seq   INTEGER NOT NULL,
    name  TEXT    NOT NULL,
    size  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX compose_files_draft ON compose_files (draft, seq);

CREATE TABLE compose_groups (
    name  TEXT NOT NULL PRIMARY KEY,
    key   TEXT NOT NULL UNIQUE, -- the name without case and diacritics
    codes TEXT NOT NULL         -- separated by commas, in order
) STRICT, WITHOUT ROWID;
