-- Columns and tables by the names that the field uses, with their units.
ALTER TABLE sends RENAME COLUMN used    TO retries_used;
ALTER TABLE sends RENAME COLUMN since   TO retrying_since;   -- wall clock, milliseconds since 1970, UTC
ALTER TABLE sends RENAME COLUMN gone_at TO reached_at;       -- wall clock: when a message reached the person, or may have
ALTER TABLE sends RENAME COLUMN within  TO once_window_ms;
ALTER TABLE sends RENAME COLUMN moment  TO about_at;         -- wall clock: the moment that the send is about
ALTER TABLE sends RENAME COLUMN terms   TO guards;           -- JSON: what is checked when it is about to go
ALTER TABLE lookups RENAME COLUMN since TO retrying_since;
ALTER TABLE holds RENAME COLUMN told_at TO notified_at;
ALTER TABLE notifications RENAME COLUMN told TO notified;
ALTER TABLE seen RENAME TO dedup_keys;
