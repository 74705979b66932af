-- The one-stop dossier (mã hồ sơ) that a document carries, '' for none.
ALTER TABLE documents ADD COLUMN carries TEXT NOT NULL DEFAULT '';

-- Statuses that were given to an accepted document, each once: told is the text
-- where a code may be given again with another one, else ''.
CREATE TABLE told_again (
    document INTEGER NOT NULL REFERENCES documents (seq),
    code     TEXT    NOT NULL,
    told     TEXT    NOT NULL,
    PRIMARY KEY (document, code, told)
) STRICT, WITHOUT ROWID;
INSERT INTO told_again SELECT document, code, '' FROM reported;
DROP TABLE reported;
ALTER TABLE told_again RENAME TO reported;
