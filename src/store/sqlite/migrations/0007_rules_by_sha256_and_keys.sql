-- Rules are known by another hash than before (0: not yet known by it). What was mapped by a rule as it was last known stays as it
-- is: the old hash stands beside, together with the first new one, which means the same.
ALTER TABLE rules ADD COLUMN legacy  INTEGER;
ALTER TABLE rules ADD COLUMN adopted INTEGER;
UPDATE rules SET legacy = version, version = 0;

-- Accounts that have had an API key: without one their sends would go to the sandbox. Nothing of the key is kept.
CREATE TABLE keyed_accounts (
  name TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO keyed_accounts SELECT DISTINCT account FROM sends WHERE account <> '' AND account NOT LIKE '% (sandbox)';
