-- Which documents were filed on a day: the bounds of their rows, which stand in
-- nearly the order of filing. A day is one of 86,400,000 milliseconds.
CREATE TABLE filed_days (
    day   INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL
) STRICT;
INSERT INTO filed_days SELECT created / 86400000, min(seq), max(seq) FROM documents GROUP BY 1;
CREATE TRIGGER documents_filed AFTER INSERT ON documents BEGIN
    INSERT INTO filed_days VALUES (new.created / 86400000, new.seq, new.seq)
        ON CONFLICT (day) DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last);
END;
CREATE TRIGGER documents_refiled AFTER UPDATE OF created ON documents BEGIN
    INSERT INTO filed_days VALUES (new.created / 86400000, new.seq, new.seq)
        ON CONFLICT (day) DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last);
END;
