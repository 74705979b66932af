CREATE TABLE cards (
  code_key   TEXT    NOT NULL PRIMARY KEY, -- code in lower case
  code       TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  name_fold  TEXT    NOT NULL,             -- without diacritics and capitals
  parent_key TEXT    NOT NULL,             -- code_key of the office above, '' at the top
  kind       TEXT    NOT NULL,
  serial     INTEGER NOT NULL,
  device     BLOB,                         -- SubjectPublicKeyInfo, NULL before enrolment
  recipient  TEXT    NOT NULL,             -- '' before enrolment
  raw        BLOB    NOT NULL              -- the signed card, byte for byte
) STRICT, WITHOUT ROWID;

CREATE INDEX cards_serial ON cards (serial);
CREATE INDEX cards_parent ON cards (parent_key);
CREATE INDEX cards_device ON cards (device) WHERE device IS NOT NULL;
