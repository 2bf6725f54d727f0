-- When what was received, or sent, was erased; the row stays as long as something else needs it. Wall clock, milliseconds.
ALTER TABLE events ADD COLUMN erased_at INTEGER;
ALTER TABLE sends  ADD COLUMN erased_at INTEGER;

-- Cancellations by events that are past their time are removed.
CREATE INDEX cancels_of_event ON cancels (event);

-- How far retention has come: what has a smaller number, or the same, is erased or postponed.
CREATE TABLE sweeps (
  kind TEXT    NOT NULL PRIMARY KEY,   -- events, sends, dedup keys; pass: when the last one was complete
  upto INTEGER NOT NULL                -- events.seq; sends.id; the first 7 bytes of a fingerprint; wall clock, milliseconds
) STRICT, WITHOUT ROWID;

-- What was old enough, but still needed: looked at again in each pass.
CREATE TABLE postponed (
  kind TEXT    NOT NULL,               -- events, sends
  id   INTEGER NOT NULL,               -- events.seq, sends.id
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
