-- Documents that their sender's office was refused at the offer, and for which
-- evidence of that was given. They are forgotten after DenialWindow.
CREATE TABLE denials (
  peer   TEXT    NOT NULL,
  header BLOB    NOT NULL CHECK (length(header) = 32), -- SHA-256 of the signed header
  at     INTEGER NOT NULL,
  PRIMARY KEY (peer, header)
) STRICT, WITHOUT ROWID;
CREATE INDEX denials_at ON denials (at);
