-- A temporary password was set by somebody else and has to be replaced at the
-- next sign-in.
ALTER TABLE users ADD COLUMN temporary INTEGER NOT NULL DEFAULT 0;

-- Failed sign-ins since the last good one. A name is counted whether or not
-- there is such an account, so that counting tells nobody which there are.
CREATE TABLE attempts (
    name   TEXT PRIMARY KEY,              -- folded, of the form of a sign-in name
    failed INTEGER NOT NULL,
    last   INTEGER NOT NULL               -- unix ms
) STRICT, WITHOUT ROWID;
