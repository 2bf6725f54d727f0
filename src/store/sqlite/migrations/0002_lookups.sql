-- Events of which a part has to be read from their sender's API before the rules can be applied, and what became of that.
-- state: 0 ready, 1 waiting for due_at, 2 reading (due_at: end of the lease), 10 found, 11 failed
CREATE TABLE lookups (
  event      INTEGER PRIMARY KEY,   -- events.seq
  route      TEXT    NOT NULL,
  state      INTEGER NOT NULL,
  due_at     INTEGER NOT NULL,
  attempts   INTEGER NOT NULL,
  since      INTEGER NOT NULL,      -- from when on it counts how long it has been tried
  changed_at INTEGER NOT NULL,
  reason     TEXT
) STRICT;

CREATE INDEX lookups_ready   ON lookups (route, event) WHERE state = 0;
CREATE INDEX lookups_waiting ON lookups (route, due_at) WHERE state = 1;
CREATE INDEX lookups_reading ON lookups (due_at)       WHERE state = 2;

-- Each HTTP call made for a lookup.
CREATE TABLE lookup_attempts (
  event   INTEGER NOT NULL,
  number  INTEGER NOT NULL,   -- from 1
  at      INTEGER NOT NULL,
  took_ms INTEGER NOT NULL,
  status  INTEGER,
  outcome TEXT    NOT NULL,
  reason  TEXT    NOT NULL,
  answer  TEXT    NOT NULL,   -- the first 2 KiB of an answer in which nothing was found
  PRIMARY KEY (event, number)
) STRICT, WITHOUT ROWID;

-- From when on it counts how long a send has been tried: when it was made, unless its account or campaign stood still since.
ALTER TABLE sends ADD COLUMN since INTEGER;
