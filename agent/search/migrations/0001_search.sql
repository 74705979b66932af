-- How far the office's feed was followed.
CREATE TABLE search_place (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    cursor TEXT    NOT NULL
) STRICT;

-- What results are narrowed by. seq is the order in which documents came here,
-- and their row in search_words; it is never used twice.
CREATE TABLE search_documents (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    id      BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    box     TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    urgency INTEGER NOT NULL,
    type    TEXT    NOT NULL,
    sender  TEXT    NOT NULL,
    date    TEXT    NOT NULL, -- yyyy-mm-dd
    texts   INTEGER NOT NULL DEFAULT 0, -- files whose text is in the index
    waiting INTEGER NOT NULL DEFAULT 0, -- files that were not read yet
    due     INTEGER NOT NULL DEFAULT 0, -- when they are tried again
    gone    INTEGER NOT NULL DEFAULT 0  -- 1: taken out for good
) STRICT;
CREATE INDEX search_documents_waiting ON search_documents (seq) WHERE waiting > 0;

-- What is shown of a document and searched in it, as JSON.
CREATE TABLE search_fields (
    document INTEGER PRIMARY KEY REFERENCES search_documents (seq) ON DELETE CASCADE,
    fields   TEXT    NOT NULL
) STRICT;

CREATE TABLE search_files (
    document INTEGER NOT NULL REFERENCES search_documents (seq) ON DELETE CASCADE,
    idx      INTEGER NOT NULL,
    kind     TEXT    NOT NULL, -- extension, '' when there is no text in it
    sha256   BLOB    NOT NULL CHECK (length(sha256) = 32),
    PRIMARY KEY (document, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX search_files_content ON search_files (sha256);

-- The text of each content once, compressed with DEFLATE, so that a document is
-- indexed again without reading its files again.
CREATE TABLE search_texts (
    sha256 BLOB    NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    state  TEXT    NOT NULL CHECK (state IN ('whole', 'part', 'none', 'unreadable')),
    text   BLOB    NOT NULL
) STRICT;
CREATE INDEX search_texts_unread ON search_texts (state) WHERE state = 'unreadable';

-- The words: as written, folded, folded of the files, and of what results are
-- narrowed by. Only the index is kept, the texts are not.
CREATE VIRTUAL TABLE search_words USING fts5 (
    exact, fold, text, facets,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 0', prefix = '2 3'
);
