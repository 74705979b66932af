-- What passed in each hour of the last days, and what was left of it, see hours.go.
CREATE TABLE report_hours (
    hour     INTEGER NOT NULL, -- hours since 1970
    cluster  TEXT    NOT NULL, -- of the office, as it was then
    sent     INTEGER NOT NULL DEFAULT 0,
    received INTEGER NOT NULL DEFAULT 0,
    waiting  INTEGER NOT NULL DEFAULT -1, -- as last looked at in it; -1: nobody looked
    PRIMARY KEY (hour, cluster)
) STRICT, WITHOUT ROWID;
