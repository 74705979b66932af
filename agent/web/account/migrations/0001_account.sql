CREATE TABLE users (
    name     TEXT PRIMARY KEY,            -- sign-in name, lower case
    display  TEXT NOT NULL,
    role     TEXT NOT NULL,
    hash     TEXT NOT NULL,               -- argon2id in PHC form, with its parameters
    created  INTEGER NOT NULL,            -- unix ms
    disabled INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    token   BLOB PRIMARY KEY,             -- SHA-256 of the cookie's value
    ref     TEXT NOT NULL UNIQUE,         -- public name of the session, opens nothing
    user    TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    seen    INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user);
CREATE INDEX sessions_by_end ON sessions (expires);
