-- Tests of the sender's own are kept, and make no sends.
ALTER TABLE events ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
