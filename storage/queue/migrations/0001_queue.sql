-- What is known of a bundle while anything below refers to it. to_offices is a
-- JSON array of codes. size is the sum of its objects.
CREATE TABLE bundles (
    seq         INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    kind        INTEGER NOT NULL,
    from_office TEXT    NOT NULL,
    to_offices  TEXT    NOT NULL,
    urgency     INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    in_reply_to BLOB    NOT NULL CHECK (length(in_reply_to) = 16),
    header      BLOB    NOT NULL,
    size        INTEGER NOT NULL
) STRICT;

-- Finds what has expired; with size, the sum over all bundles needs only this.
CREATE INDEX bundles_expires ON bundles (expires, size);

-- key is bundles.seq * 256 + index of the object, so that a bundle's objects
-- are neighbours and need no index of their own. have: the bytes are complete,
-- either inline or as a file of that digest.
CREATE TABLE objects (
    key    INTEGER PRIMARY KEY,
    sha256 BLOB    NOT NULL CHECK (length(sha256) = 32),
    size   INTEGER NOT NULL,
    role   INTEGER NOT NULL,
    have   INTEGER NOT NULL CHECK (have IN (0, 1)),
    inline BLOB    CHECK (inline IS NULL OR (have = 1 AND length(inline) = size))
) STRICT;

CREATE INDEX objects_sha256 ON objects (sha256) WHERE inline IS NULL;

-- A bundle on its way to one neighbour. state: 0 waiting, 1 the neighbour has
-- custody and the row is held, 2 refused and held. urgency and created repeat
-- the bundle's for the order of offers.
CREATE TABLE outgoing (
    bundle  INTEGER NOT NULL REFERENCES bundles (seq),
    peer    TEXT    NOT NULL,
    urgency INTEGER NOT NULL,
    created INTEGER NOT NULL,
    hold    INTEGER NOT NULL CHECK (hold IN (0, 1)),
    state   INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
    slip    BLOB,
    epoch   BLOB,
    receipt BLOB,
    code    INTEGER,
    text    TEXT,
    settled INTEGER,
    PRIMARY KEY (bundle, peer)
) STRICT, WITHOUT ROWID;

CREATE INDEX outgoing_waiting ON outgoing (peer, urgency DESC, created, bundle) WHERE state = 0;
CREATE INDEX outgoing_custody ON outgoing (peer, epoch, settled) WHERE state = 1;

-- A bundle that one neighbour offers and that is not complete. need is a JSON
-- array of object indexes. Its bytes are in the blob store's parts, shared by
-- all who offer the same bundle.
CREATE TABLE incoming (
    bundle  INTEGER NOT NULL REFERENCES bundles (seq),
    peer    TEXT    NOT NULL,
    urgency INTEGER NOT NULL,
    size    INTEGER NOT NULL,
    need    TEXT    NOT NULL,
    slip    BLOB,
    at      INTEGER NOT NULL,
    PRIMARY KEY (bundle, peer)
) STRICT, WITHOUT ROWID;

CREATE INDEX incoming_peer ON incoming (peer, urgency, size);

-- A complete bundle that its owner has not handled yet.
CREATE TABLE inbox (
    bundle  INTEGER PRIMARY KEY REFERENCES bundles (seq),
    peer    TEXT    NOT NULL,
    urgency INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    slip    BLOB
) STRICT;

CREATE INDEX inbox_order ON inbox (urgency DESC, at, bundle);

-- Every bundle ever taken over, with the custody that was given for it.
CREATE TABLE seen (
    id      BLOB    PRIMARY KEY CHECK (length(id) = 16),
    header  BLOB    NOT NULL CHECK (length(header) = 32),
    peer    TEXT    NOT NULL,
    receipt BLOB    NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
