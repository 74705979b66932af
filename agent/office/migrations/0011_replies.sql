-- Which documents one answers (ResponseFor), as its message names them: by
-- DocumentId, or by office and số, ký hiệu alone. target is NULL while the
-- answered one is not here.
CREATE TABLE replies (
    document INTEGER NOT NULL REFERENCES documents (seq),
    edxml_id TEXT    NOT NULL,
    organ    TEXT    NOT NULL, -- that issued the answered one
    symbol   TEXT    NOT NULL,
    target   INTEGER REFERENCES documents (seq),
    PRIMARY KEY (document, edxml_id, symbol)
) STRICT, WITHOUT ROWID;
CREATE INDEX replies_target  ON replies (target)   WHERE target IS NOT NULL;
CREATE INDEX replies_waiting ON replies (edxml_id) WHERE target IS NULL AND edxml_id <> '';
