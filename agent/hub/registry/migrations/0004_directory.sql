-- Of an office that has ended: code_key of the one that took it over.
ALTER TABLE cards ADD COLUMN into_key TEXT NOT NULL DEFAULT '';

CREATE INDEX cards_into ON cards (into_key) WHERE into_key <> '';

-- Earlier codes of offices. Of two offices that claim one the card with the
-- higher serial has it.
CREATE TABLE old_codes (
  old_key  TEXT    NOT NULL PRIMARY KEY,
  code_key TEXT    NOT NULL,
  serial   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX old_codes_code ON old_codes (code_key);

-- The newest version of the hub's registry of which a page has come, and when
-- the newest page was made, unix milliseconds of the hub's clock.
ALTER TABLE cards_complete ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cards_complete ADD COLUMN made INTEGER NOT NULL DEFAULT 0;

-- Pages that came before those that they follow; see Registry.TakePage.
CREATE TABLE cards_ahead (
  after INTEGER NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (after, until)
) STRICT, WITHOUT ROWID;
