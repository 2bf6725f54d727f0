-- When what was received, or sent, was erased; the row stays as long as something else needs it. Wall clock, milliseconds.
ALTER TABLE events ADD COLUMN erased_at INTEGER;
ALTER TABLE sends  ADD COLUMN erased_at INTEGER;

-- Keys of events that no repetition can meet any more are removed.
CREATE INDEX seen_expiring ON seen (expires_at);

-- How far retention has come: what has a smaller number, or the same, is erased or postponed.
CREATE TABLE sweeps (
  kind TEXT    NOT NULL PRIMARY KEY,   -- events, sends
  upto INTEGER NOT NULL                -- events.seq, sends.id
) STRICT, WITHOUT ROWID;

-- What was old enough, but still needed: looked at again later.
CREATE TABLE postponed (
  kind TEXT    NOT NULL,               -- events, sends
  id   INTEGER NOT NULL,               -- events.seq, sends.id
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
