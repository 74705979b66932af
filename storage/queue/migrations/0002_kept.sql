-- What a neighbour has taken over and answered, and which is kept only until that
-- neighbour has it in a backup: it is offered again to another store of the neighbour,
-- and to nobody else.
ALTER TABLE outgoing ADD COLUMN kept INTEGER NOT NULL DEFAULT 0 CHECK (kept IN (0, 1));

CREATE INDEX outgoing_kept      ON outgoing (settled) WHERE kept = 1;
CREATE INDEX outgoing_kept_peer ON outgoing (peer, settled) WHERE kept = 1;
