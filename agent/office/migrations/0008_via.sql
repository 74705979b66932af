-- The connector through which a recipient outside of Trạm is reached, '' for one
-- that is reached over Trạm. Of an incoming document, that through which it came.
ALTER TABLE recipients ADD COLUMN via TEXT NOT NULL DEFAULT '';
CREATE INDEX recipients_via ON recipients (state, document) WHERE via <> '';

-- Messages of offices outside of Trạm that were taken in, each once.
CREATE TABLE foreigns (
    seq      INTEGER PRIMARY KEY,
    via      TEXT    NOT NULL,
    ref      TEXT    NOT NULL, -- of the message, at the other system
    kind     TEXT    NOT NULL CHECK (kind IN ('document', 'status')),
    sender   TEXT    NOT NULL,
    document INTEGER NOT NULL REFERENCES documents (seq), -- the one that it is, or is about
    at       INTEGER NOT NULL,
    warnings TEXT    NOT NULL, -- JSON
    head     BLOB    NOT NULL, -- the message without the contents of its attachments
    UNIQUE (via, ref)
) STRICT;
CREATE INDEX foreigns_document ON foreigns (document);

-- Messages that came through a connector and were refused, as they came. One
-- without a digest was too large to be kept.
CREATE TABLE quarantine (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    via    TEXT    NOT NULL,
    ref    TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    sender TEXT    NOT NULL, -- '' when it could not be read
    at     INTEGER NOT NULL,
    reason TEXT    NOT NULL,
    size   INTEGER NOT NULL,
    sha256 BLOB    CHECK (length(sha256) = 32),
    inline BLOB,
    UNIQUE (via, ref)
) STRICT;
