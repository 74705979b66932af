-- Keys under which programs handed documents over, each once: handing over
-- again under the same key is answered with the document that is there.
CREATE TABLE handed (
    key      TEXT    NOT NULL PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (seq)
) STRICT, WITHOUT ROWID;
