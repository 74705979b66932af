-- How far one-stop dossiers have come at the axis.
CREATE TABLE dossiers (
    dossier     BLOB    NOT NULL PRIMARY KEY CHECK (length(dossier) = 16),
    code        TEXT    NOT NULL,
    begun       INTEGER NOT NULL, -- revision whose payload may be there
    payload     INTEGER NOT NULL, -- revision whose payload is there
    steps_begun INTEGER NOT NULL, -- so many steps may be there
    steps       INTEGER NOT NULL, -- so many steps are there
    synced      INTEGER NOT NULL  -- when the axis last acknowledged something
) STRICT, WITHOUT ROWID;
