-- The status of edXML behind an event, '' when none is. Rows of events are
-- never removed: their order is the feed that other programs follow.
ALTER TABLE events ADD COLUMN code TEXT NOT NULL DEFAULT '';
