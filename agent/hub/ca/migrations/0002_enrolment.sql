-- When the office is known to have a certificate; renewed ones are offered
-- until then. notice is the bundle that carries it, since sent_at.
ALTER TABLE certificates ADD COLUMN delivered_at INTEGER;
ALTER TABLE certificates ADD COLUMN notice BLOB;
ALTER TABLE certificates ADD COLUMN sent_at INTEGER;
UPDATE certificates SET delivered_at = issued_at;
CREATE INDEX certificates_notice ON certificates (notice) WHERE notice IS NOT NULL;
CREATE INDEX certificates_end ON certificates (unit, not_after);

-- 1: the invite is for a box that takes another one's place.
ALTER TABLE invites ADD COLUMN replaces INTEGER NOT NULL DEFAULT 0;

-- A key is revoked for good, and with it every certificate that names it. The
-- serial is empty where only the key is known, after a restore.
CREATE TABLE revoked (
  spki_sha256 BLOB    NOT NULL,
  serial      BLOB    NOT NULL,
  code        TEXT    NOT NULL,
  revoked_at  INTEGER NOT NULL,
  not_after   INTEGER NOT NULL,
  reason      TEXT    NOT NULL,
  PRIMARY KEY (spki_sha256, serial)
) STRICT, WITHOUT ROWID;

-- Boxes that know an invite's secret and are not let in without a person.
CREATE TABLE waiting (
  id          INTEGER NOT NULL PRIMARY KEY,
  invite      BLOB    NOT NULL,
  keys_sha256 BLOB    NOT NULL,
  code_key    TEXT    NOT NULL,
  code        TEXT    NOT NULL,
  name        TEXT    NOT NULL,
  reason      TEXT    NOT NULL,        -- used, expired, active
  remote      TEXT    NOT NULL,        -- address at the last try
  first_at    INTEGER NOT NULL,
  last_at     INTEGER NOT NULL,
  tries       INTEGER NOT NULL,
  decision    TEXT,                    -- admitted, refused; NULL: none yet
  decided_at  INTEGER,
  decided_by  TEXT,
  UNIQUE (invite, keys_sha256)
) STRICT;
CREATE INDEX waiting_last ON waiting (last_at);
