-- Verdicts on the signatures inside attachments. Rows are only added: the
-- newest of an attachment counts, the others are its history.
CREATE TABLE checks (
    seq        INTEGER PRIMARY KEY,
    document   INTEGER NOT NULL REFERENCES documents (seq),
    attachment INTEGER NOT NULL,
    cause      TEXT    NOT NULL CHECK (cause IN ('arrival', 'again', 'request')),
    actor      TEXT    NOT NULL, -- who asked, empty for the program itself
    at         INTEGER NOT NULL,
    verdict    TEXT    NOT NULL,
    report     BLOB    NOT NULL  -- JSON, see agent/docsign
) STRICT;
CREATE INDEX checks_document ON checks (document, attachment);

-- The verdicts that stood when a document was accepted.
CREATE TABLE checks_frozen (
    document   INTEGER NOT NULL REFERENCES documents (seq),
    attachment INTEGER NOT NULL,
    checked    INTEGER NOT NULL REFERENCES checks (seq),
    PRIMARY KEY (document, attachment)
) STRICT, WITHOUT ROWID;

-- Why a document was accepted although a signature was not valid.
CREATE TABLE checks_reasons (
    document INTEGER PRIMARY KEY REFERENCES documents (seq),
    reason   TEXT    NOT NULL
) STRICT;

-- Revocation lists and answers on which verdicts rest, each once.
CREATE TABLE checks_evidence (
    sha256 BLOB    NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    size   INTEGER NOT NULL,
    inline BLOB
) STRICT, WITHOUT ROWID;

-- Documents whose attachments are to be checked: on arrival, and again while
-- revocation data is missing. mark is that of the trust that was asked last.
CREATE TABLE checks_due (
    document INTEGER PRIMARY KEY REFERENCES documents (seq),
    due      INTEGER NOT NULL,
    mark     TEXT    NOT NULL DEFAULT ''
) STRICT;
INSERT INTO checks_due (document, due) SELECT seq, 0 FROM documents WHERE box = 'in';
