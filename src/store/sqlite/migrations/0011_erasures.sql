-- Numbers of people who were erased, and must not be messaged: HMAC-SHA-256 of the number in E.164 with the key below.
CREATE TABLE hashed_suppressions (
  hash      BLOB    NOT NULL,
  account   TEXT    NOT NULL,   -- *: all of them
  at        INTEGER NOT NULL,   -- when the number was suppressed; wall clock, milliseconds
  erased_at INTEGER NOT NULL,   -- when the person was erased; wall clock, milliseconds
  PRIMARY KEY (hash, account)
) STRICT, WITHOUT ROWID;
CREATE TABLE erasure_key (
  one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  key BLOB    NOT NULL
) STRICT;

-- That people were erased, and what went; not who.
CREATE TABLE erasures (
  id             INTEGER PRIMARY KEY,
  at             INTEGER NOT NULL,   -- wall clock, milliseconds
  events         INTEGER NOT NULL,
  blanked        INTEGER NOT NULL,   -- of the events: the row stays without content, since messages to others came of it
  sends          INTEGER NOT NULL,
  under_way      INTEGER NOT NULL,   -- of the sends: the call was under way
  attempts       INTEGER NOT NULL,   -- at sends and at lookups
  lookups        INTEGER NOT NULL,
  suppressions   INTEGER NOT NULL,   -- kept as hashes
  others_waiting INTEGER NOT NULL    -- messages to others that named the number and were still to go
) STRICT;

