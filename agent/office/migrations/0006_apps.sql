-- The application that sent a document, or whose document an incoming one
-- answers; '' for people.
ALTER TABLE documents ADD COLUMN app TEXT NOT NULL DEFAULT '';
-- The year of the register in which a document stands, 0 for none: of incoming
-- ones that of the acceptance in Vietnam, of outgoing ones that of its date.
ALTER TABLE documents ADD COLUMN booked INTEGER NOT NULL DEFAULT 0;
UPDATE documents SET booked = CAST(substr(date, 1, 4) AS INTEGER) WHERE box = 'out' AND date GLOB '[0-9][0-9][0-9][0-9]-*';
UPDATE documents SET booked = coalesce((
        SELECT CAST(strftime('%Y', min(e.at) / 1000 + 7 * 3600, 'unixepoch') AS INTEGER)
        FROM events e WHERE e.document = documents.seq AND e.step = 'accepted'), 0)
    WHERE box = 'in' AND arrival > 0;

CREATE INDEX documents_app      ON documents (app) WHERE app <> '';
CREATE INDEX documents_register ON documents (box, booked, arrival) WHERE booked > 0;
-- For lists: what is looked for, and seq as every index.
CREATE INDEX documents_type     ON documents (box, type);
CREATE INDEX documents_from     ON documents (from_code) WHERE box = 'in';
CREATE INDEX documents_number   ON documents (number);
CREATE INDEX documents_created  ON documents (created);
CREATE INDEX documents_urgent   ON documents (box, urgency) WHERE urgency > 0;
CREATE INDEX recipients_office  ON recipients (code_key);
