-- How many tries ended so that nobody knows whether the send went.
ALTER TABLE sends ADD COLUMN uncertain INTEGER NOT NULL DEFAULT 0;
UPDATE sends SET uncertain = (SELECT count(*) FROM attempts WHERE send = sends.id AND outcome = 'uncertain')
 WHERE state IN (0, 1, 2, 3) AND attempts > 0;

-- The text of the refusals that a hold began with, where nobody knows what it means.
ALTER TABLE holds ADD COLUMN refusal TEXT;

-- Sends that were refused in words that are not known, since their campaign last took one.
CREATE TABLE refusals (
  send     INTEGER PRIMARY KEY,
  account  TEXT    NOT NULL,
  campaign TEXT    NOT NULL,
  text     TEXT    NOT NULL,   -- what was answered, without numbers, ids and names
  state    INTEGER NOT NULL    -- 0 failed, and counted; 1 waits with a hold; 2 went on when the hold ended
) STRICT;
CREATE INDEX refusals_counted ON refusals (account, campaign, send) WHERE state = 0;
