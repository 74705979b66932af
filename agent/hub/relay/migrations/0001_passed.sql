-- Bundles that are finished here and whose neighbouring hub, which still holds
-- them, is to be told so.
CREATE TABLE passed (
  peer   TEXT NOT NULL,
  bundle BLOB NOT NULL CHECK (length(bundle) = 16),
  PRIMARY KEY (peer, bundle)
) STRICT, WITHOUT ROWID;
