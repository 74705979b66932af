-- Accounts that sign in through a provider of single sign-on. They have no
-- password: their hash is ''.
CREATE TABLE identities (
    issuer  TEXT NOT NULL,                -- of OpenID Connect, as the provider writes it
    subject TEXT NOT NULL,                -- who it is there, never given to anybody else
    user    TEXT NOT NULL UNIQUE REFERENCES users (name) ON DELETE CASCADE,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
