-- What tells the keys of accounts, and the tokens of lookups, from those that come after them; nothing else of them.
CREATE TABLE key_fingerprints (
  kind        TEXT    NOT NULL,   -- account, lookups
  name        TEXT    NOT NULL,   -- of the account, as sends name it, or of the route
  fingerprint INTEGER NOT NULL,
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
