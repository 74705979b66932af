-- Documents that offices have taken over, by how long they took: bucket i holds those
-- of at most 2^(i/4) seconds, see report.go.
CREATE TABLE report_deliveries (
    day     TEXT    NOT NULL, -- yyyy-mm-dd in Vietnam, of the delivery
    cluster TEXT    NOT NULL, -- of the office, as it was then
    urgency INTEGER NOT NULL,
    bucket  INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    PRIMARY KEY (day, cluster, urgency, bucket)
) STRICT, WITHOUT ROWID;

-- What the SIM of a box has used in a month, as its last heartbeat of it says.
CREATE TABLE report_sims (
    month   TEXT    NOT NULL, -- yyyy-mm
    code    TEXT    NOT NULL,
    cluster TEXT    NOT NULL,
    used    INTEGER NOT NULL, -- bytes
    budget  INTEGER NOT NULL, -- bytes; 0: no bound
    PRIMARY KEY (month, code)
) STRICT, WITHOUT ROWID;
