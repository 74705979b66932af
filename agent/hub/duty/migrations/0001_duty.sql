-- Incidents. data is incident.Incident as JSON; the columns beside it are for finding.
CREATE TABLE incidents (
    id       INTEGER PRIMARY KEY,
    rule     TEXT    NOT NULL,
    severity TEXT    NOT NULL,
    opened   INTEGER NOT NULL,
    closed   INTEGER NOT NULL, -- 0: open
    data     TEXT    NOT NULL
) STRICT;
CREATE INDEX incidents_closed ON incidents (closed, id);

-- What is wrong now: incident.Finding as JSON.
CREATE TABLE findings (
    rule    TEXT NOT NULL,
    subject TEXT NOT NULL,
    office  TEXT NOT NULL,
    data    TEXT NOT NULL,
    PRIMARY KEY (rule, subject, office)
) STRICT, WITHOUT ROWID;

-- What is remembered of an office between two looks: incident.Track as JSON.
CREATE TABLE tracks (
    office TEXT NOT NULL PRIMARY KEY,
    data   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The rest of the engine's state.
CREATE TABLE duty (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    last   INTEGER NOT NULL, -- number given to an incident
    daily  INTEGER NOT NULL, -- of the last digest; 0: none
    weekly INTEGER NOT NULL
) STRICT;

-- The record: what happened, and what people did. incident is 0 for a finding that has
-- none.
CREATE TABLE incident_events (
    seq      INTEGER PRIMARY KEY,
    incident INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    data     TEXT    NOT NULL
) STRICT;
CREATE INDEX incident_events_incident ON incident_events (incident, seq);
CREATE INDEX incident_events_at ON incident_events (at);

-- What people are told: incident.Notice as JSON. incident is 0 for digests and tests.
CREATE TABLE notices (
    seq      INTEGER PRIMARY KEY,
    incident INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    data     TEXT    NOT NULL
) STRICT;
CREATE INDEX notices_incident ON notices (incident, seq);
CREATE INDEX notices_at ON notices (at);

-- A notice on its way through one channel. state: 0 waiting, 1 taken, 2 given up.
CREATE TABLE deliveries (
    notice  INTEGER NOT NULL REFERENCES notices (seq) ON DELETE CASCADE,
    channel TEXT    NOT NULL,
    state   INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
    tries   INTEGER NOT NULL,
    next    INTEGER NOT NULL, -- when to try again
    at      INTEGER NOT NULL, -- of the last try; 0: none yet
    error   TEXT    NOT NULL, -- of the last try
    PRIMARY KEY (notice, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_next ON deliveries (next) WHERE state = 0;

-- Who was called about which document.
CREATE TABLE calls (
    seq      INTEGER PRIMARY KEY,
    document BLOB    NOT NULL CHECK (length(document) = 16),
    office   TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    by       TEXT    NOT NULL,
    note     TEXT    NOT NULL
) STRICT;
CREATE INDEX calls_document ON calls (document, seq);
CREATE INDEX calls_at ON calls (at);

-- Whom to call in an office, and on which line its box hangs.
CREATE TABLE contacts (
    office  TEXT NOT NULL PRIMARY KEY, -- its code in lower case
    phone   TEXT NOT NULL,
    carrier TEXT NOT NULL,
    station TEXT NOT NULL
) STRICT, WITHOUT ROWID;
