-- What the hub knows of each box besides: what its registry says, what the box
-- said last, and how that is judged. 0 and '' mean that something is not known
-- or not so; times are unix ms.
ALTER TABLE agents ADD COLUMN listed       INTEGER NOT NULL DEFAULT 0;  -- 1: its office is this hub's
ALTER TABLE agents ADD COLUMN name         TEXT    NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN name_key     TEXT    NOT NULL DEFAULT ''; -- sorts name
ALTER TABLE agents ADD COLUMN name_fold    TEXT    NOT NULL DEFAULT ''; -- without diacritics and capitals
ALTER TABLE agents ADD COLUMN parent       TEXT    NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN kind         TEXT    NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN enrolled     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN revoked      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN cluster      TEXT    NOT NULL DEFAULT ''; -- tag, else parent
ALTER TABLE agents ADD COLUMN tag          TEXT    NOT NULL DEFAULT ''; -- cluster that somebody put it in
ALTER TABLE agents ADD COLUMN hours        TEXT    NOT NULL DEFAULT ''; -- usual hours, spans with '; ' between
ALTER TABLE agents ADD COLUMN paused       INTEGER NOT NULL DEFAULT 0;  -- since when it is not watched
ALTER TABLE agents ADD COLUMN incident     TEXT    NOT NULL DEFAULT ''; -- open group incident that it is part of

ALTER TABLE agents ADD COLUMN beat         INTEGER NOT NULL DEFAULT 0;  -- when its last heartbeat came
ALTER TABLE agents ADD COLUMN every        INTEGER NOT NULL DEFAULT 0;  -- ms within which the next one follows
ALTER TABLE agents ADD COLUMN away         INTEGER NOT NULL DEFAULT 0;  -- ms that it may be without a connection
ALTER TABLE agents ADD COLUMN queue_count  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN queue_bytes  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN queue_since  INTEGER NOT NULL DEFAULT 0;  -- of the oldest, by the hub's clock
ALTER TABLE agents ADD COLUMN queue_due    INTEGER NOT NULL DEFAULT 0;  -- when an urgent one of them should have gone
ALTER TABLE agents ADD COLUMN rate         INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN disk_free    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN disk_days    INTEGER NOT NULL DEFAULT -1; -- until it is full; -1: not foreseeable
ALTER TABLE agents ADD COLUMN clock_offset INTEGER NOT NULL DEFAULT 0;  -- ms that the hub's is ahead
ALTER TABLE agents ADD COLUMN certificate  INTEGER NOT NULL DEFAULT 0;  -- end of its device certificate
ALTER TABLE agents ADD COLUMN carrier      TEXT    NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN sim_left     INTEGER NOT NULL DEFAULT -1; -- bytes of the month's budget; -1: there is none
ALTER TABLE agents ADD COLUMN trouble      TEXT    NOT NULL DEFAULT ''; -- what somebody has to set right
ALTER TABLE agents ADD COLUMN trouble_args TEXT    NOT NULL DEFAULT ''; -- JSON

ALTER TABLE agents ADD COLUMN state        INTEGER NOT NULL DEFAULT 0;  -- fleet.State
ALTER TABLE agents ADD COLUMN reason       TEXT    NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN reason_args  TEXT    NOT NULL DEFAULT ''; -- JSON
ALTER TABLE agents ADD COLUMN state_since  INTEGER NOT NULL DEFAULT 0;  -- 0: never judged
ALTER TABLE agents ADD COLUMN well         INTEGER NOT NULL DEFAULT 0;  -- since when it could recover

-- The last heartbeat of each box as JSON, beside the table that is scanned.
CREATE TABLE beats (
    code   TEXT PRIMARY KEY,
    report TEXT NOT NULL
) STRICT;

-- Usual hours of the boxes of a cluster that have none of their own.
CREATE TABLE clusters (
    name  TEXT PRIMARY KEY,
    hours TEXT NOT NULL
) STRICT, WITHOUT ROWID;
