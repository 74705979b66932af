-- What happened to one-stop dossiers, in the feed beside what happened to documents.
-- place is the event of a document behind which a notice stands. Rows are never
-- changed or removed, and hold no personal data.
CREATE TABLE notices (
    seq     INTEGER PRIMARY KEY,
    place   INTEGER NOT NULL,
    type    TEXT    NOT NULL,
    dossier BLOB    NOT NULL CHECK (length(dossier) = 16),
    code    TEXT    NOT NULL,
    app     TEXT    NOT NULL, -- that filed it, '' for none
    kind    TEXT    NOT NULL, -- what happened, in the words of the dossiers
    status  INTEGER NOT NULL, -- of the national portal, as it was then
    due     INTEGER NOT NULL, -- unix ms, 0 for none
    office  TEXT    NOT NULL, -- where it happened
    at      INTEGER NOT NULL,
    learnt  INTEGER NOT NULL
) STRICT;
CREATE INDEX notices_place ON notices (place, seq);
CREATE INDEX notices_app   ON notices (app, seq) WHERE app <> '';
