-- The part of the tree that an officer of a hub sees: the code or name of a
-- cluster. '' for everybody else.
ALTER TABLE users ADD COLUMN scope TEXT NOT NULL DEFAULT '';
