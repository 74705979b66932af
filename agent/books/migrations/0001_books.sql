-- Volumes that were closed. The open one is the next number; a book begins with 1.
CREATE TABLE books_volumes (
    kind   TEXT    NOT NULL,
    year   INTEGER NOT NULL,
    number INTEGER NOT NULL,
    closed INTEGER NOT NULL,
    PRIMARY KEY (kind, year, number)
) STRICT, WITHOUT ROWID;

-- Prints: what was sent to the printer at once. Rows stay, with the file that was
-- printed, also of a print that failed.
CREATE TABLE books_prints (
    seq      INTEGER PRIMARY KEY,
    kind     TEXT    NOT NULL,
    year     INTEGER NOT NULL,
    volume   INTEGER NOT NULL,
    first    INTEGER NOT NULL, -- pages
    last     INTEGER NOT NULL,
    lines    INTEGER NOT NULL,
    state    TEXT    NOT NULL CHECK (state IN ('printing', 'printed', 'failed')),
    made     INTEGER NOT NULL,
    actor    TEXT    NOT NULL,
    ended    INTEGER NOT NULL DEFAULT 0,
    ended_by TEXT    NOT NULL DEFAULT '',
    heading  TEXT    NOT NULL, -- JSON, of the volume as it stood on these pages
    size     INTEGER NOT NULL,
    sha256   BLOB    NOT NULL CHECK (length(sha256) = 32),
    inline   BLOB
) STRICT;
CREATE UNIQUE INDEX books_prints_open ON books_prints (kind, year) WHERE state = 'printing';
CREATE INDEX books_prints_book    ON books_prints (kind, year);
CREATE INDEX books_prints_content ON books_prints (sha256);

-- The pages of prints that did not fail, each once.
CREATE TABLE books_sheets (
    kind   TEXT    NOT NULL,
    year   INTEGER NOT NULL,
    volume INTEGER NOT NULL,
    page   INTEGER NOT NULL,
    print  INTEGER NOT NULL REFERENCES books_prints (seq),
    mark   TEXT    NOT NULL, -- JSON, register.Printed
    PRIMARY KEY (kind, year, volume, page)
) STRICT, WITHOUT ROWID;

-- Their lines as they were printed, each on one page.
CREATE TABLE books_lines (
    kind   TEXT    NOT NULL,
    year   INTEGER NOT NULL,
    volume INTEGER NOT NULL,
    pos    INTEGER NOT NULL, -- in the volume
    key    TEXT    NOT NULL,
    page   INTEGER NOT NULL,
    print  INTEGER NOT NULL REFERENCES books_prints (seq),
    day    INTEGER NOT NULL, -- of the entry
    notes  INTEGER NOT NULL, -- the newest of books_notes that is in it
    line   TEXT    NOT NULL, -- JSON
    PRIMARY KEY (kind, year, volume, pos),
    UNIQUE (kind, year, key)
) STRICT, WITHOUT ROWID;

-- What was put right, by hand. Rows are never removed.
CREATE TABLE books_notes (
    seq   INTEGER PRIMARY KEY,
    kind  TEXT    NOT NULL,
    year  INTEGER NOT NULL,
    key   TEXT    NOT NULL, -- of the line
    at    INTEGER NOT NULL,
    actor TEXT    NOT NULL,
    text  TEXT    NOT NULL
) STRICT;
CREATE INDEX books_notes_book ON books_notes (kind, year);

-- Lines that people write: documents sent by post, kept copies that were used.
CREATE TABLE books_entries (
    seq    INTEGER PRIMARY KEY,
    kind   TEXT    NOT NULL,
    year   INTEGER NOT NULL,
    day    INTEGER NOT NULL,
    fields TEXT    NOT NULL, -- JSON
    at     INTEGER NOT NULL,
    actor  TEXT    NOT NULL
) STRICT;
CREATE INDEX books_entries_book ON books_entries (kind, year);

-- What of outgoing documents stands in their messages alone.
CREATE TABLE books_heads (
    document BLOB NOT NULL PRIMARY KEY CHECK (length(document) = 16),
    signer   TEXT NOT NULL,
    copies   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Work files, and the documents in them. One document may be in several.
CREATE TABLE books_files (
    seq       INTEGER PRIMARY KEY,
    year      INTEGER NOT NULL,
    code      TEXT    NOT NULL,
    code_key  TEXT    NOT NULL, -- without regard to case and spaces
    title     TEXT    NOT NULL,
    retention TEXT    NOT NULL,
    keeper    TEXT    NOT NULL,
    sheets    TEXT    NOT NULL,
    note      TEXT    NOT NULL,
    UNIQUE (year, code_key)
) STRICT;
CREATE TABLE books_filed (
    file     INTEGER NOT NULL REFERENCES books_files (seq),
    document BLOB    NOT NULL CHECK (length(document) = 16),
    place    INTEGER NOT NULL, -- order in the file
    sheet    TEXT    NOT NULL,
    PRIMARY KEY (file, document)
) STRICT, WITHOUT ROWID;
CREATE INDEX books_filed_document ON books_filed (document);
