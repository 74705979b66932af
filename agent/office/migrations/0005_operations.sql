-- What recipients of an outgoing document were asked, each at most once at a
-- time: to cancel it (status 13), or, when it updates another one, to agree.
-- 'due' is a status 13 that is not made yet.
CREATE TABLE asks (
    document INTEGER NOT NULL REFERENCES documents (seq),
    kind     TEXT    NOT NULL CHECK (kind IN ('recall', 'update')),
    code_key TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    actor    TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    state    TEXT    NOT NULL CHECK (state IN ('due', 'asked', 'agreed', 'refused', 'unsent')),
    bundle   BLOB    CHECK (length(bundle) = 16), -- that carries the status 13
    answer   TEXT    NOT NULL DEFAULT '',
    answered INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (document, kind, code_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX asks_due    ON asks (at)     WHERE state = 'due';
CREATE INDEX asks_bundle ON asks (bundle) WHERE bundle IS NOT NULL;

-- What this office was asked about an incoming document. One without a document
-- came before it. Rows are not removed.
CREATE TABLE requests (
    seq      INTEGER PRIMARY KEY,
    document INTEGER REFERENCES documents (seq),
    kind     TEXT    NOT NULL CHECK (kind IN ('recall', 'update')),
    sender   TEXT    NOT NULL,
    target   BLOB    CHECK (length(target) = 16), -- bundle of the document, when it is known
    edxml_id TEXT    NOT NULL,                    -- of the document
    reason   TEXT    NOT NULL,
    person   TEXT    NOT NULL,                    -- who asked, at the sender
    at       INTEGER NOT NULL,
    state    TEXT    NOT NULL CHECK (state IN ('early', 'pending', 'granted', 'refused')),
    answer   TEXT    NOT NULL DEFAULT '',
    actor    TEXT    NOT NULL DEFAULT '',
    answered INTEGER NOT NULL DEFAULT 0,
    head     BLOB                                 -- sealed message that asked; NULL: that of the document
) STRICT;
CREATE INDEX requests_document ON requests (document);
CREATE INDEX requests_pending  ON requests (document) WHERE state = 'pending';
CREATE INDEX requests_early    ON requests (edxml_id) WHERE state = 'early';

-- Which earlier document one updates or replaces. target is NULL while the
-- earlier one is not here.
CREATE TABLE relations (
    document INTEGER NOT NULL REFERENCES documents (seq),
    kind     TEXT    NOT NULL CHECK (kind IN ('update', 'replace')),
    edxml_id TEXT    NOT NULL, -- of the earlier one
    reason   TEXT    NOT NULL,
    target   INTEGER REFERENCES documents (seq),
    PRIMARY KEY (document, edxml_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX relations_target  ON relations (target)   WHERE target IS NOT NULL;
CREATE INDEX relations_waiting ON relations (edxml_id) WHERE target IS NULL;

-- 1: the file was cancelled with its document; only name, size and digest stay.
ALTER TABLE attachments ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
