-- Documents of this office that have carried a dossier to an office that takes none in
-- another way, or from it.
CREATE TABLE dossier_carriers (
    document BLOB NOT NULL PRIMARY KEY CHECK (length(document) = 16),
    transfer BLOB NOT NULL REFERENCES dossier_transfers (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX dossier_carriers_transfer ON dossier_carriers (transfer);

-- How far the feed of documents was read for what happens to them.
CREATE TABLE dossier_feed (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    cursor TEXT    NOT NULL
) STRICT;
