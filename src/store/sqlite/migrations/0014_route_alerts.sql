-- Routes of which people were notified: those that refuse calls and accept none, and those whose lookups are refused.
CREATE TABLE route_alerts (
  route       TEXT    NOT NULL,
  kind        TEXT    NOT NULL,   -- refusals, lookups
  since       INTEGER NOT NULL,   -- wall clock, milliseconds since 1970, UTC
  reason      TEXT    NOT NULL,
  notified_at INTEGER NOT NULL,   -- wall clock
  PRIMARY KEY (route, kind)
) STRICT, WITHOUT ROWID;

ALTER TABLE notifications ADD COLUMN route TEXT NOT NULL DEFAULT '';    -- empty: not about a route
ALTER TABLE notifications ADD COLUMN reason TEXT NOT NULL DEFAULT '';   -- of a route
