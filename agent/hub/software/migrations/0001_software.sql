-- Releases that this hub has, the newest by serial.
CREATE TABLE software_releases (
    serial    INTEGER NOT NULL PRIMARY KEY, -- of the manifest
    version   TEXT    NOT NULL UNIQUE,
    release   BLOB    NOT NULL,             -- as signed
    key       TEXT    NOT NULL,             -- secret of the key pair that its programs are encrypted to on the way
    origin    TEXT    NOT NULL,             -- code of the hub that it came from
    at        INTEGER NOT NULL,             -- when it came here
    aim       INTEGER NOT NULL DEFAULT -1,  -- ring that it is to reach; -1: none yet
    ring      INTEGER NOT NULL DEFAULT -1,  -- highest ring that is open
    opened    INTEGER NOT NULL DEFAULT 0,   -- when that was opened
    named     TEXT    NOT NULL DEFAULT '[]', -- offices of ring 0
    percent   INTEGER NOT NULL DEFAULT 0,   -- share of ring 1
    most      INTEGER NOT NULL DEFAULT 0,   -- percent that may fail or be silent before the next ring stays shut
    paused    INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1))
) STRICT, WITHOUT ROWID;

-- Programs as they travel: encrypted, in the store of content or, when small, here.
CREATE TABLE software_files (
    serial   INTEGER NOT NULL REFERENCES software_releases (serial),
    n        INTEGER NOT NULL, -- place in the manifest
    sha256   BLOB    NOT NULL CHECK (length(sha256) = 32),
    size     INTEGER NOT NULL,
    encoding INTEGER NOT NULL,
    inline   BLOB,
    PRIMARY KEY (serial, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX software_files_content ON software_files (sha256);

-- What those below say of their software, and what they were sent.
CREATE TABLE software_offices (
    peer    TEXT    NOT NULL PRIMARY KEY, -- key of the code
    code    TEXT    NOT NULL,
    hub     INTEGER NOT NULL CHECK (hub IN (0, 1)),
    version TEXT    NOT NULL,
    serial  INTEGER NOT NULL,
    os      TEXT    NOT NULL,
    arch    TEXT    NOT NULL,
    told    TEXT    NOT NULL, -- the last report
    created INTEGER NOT NULL, -- its time, by the clock there
    heard   INTEGER NOT NULL, -- when it came
    bundle  BLOB    CHECK (length(bundle) = 16),
    sent    INTEGER NOT NULL DEFAULT 0, -- serial of the release of that
    plan    TEXT    NOT NULL DEFAULT '', -- and, to a hub, the plan
    sent_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- The software keys that were believed here, the last one now.
CREATE TABLE software_keys (
    serial INTEGER NOT NULL PRIMARY KEY, -- of this hub's warrant
    key    BLOB    NOT NULL UNIQUE,      -- SubjectPublicKeyInfo
    above  INTEGER NOT NULL,             -- serial of the warrant of the hub above, 0: there is none
    warrant BLOB   NOT NULL              -- of this hub, as signed
) STRICT, WITHOUT ROWID;

-- The report that waits for the hub above.
CREATE TABLE software_told (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    bundle BLOB    NOT NULL CHECK (length(bundle) = 16),
    told   BLOB    NOT NULL
) STRICT;
