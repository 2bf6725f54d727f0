-- What came in, in order of arrival.
CREATE TABLE events (
  seq         INTEGER PRIMARY KEY,
  route       TEXT    NOT NULL,
  source      TEXT    NOT NULL,
  id          TEXT    NOT NULL,   -- the sender's id, or sha256:... of the body
  type        TEXT    NOT NULL,
  received_at INTEGER NOT NULL,   -- all times: milliseconds since 1970, UTC
  envelope    TEXT    NOT NULL,   -- JSON: headers and query, without secrets
  body        BLOB    NOT NULL,   -- the event as JSON; the raw body where it could not be decoded
  fault       TEXT                -- why it could not be decoded
) STRICT;

-- Which events were seen, for as long as a repetition counts as the same event.
CREATE TABLE seen (
  fingerprint BLOB    NOT NULL PRIMARY KEY,   -- 16 bytes of SHA-256 over route and id
  expires_at  INTEGER NOT NULL,
  event       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One campaign send to one person, and what has become of it.
-- state: 0 ready, 1 waiting for due_at, 2 sending (due_at: end of the lease), 3 behind another send to the same person,
--        10 sent, 11 failed, 12 uncertain
CREATE TABLE sends (
  id          INTEGER PRIMARY KEY,
  event       INTEGER NOT NULL,
  rule        TEXT    NOT NULL,
  account     TEXT    NOT NULL,
  campaign    TEXT    NOT NULL,
  destination TEXT    NOT NULL,   -- E.164
  payload     TEXT    NOT NULL,   -- the body of the API call without the key
  state       INTEGER NOT NULL,
  due_at      INTEGER NOT NULL,
  attempts    INTEGER NOT NULL,
  created_at  INTEGER NOT NULL,
  changed_at  INTEGER NOT NULL,
  reason      TEXT,
  message_id  TEXT                -- Serri's submitted_message_id
) STRICT;

-- Partial indexes: the cost of claiming grows with what is claimed, not with what waits or what is history.
CREATE INDEX sends_ready   ON sends (account, id)     WHERE state = 0;
CREATE INDEX sends_waiting ON sends (due_at)          WHERE state = 1;
CREATE INDEX sends_sending ON sends (destination)     WHERE state = 2;
CREATE INDEX sends_behind  ON sends (destination, id) WHERE state = 3;

-- Each HTTP call made for a send.
CREATE TABLE attempts (
  send    INTEGER NOT NULL,
  number  INTEGER NOT NULL,   -- from 1
  at      INTEGER NOT NULL,
  took_ms INTEGER NOT NULL,
  status  INTEGER,
  outcome TEXT    NOT NULL,
  reason  TEXT    NOT NULL,
  answer  TEXT    NOT NULL,   -- the first 2 KiB
  PRIMARY KEY (send, number)
) STRICT, WITHOUT ROWID;
