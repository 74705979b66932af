-- What lists are filtered by, in one index, so that counting reads nothing else.
CREATE INDEX documents_filter   ON documents (box, state, type, urgency, from_code, created);
-- What lists are sorted by, and seq as every index.
CREATE INDEX documents_numbered ON documents (box, booked, arrival);
CREATE INDEX documents_level    ON documents (box, urgency);

-- The places of documents in lists that are sorted by words: see fold.SortKey.
CREATE TABLE listing (
    sort     TEXT    NOT NULL CHECK (sort IN ('party', 'subject', 'symbol')),
    box      TEXT    NOT NULL,
    key      TEXT    NOT NULL,
    document INTEGER NOT NULL REFERENCES documents (seq),
    PRIMARY KEY (sort, box, key, document)
) STRICT, WITHOUT ROWID;
CREATE INDEX listing_document ON listing (document);

-- Whom lists can be filtered by: senders of incoming documents, recipients of
-- outgoing ones, under each name that they had.
CREATE TABLE listing_parties (
    box      TEXT NOT NULL,
    code_key TEXT NOT NULL,
    code     TEXT NOT NULL,
    folded   TEXT NOT NULL, -- the name
    PRIMARY KEY (box, code_key, folded)
) STRICT, WITHOUT ROWID;

-- Documents that have no place yet: older ones, and those whose words changed.
CREATE TABLE listing_due (document INTEGER PRIMARY KEY REFERENCES documents (seq)) STRICT;
INSERT INTO listing_due SELECT seq FROM documents;
CREATE TRIGGER documents_listed AFTER INSERT ON documents BEGIN
    INSERT INTO listing_due VALUES (new.seq);
END;
CREATE TRIGGER documents_reworded AFTER UPDATE OF subject, number, notation, from_code, from_name ON documents BEGIN
    INSERT OR IGNORE INTO listing_due VALUES (new.seq);
END;
