-- Paper documents stand in the same tables, registers and series. series is the
-- group of the series of an outgoing number (agent/register), serial that number
-- where it is a plain one, code_key number and notation as they are compared.
ALTER TABLE documents ADD COLUMN medium   TEXT    NOT NULL DEFAULT 'electronic' CHECK (medium IN ('electronic', 'paper'));
ALTER TABLE documents ADD COLUMN series   TEXT    NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN serial   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE documents ADD COLUMN code_key TEXT    NOT NULL DEFAULT '';

UPDATE documents SET serial = CAST(number AS INTEGER)
    WHERE box = 'out' AND number <> '' AND length(number) <= 6 AND number NOT GLOB '*[^0-9]*';
-- SQLite makes capitals of a to z alone; these are the other letters of abbreviations.
UPDATE documents SET code_key = upper(replace(replace(replace(replace(replace(replace(replace(replace(
        CASE WHEN number NOT GLOB '*[^0-9]*' THEN ltrim(number, '0') ELSE number END || '/' || notation,
        ' ', ''), 'đ', 'Đ'), 'ă', 'Ă'), 'â', 'Â'), 'ê', 'Ê'), 'ô', 'Ô'), 'ơ', 'Ơ'), 'ư', 'Ư'))
    WHERE number <> '';

CREATE INDEX documents_code   ON documents (code_key) WHERE code_key <> '';
CREATE INDEX documents_series ON documents (booked, series, serial) WHERE box = 'out' AND serial > 0;

-- What a paper document has that an electronic one says in its message.
CREATE TABLE papers (
    document INTEGER PRIMARY KEY REFERENCES documents (seq),
    signer   TEXT    NOT NULL,
    copies   INTEGER NOT NULL, -- how many were issued, 0 when nobody said
    arrived  TEXT    NOT NULL  -- ngày đến, yyyy-mm-dd; '' of outgoing ones
) STRICT;

-- How the outgoing numbers of a year are given, which stays as it is until the
-- year ends.
CREATE TABLE numbering (
    year    INTEGER PRIMARY KEY,
    by_type INTEGER NOT NULL
) STRICT;
INSERT INTO numbering (year, by_type) SELECT year, 0 FROM series WHERE kind = 'out' UNION SELECT year, 0 FROM taken WHERE kind = 'out';

-- Numbers given by hand move their series on.
INSERT INTO series (kind, year, last) SELECT kind, year, max(number) FROM taken WHERE true GROUP BY kind, year
    ON CONFLICT (kind, year) DO UPDATE SET last = max(last, excluded.last);
DROP TABLE taken;

-- Numbers below the last one that the program had reserved and that nobody bears
-- yet: they are given before the next one. A crash leaves no other gap.
CREATE TABLE spare (
    kind   TEXT    NOT NULL,
    year   INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (kind, year, number)
) STRICT, WITHOUT ROWID;
