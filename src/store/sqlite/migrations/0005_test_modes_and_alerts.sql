-- Accounts and routes whose sends go to nobody, or to a tester, in the process that runs or last ran: so that a call which was
-- under way when it died is not taken for one that may have reached the customer.
CREATE TABLE test_modes (
  scope TEXT NOT NULL,   -- account, or route
  name  TEXT NOT NULL,
  PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;

-- Whether anything of an account or campaign still waits for a moment, or for another send to the same person.
CREATE INDEX sends_parked    ON sends (account, campaign) WHERE state IN (1, 3);
-- What waits for a person to decide.
CREATE INDEX sends_uncertain ON sends (account)           WHERE state = 12;

-- What people are notified of about an account besides its holds.
CREATE TABLE account_alerts (
  account     TEXT    NOT NULL,
  kind        TEXT    NOT NULL,             -- unreachable: for as long as it is; uncertain
  since       INTEGER NOT NULL,             -- wall clock, milliseconds since 1970, UTC
  pending     INTEGER NOT NULL DEFAULT 0,   -- uncertain: sends that became so since people were last notified
  notified_at INTEGER NOT NULL,             -- wall clock; 0: never
  PRIMARY KEY (account, kind)
) STRICT, WITHOUT ROWID;

-- Notifications: about a hold, or about an account.
CREATE TABLE notifications (
  id      INTEGER PRIMARY KEY,
  hold    INTEGER,                     -- empty: about an account
  account TEXT    NOT NULL DEFAULT '',
  since   INTEGER NOT NULL DEFAULT 0,  -- wall clock
  turn    TEXT    NOT NULL,            -- of a hold: began, lasts, ended, emptied; of an account: outage.began and so on, sends.uncertain
  count   INTEGER NOT NULL,            -- sends that wait, or waited
  recent  INTEGER NOT NULL DEFAULT 0,  -- of these, the ones since the last notification
  at      INTEGER NOT NULL,            -- wall clock
  told    TEXT    NOT NULL DEFAULT ''  -- the names of those who know, each with a space after it
) STRICT;
INSERT INTO notifications (id, hold, turn, count, at, told) SELECT id, hold, turn, count, at, told FROM notices;
DROP TABLE notices;
