-- Documents of both boxes. seq is the order of filing here; lists go by it,
-- because the clock may jump.
CREATE TABLE documents (
    seq       INTEGER PRIMARY KEY,
    id        BLOB    NOT NULL UNIQUE CHECK (length(id) = 16), -- of the bundle too
    box       TEXT    NOT NULL CHECK (box IN ('in', 'out')),
    state     TEXT    NOT NULL,
    urgency   INTEGER NOT NULL CHECK (urgency BETWEEN 0 AND 3),
    from_code TEXT    NOT NULL,
    from_name TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    number    TEXT    NOT NULL,
    notation  TEXT    NOT NULL,
    type      TEXT    NOT NULL,
    type_name TEXT    NOT NULL,
    date      TEXT    NOT NULL, -- yyyy-mm-dd, or as received when it is no date
    edxml_id  TEXT    NOT NULL,
    arrival   INTEGER NOT NULL DEFAULT 0, -- số đến
    reason    TEXT    NOT NULL DEFAULT '',
    size      INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    expires   INTEGER NOT NULL,
    others    INTEGER NOT NULL DEFAULT 0  -- recipients that are not in the table, only in the head
) STRICT;
CREATE INDEX documents_box   ON documents (box);
CREATE INDEX documents_state ON documents (box, state); -- and seq, as every index
CREATE INDEX documents_edxml ON documents (edxml_id);

-- Of an incoming document only this office itself.
CREATE TABLE recipients (
    document INTEGER NOT NULL REFERENCES documents (seq),
    pos      INTEGER NOT NULL,
    code     TEXT    NOT NULL,
    code_key TEXT    NOT NULL, -- the code without regard to case
    name     TEXT    NOT NULL,
    state    TEXT    NOT NULL,
    number   TEXT    NOT NULL DEFAULT '',
    reason   TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (document, pos),
    UNIQUE (document, code_key)
) STRICT, WITHOUT ROWID;

-- inline holds the content of small files; larger ones are in the blob store.
CREATE TABLE attachments (
    document INTEGER NOT NULL REFERENCES documents (seq),
    idx      INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    entry    TEXT    NOT NULL, -- name in the sealed container
    media    TEXT    NOT NULL,
    size     INTEGER NOT NULL,
    sha256   BLOB    NOT NULL CHECK (length(sha256) = 32),
    inline   BLOB,
    PRIMARY KEY (document, idx)
) STRICT;
CREATE INDEX attachments_content ON attachments (sha256);

-- The signed bundle header and the sealed head, byte for byte. A document that
-- could not be opened has no head.
CREATE TABLE heads (
    document INTEGER PRIMARY KEY REFERENCES documents (seq),
    header   BLOB NOT NULL,
    size     INTEGER,
    sha256   BLOB CHECK (length(sha256) = 32),
    inline   BLOB
) STRICT;
CREATE INDEX heads_content ON heads (sha256);

CREATE TABLE seals (
    document  INTEGER PRIMARY KEY REFERENCES documents (seq),
    verdict   TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    signer    TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    signed_at INTEGER NOT NULL,
    checked   INTEGER NOT NULL,
    issuer    TEXT    NOT NULL,
    serial    TEXT    NOT NULL
) STRICT;

-- Signed records behind events: custody receipts, sealed status heads, notices.
CREATE TABLE proofs (
    seq      INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (seq),
    kind     TEXT    NOT NULL CHECK (kind IN ('custody', 'status', 'notice')),
    office   TEXT    NOT NULL, -- who signed it
    header   BLOB,             -- signed bundle header that it came in
    data     BLOB    NOT NULL
) STRICT;
CREATE INDEX proofs_document ON proofs (document);

CREATE TABLE events (
    seq      INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (seq),
    step     TEXT    NOT NULL,
    office   TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    learnt   INTEGER NOT NULL,
    signer   TEXT    NOT NULL,
    note     TEXT    NOT NULL,
    evidence TEXT    NOT NULL,
    proof    INTEGER REFERENCES proofs (seq)
) STRICT;
CREATE INDEX events_document ON events (document);

-- Yearly series of numbers: 'in' for số đến, 'out' for outgoing numbers.
CREATE TABLE series (
    kind TEXT    NOT NULL,
    year INTEGER NOT NULL,
    last INTEGER NOT NULL, -- highest number given
    PRIMARY KEY (kind, year)
) STRICT, WITHOUT ROWID;

-- Numbers above the series that people gave by hand, which it must not repeat.
CREATE TABLE taken (
    kind   TEXT    NOT NULL,
    year   INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (kind, year, number)
) STRICT, WITHOUT ROWID;

-- Status messages that could not be made yet, because the registry does not
-- have the sender's key.
CREATE TABLE owed (
    document    INTEGER NOT NULL REFERENCES documents (seq),
    code        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (document, code)
) STRICT, WITHOUT ROWID;
