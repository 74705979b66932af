-- Up to which serial an office has all cards; see Registry.MergePage.
CREATE TABLE cards_complete (
  one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  serial INTEGER NOT NULL
) STRICT;
