-- Registry cards under the authority's own signature, one of each office: what
-- an exported document is checked with by somebody who has no registry. Cards
-- that come in pages have no such signature; those here the hub sends with its
-- evidence.
CREATE TABLE signed_cards (
    code_key TEXT    NOT NULL PRIMARY KEY,
    serial   INTEGER NOT NULL,
    card     BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
