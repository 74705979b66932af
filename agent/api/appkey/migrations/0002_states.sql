-- How an application calls the statuses of dossiers: a mapping file as it was given.
CREATE TABLE app_states (
    app     TEXT NOT NULL PRIMARY KEY REFERENCES apps (name),
    system  TEXT NOT NULL, -- its name in the file
    mapping TEXT NOT NULL
) STRICT, WITHOUT ROWID;
