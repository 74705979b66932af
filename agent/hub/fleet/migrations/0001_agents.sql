-- What the hub knows of each office's box: whether it is there, and since when.
CREATE TABLE agents (
    code     TEXT PRIMARY KEY,          -- office code as on its card
    online   INTEGER NOT NULL,          -- 1: its session stands
    since    INTEGER NOT NULL,          -- unix ms of the last change of online
    seen     INTEGER NOT NULL,          -- unix ms, last time it was heard
    software TEXT NOT NULL
) STRICT, WITHOUT ROWID;
