CREATE TABLE invites (
  id                 BLOB    NOT NULL PRIMARY KEY, -- 16 bytes; the secret is derived from it
  code_key           TEXT    NOT NULL,             -- code in lower case
  code               TEXT    NOT NULL,
  name               TEXT    NOT NULL,
  parent             TEXT    NOT NULL,
  kind               TEXT    NOT NULL,
  batch              TEXT    NOT NULL,
  not_before         INTEGER NOT NULL,
  not_after          INTEGER NOT NULL,
  created_at         INTEGER NOT NULL,
  redeemed_at        INTEGER,
  keys_sha256        BLOB,                         -- of all public keys it was redeemed with
  device_spki_sha256 BLOB,                         -- of the device key alone
  revoked_at         INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX invites_code ON invites (code_key, created_at);
CREATE INDEX invites_batch ON invites (batch);

CREATE TABLE certificates (
  serial      BLOB    NOT NULL PRIMARY KEY,
  code_key    TEXT    NOT NULL,
  unit        TEXT    NOT NULL,        -- device, seal, server, authority
  spki_sha256 BLOB    NOT NULL,
  not_before  INTEGER NOT NULL,
  not_after   INTEGER NOT NULL,
  issued_at   INTEGER NOT NULL,
  invite      BLOB,                    -- id of the invite, NULL for the hub's own
  der         BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX certificates_spki ON certificates (spki_sha256);
CREATE INDEX certificates_code ON certificates (code_key, issued_at);
CREATE INDEX certificates_invite ON certificates (invite) WHERE invite IS NOT NULL;
