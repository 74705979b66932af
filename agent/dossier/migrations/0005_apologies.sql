-- Apologies with a new date of return (form 04) that the desk prepared and no leader
-- has confirmed: drafts, not events.
CREATE TABLE dossier_apologies (
    dossier INTEGER NOT NULL PRIMARY KEY REFERENCES dossiers (seq),
    day     TEXT    NOT NULL, -- yyyy-mm-dd
    reason  TEXT    NOT NULL,
    actor   TEXT    NOT NULL, -- who prepared it, as shown
    at      INTEGER NOT NULL,
    back    TEXT    NOT NULL, -- why a leader sent it back, '' while it waits
    back_by TEXT    NOT NULL,
    back_at INTEGER NOT NULL  -- 0 while it waits
) STRICT;
