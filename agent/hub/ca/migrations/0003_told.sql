-- Which CAs of this hub an office was last told of. trust is CA.told; notice is
-- the bundle that carries them, since sent_at.
CREATE TABLE told (
  code_key     TEXT    NOT NULL PRIMARY KEY,
  trust        BLOB    NOT NULL,
  notice       BLOB,
  sent_at      INTEGER,
  delivered_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX told_notice ON told (notice) WHERE notice IS NOT NULL;
