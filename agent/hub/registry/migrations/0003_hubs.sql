-- Of a card that another hub signed and this one issued anew: the serial that
-- it had there; see Registry.Adopt.
ALTER TABLE cards ADD COLUMN origin INTEGER NOT NULL DEFAULT 0;

-- Up to which serial of theirs the cards of neighbouring hubs were taken in.
CREATE TABLE cards_taken (
  hub_key TEXT    NOT NULL PRIMARY KEY,
  serial  INTEGER NOT NULL
) STRICT;
