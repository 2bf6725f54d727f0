-- What is wished for a send besides its content, and what a hold keeps back.
ALTER TABLE sends ADD COLUMN route      TEXT    NOT NULL DEFAULT '';
ALTER TABLE sends ADD COLUMN item       INTEGER NOT NULL DEFAULT 0;   -- which of the sends that the rule made of the event
ALTER TABLE sends ADD COLUMN version    INTEGER NOT NULL DEFAULT 0;   -- of the rule that made it
ALTER TABLE sends ADD COLUMN priority   INTEGER NOT NULL DEFAULT 1;   -- 0 urgent, 1 normal, 2 bulk
ALTER TABLE sends ADD COLUMN used       INTEGER NOT NULL DEFAULT 0;   -- attempts that failed for this send itself
ALTER TABLE sends ADD COLUMN why        TEXT;                         -- state 1: retry, hours, delay, cap, once
ALTER TABLE sends ADD COLUMN expires_at INTEGER;
ALTER TABLE sends ADD COLUMN key        TEXT;                         -- what it is about: an order, an appointment
ALTER TABLE sends ADD COLUMN moment     INTEGER;                      -- the moment it is about
ALTER TABLE sends ADD COLUMN once       BLOB;                         -- equal for what a person gets once
ALTER TABLE sends ADD COLUMN within     INTEGER;                      -- in so many milliseconds
ALTER TABLE sends ADD COLUMN marketing  INTEGER;                      -- 1: its campaign is marked so
ALTER TABLE sends ADD COLUMN gone_at    INTEGER;                      -- when it last went, or may have gone
ALTER TABLE sends ADD COLUMN terms      TEXT;                         -- JSON: what is looked at when it is about to go

UPDATE sends SET route = coalesce((SELECT route FROM events WHERE seq = event), ''), used = attempts;
UPDATE sends SET why = 'retry' WHERE state = 1;
UPDATE sends SET gone_at = changed_at WHERE state IN (10, 12);

-- state: 0 ready, 1 waiting for due_at, 2 sending (due_at: end of the lease), 3 behind another send to the same person,
--        10 sent, 11 failed, 12 uncertain, 13 expired, 14 suppressed, 15 cancelled, 16 duplicate

-- A lane for each campaign: what a hold keeps back is stepped over, however much it is.
DROP INDEX sends_ready;
CREATE INDEX sends_ready    ON sends (account, campaign, priority, id) WHERE state = 0;
CREATE INDEX sends_delayed  ON sends (destination, id)                 WHERE state = 1;
CREATE INDEX sends_expiring ON sends (expires_at)                      WHERE expires_at IS NOT NULL AND state IN (0, 1, 3);
CREATE INDEX sends_about    ON sends (key, rule)                       WHERE key IS NOT NULL;
CREATE INDEX sends_once     ON sends (once)                            WHERE once IS NOT NULL;
CREATE INDEX sends_capped   ON sends (account, destination, gone_at)   WHERE marketing = 1 AND gone_at IS NOT NULL;
CREATE INDEX sends_of_event ON sends (event);

-- What happened to a send besides its attempts.
CREATE TABLE changes (
  send   INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  state  INTEGER NOT NULL,
  why    TEXT,
  until  INTEGER,
  reason TEXT
) STRICT;
CREATE INDEX changes_of_send ON changes (send);

-- Accounts and campaigns on hold; ended ones are history.
CREATE TABLE holds (
  id       INTEGER PRIMARY KEY,
  account  TEXT    NOT NULL,
  campaign TEXT    NOT NULL,   -- empty: the whole account
  reason   TEXT    NOT NULL,
  by       TEXT    NOT NULL,   -- answer, or hand
  since    INTEGER NOT NULL,
  probes   INTEGER NOT NULL,
  probe_at INTEGER,            -- when the next is due; empty: none is made
  probe    INTEGER,            -- the send that was the last
  told_at  INTEGER NOT NULL,   -- when somebody was last told of it
  ended_at INTEGER,
  waited   INTEGER             -- sends that waited when it ended
) STRICT;
CREATE UNIQUE INDEX holds_active ON holds (account, campaign) WHERE ended_at IS NULL;
CREATE INDEX holds_ended ON holds (account, campaign, ended_at) WHERE ended_at IS NOT NULL;

-- Numbers that must not be messaged.
CREATE TABLE suppressions (
  number  TEXT    NOT NULL,   -- E.164
  account TEXT    NOT NULL,   -- *: all of them
  reason  TEXT    NOT NULL,
  at      INTEGER NOT NULL,
  PRIMARY KEY (number, account)
) STRICT, WITHOUT ROWID;

-- What later events made unwanted, so that an earlier one that is handled later does not bring it back.
CREATE TABLE cancels (
  key     TEXT    NOT NULL,
  account TEXT    NOT NULL,
  route   TEXT    NOT NULL,
  rule    TEXT    NOT NULL,
  event   INTEGER NOT NULL,
  PRIMARY KEY (key, account, route, rule)
) STRICT, WITHOUT ROWID;

-- The rules as they were when sends were last mapped by them.
CREATE TABLE rules (
  route   TEXT    NOT NULL,
  rule    TEXT    NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (route, rule)
) STRICT, WITHOUT ROWID;
