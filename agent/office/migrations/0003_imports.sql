-- Messages that carry a signature, byte for byte as they were handed over. The
-- attachments of such a document were taken out of it and have no entry.
CREATE TABLE originals (
    document INTEGER PRIMARY KEY REFERENCES documents (seq),
    size     INTEGER NOT NULL,
    sha256   BLOB    NOT NULL CHECK (length(sha256) = 32),
    inline   BLOB
) STRICT;
CREATE INDEX originals_content ON originals (sha256);

-- Statuses 04 to 06 that were given to an accepted document, each once.
CREATE TABLE reported (
    document INTEGER NOT NULL REFERENCES documents (seq),
    code     TEXT    NOT NULL,
    PRIMARY KEY (document, code)
) STRICT, WITHOUT ROWID;
