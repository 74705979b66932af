-- Versions of procedures. content is JSON as the hub or the office gave it.
CREATE TABLE dossier_procedures (
    code    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    begins  TEXT    NOT NULL, -- yyyy-mm-dd
    ends    TEXT    NOT NULL, -- yyyy-mm-dd, '' open
    folded  TEXT    NOT NULL, -- code, name and field as they are searched
    origin  TEXT    NOT NULL, -- office or hub that gave it
    content TEXT    NOT NULL,
    PRIMARY KEY (code, version)
) STRICT, WITHOUT ROWID;

-- Dossiers. What happened is events; these rows are where it stands now. content is
-- JSON of what is looked at with one dossier alone.
CREATE TABLE dossiers (
    seq         INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    code        TEXT    NOT NULL,
    code_key    TEXT    NOT NULL,
    owner       TEXT    NOT NULL,           -- code of the office that took it in
    owner_name  TEXT    NOT NULL,
    guest       INTEGER NOT NULL,
    transfer    BLOB    UNIQUE CHECK (length(transfer) = 16), -- by which a guest came
    procedure   TEXT    NOT NULL,
    field       TEXT    NOT NULL,
    applicant   TEXT    NOT NULL,
    folded      TEXT    NOT NULL,           -- as it is searched
    channel     INTEGER NOT NULL,
    status      INTEGER NOT NULL CHECK (status BETWEEN 1 AND 10),
    accepted    INTEGER NOT NULL,           -- unix ms; 0 never, here and below
    due         INTEGER NOT NULL,
    paused      INTEGER NOT NULL,
    ended       INTEGER NOT NULL,           -- result, return, refusal or stop
    outcome     TEXT    NOT NULL CHECK (outcome IN ('', 'early', 'on-time', 'late')),
    handler     TEXT    NOT NULL,
    app         TEXT    NOT NULL,
    reference   TEXT    NOT NULL,
    book        INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    revision    INTEGER NOT NULL UNIQUE,    -- counts changes of all dossiers
    changed     INTEGER NOT NULL,
    erased      INTEGER NOT NULL,
    content     TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX dossiers_code      ON dossiers (code_key) WHERE guest = 0;
CREATE UNIQUE INDEX dossiers_reference ON dossiers (app, reference) WHERE reference <> '';
CREATE INDEX dossiers_due    ON dossiers (due, seq) WHERE status IN (1, 2, 4, 5, 6, 7);
CREATE INDEX dossiers_status ON dossiers (status, due, seq);
CREATE INDEX dossiers_ended  ON dossiers (ended, seq) WHERE ended > 0;
CREATE INDEX dossiers_guest  ON dossiers (code_key) WHERE guest = 1;

-- What happened. Rows are not changed, but for the texts of erased dossiers.
CREATE TABLE dossier_events (
    seq      INTEGER PRIMARY KEY,
    dossier  INTEGER NOT NULL REFERENCES dossiers (seq),
    id       BLOB    NOT NULL CHECK (length(id) = 16),
    kind     TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    learnt   INTEGER NOT NULL,
    office   TEXT    NOT NULL,
    actor    TEXT    NOT NULL,
    text     TEXT    NOT NULL,
    legal    TEXT    NOT NULL,
    due      INTEGER NOT NULL,
    unsure   INTEGER NOT NULL,
    moot     INTEGER NOT NULL,
    transfer BLOB,
    UNIQUE (dossier, id)
) STRICT;

CREATE TABLE dossier_files (
    seq     INTEGER PRIMARY KEY,
    dossier INTEGER NOT NULL REFERENCES dossiers (seq),
    role    TEXT    NOT NULL CHECK (role IN ('paper', 'result', 'form', 'other')),
    paper   INTEGER NOT NULL,               -- index of the paper, -1 none
    name    TEXT    NOT NULL,
    media   TEXT    NOT NULL,
    added   INTEGER NOT NULL,
    origin  TEXT    NOT NULL,               -- code of the office that added it
    size    INTEGER NOT NULL,
    sha256  BLOB    NOT NULL CHECK (length(sha256) = 32),
    inline  BLOB
) STRICT;
CREATE INDEX dossier_files_dossier ON dossier_files (dossier, seq);
CREATE INDEX dossier_files_content ON dossier_files (sha256);

-- Numbers that were given: of codes by agency and day, of the book by year.
CREATE TABLE dossier_counters (
    series TEXT    NOT NULL PRIMARY KEY,
    last   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The key that the words on receipts are made with.
CREATE TABLE dossier_key (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    key BLOB    NOT NULL
) STRICT;

-- Hand-overs between offices, outgoing and incoming. content is JSON.
CREATE TABLE dossier_transfers (
    id       BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    dossier  INTEGER NOT NULL REFERENCES dossiers (seq),
    incoming INTEGER NOT NULL,
    peer     TEXT    NOT NULL, -- the other office, as the registry knew it then
    state    TEXT    NOT NULL CHECK (state IN ('sending', 'delivered', 'taken', 'back', 'ended', 'given')),
    deadline INTEGER NOT NULL,
    owed     INTEGER NOT NULL, -- something is to be told to the other office
    told     INTEGER NOT NULL, -- the last event that it was told
    files    INTEGER NOT NULL, -- the last file that it was given
    said     INTEGER NOT NULL, -- steps that went to it
    heard    INTEGER NOT NULL, -- steps that came from it
    content  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX dossier_transfers_dossier ON dossier_transfers (dossier);
CREATE INDEX dossier_transfers_owed ON dossier_transfers (owed) WHERE owed = 1;

-- The sealed steps of hand-overs, ours and those that came: the signatures behind the
-- control sheet.
CREATE TABLE dossier_steps (
    id       BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- of the bundle
    transfer BLOB    NOT NULL REFERENCES dossier_transfers (id),
    incoming INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    at       INTEGER NOT NULL, -- sealed, by the clock of who sealed
    signer   TEXT    NOT NULL, -- code of the office whose seal it bears
    header   BLOB    NOT NULL,
    size     INTEGER NOT NULL,
    sha256   BLOB    NOT NULL CHECK (length(sha256) = 32),
    inline   BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX dossier_steps_transfer ON dossier_steps (transfer, number);
CREATE INDEX dossier_steps_content ON dossier_steps (sha256);

-- Calendar files over those of the program, as they were given.
CREATE TABLE dossier_calendars (
    name    TEXT    NOT NULL PRIMARY KEY,
    scope   TEXT    NOT NULL CHECK (scope IN ('national', 'local')),
    origin  TEXT    NOT NULL, -- office or hub that gave it
    content TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- What other sides have acknowledged, such as the national portal.
CREATE TABLE dossier_synced (
    id       BLOB    NOT NULL CHECK (length(id) = 16), -- of the dossier
    via      TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (id, via)
) STRICT, WITHOUT ROWID;
