-- What the latest package of the store, by its number, has said of the log; pack
-- is 0 before the first.
ALTER TABLE logs ADD COLUMN pack      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE logs ADD COLUMN pack_seq  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE logs ADD COLUMN pack_head BLOB    NOT NULL DEFAULT x'';
