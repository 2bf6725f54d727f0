-- Who was put on the list of numbers that must not be messaged or taken off it, when and why.
CREATE TABLE suppression_changes (
  number  TEXT    NOT NULL,   -- E.164
  account TEXT    NOT NULL,   -- *: all of them
  added   INTEGER NOT NULL,   -- 0: taken off
  reason  TEXT    NOT NULL,
  at      INTEGER NOT NULL,
  event   INTEGER             -- whose rule asked for it; empty: a person did
) STRICT;
CREATE INDEX suppression_changes_of_number ON suppression_changes (number);
CREATE INDEX suppression_changes_of_event  ON suppression_changes (event) WHERE event IS NOT NULL;

INSERT INTO suppression_changes SELECT number, account, 1, reason, at, NULL FROM suppressions;

-- The turns of holds of which people are told; kept for some hours, so that a restart loses none.
CREATE TABLE notices (
  id    INTEGER PRIMARY KEY,
  hold  INTEGER NOT NULL,
  turn  TEXT    NOT NULL,              -- began, lasts, ended
  count INTEGER NOT NULL,              -- sends that wait, or waited
  at    INTEGER NOT NULL,
  told  TEXT    NOT NULL DEFAULT ''    -- the names of those who know, each with a space after it
) STRICT;
