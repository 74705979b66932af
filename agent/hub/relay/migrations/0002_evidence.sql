-- What this hub has witnessed of a document and not yet told: to be sealed, for
-- a neighbour. held: for a recipient that does not have the document yet.
CREATE TABLE outcomes (
  seq    INTEGER PRIMARY KEY,
  peer   TEXT    NOT NULL,
  bundle BLOB    NOT NULL CHECK (length(bundle) = 16),
  header BLOB    NOT NULL CHECK (length(header) = 32), -- SHA-256 of the signed header
  sender TEXT    NOT NULL,
  event  TEXT    NOT NULL,
  office TEXT    NOT NULL,
  reason TEXT    NOT NULL,
  code   INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  held   INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1))
) STRICT;
CREATE INDEX outcomes_peer ON outcomes (peer) WHERE held = 0;
CREATE INDEX outcomes_held ON outcomes (bundle, peer) WHERE held = 1;

-- Signed things on their way to a neighbour: evidence of other hubs, and time
-- stamps of this one.
CREATE TABLE testimony (
  seq    INTEGER PRIMARY KEY,
  peer   TEXT NOT NULL,
  kind   TEXT NOT NULL CHECK (kind IN ('evidence', 'stamp')),
  bundle BLOB NOT NULL CHECK (length(bundle) = 16),
  data   BLOB NOT NULL
) STRICT;
CREATE INDEX testimony_peer ON testimony (peer);

-- Documents with the time by which they ought to be delivered.
CREATE TABLE watched (
  bundle BLOB    PRIMARY KEY CHECK (length(bundle) = 16),
  due    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX watched_due ON watched (due);
