-- How many sends there are, by where they stand. The triggers below keep it; nobody else writes it.
CREATE TABLE send_counts (
  account  TEXT    NOT NULL,
  campaign TEXT    NOT NULL,   -- empty: the rule failed before it named one
  state    INTEGER NOT NULL,   -- as in sends
  count    INTEGER NOT NULL,
  PRIMARY KEY (account, campaign, state)
) STRICT, WITHOUT ROWID;

-- Whether anything of a campaign waits is answered by the counts.
DROP INDEX sends_parked;

-- What happened in each hour. It outlives the rows it was counted from. Kept by the triggers below, except for events that
-- are repeated, which leave no row.
CREATE TABLE hourly_counts (
  hour     INTEGER NOT NULL,   -- hours since 1970, UTC
  route    TEXT    NOT NULL,
  rule     TEXT    NOT NULL,   -- empty: of events
  account  TEXT    NOT NULL,   -- empty: of events
  campaign TEXT    NOT NULL,   -- empty: of events, and of sends whose rule failed
  outcome  INTEGER NOT NULL,   -- of a send: the state it came to, from 10, as in sends; of an event: 100 received, 101 repeated,
                               -- 102 undecodable (received as well)
  count    INTEGER NOT NULL,
  PRIMARY KEY (hour, route, rule, account, campaign, outcome)
) STRICT, WITHOUT ROWID;

INSERT INTO send_counts SELECT account, campaign, state, count(*) FROM sends GROUP BY account, campaign, state;
INSERT INTO hourly_counts
  SELECT changed_at / 3600000, route, rule, account, campaign, state, count(*) FROM sends WHERE state >= 10
  GROUP BY changed_at / 3600000, route, rule, account, campaign, state;
INSERT INTO hourly_counts SELECT received_at / 3600000, route, '', '', '', 100, count(*) FROM events GROUP BY received_at / 3600000, route;
INSERT INTO hourly_counts
  SELECT received_at / 3600000, route, '', '', '', 102, count(*) FROM events WHERE fault IS NOT NULL GROUP BY received_at / 3600000, route;

CREATE TRIGGER events_are_counted AFTER INSERT ON events BEGIN
  INSERT INTO hourly_counts VALUES (new.received_at / 3600000, new.route, '', '', '', 100, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER undecodable_events_are_counted AFTER INSERT ON events WHEN new.fault IS NOT NULL BEGIN
  INSERT INTO hourly_counts VALUES (new.received_at / 3600000, new.route, '', '', '', 102, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER new_sends_are_counted AFTER INSERT ON sends BEGIN
  INSERT INTO send_counts VALUES (new.account, new.campaign, new.state, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER sends_that_begin_at_their_end_are_counted AFTER INSERT ON sends WHEN new.state >= 10 BEGIN
  INSERT INTO hourly_counts VALUES (new.changed_at / 3600000, new.route, new.rule, new.account, new.campaign, new.state, 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER moved_sends_are_counted AFTER UPDATE OF state, account, campaign ON sends
WHEN old.state <> new.state OR old.campaign <> new.campaign OR old.account <> new.account BEGIN
  UPDATE send_counts SET count = count - 1 WHERE account = old.account AND campaign = old.campaign AND state = old.state;
  INSERT INTO send_counts VALUES (new.account, new.campaign, new.state, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER ends_of_sends_are_counted AFTER UPDATE OF state ON sends WHEN new.state >= 10 AND old.state <> new.state BEGIN
  INSERT INTO hourly_counts VALUES (new.changed_at / 3600000, new.route, new.rule, new.account, new.campaign, new.state, 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER removed_sends_are_counted AFTER DELETE ON sends BEGIN
  UPDATE send_counts SET count = count - 1 WHERE account = old.account AND campaign = old.campaign AND state = old.state;
END;
