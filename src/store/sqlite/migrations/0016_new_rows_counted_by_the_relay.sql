-- New rows are counted by whoever adds them, once for all of a transaction (uncounted.rs): five triggers cost as much as the
-- rows themselves. So are sends that are sent as they should be.
DROP TRIGGER events_are_counted;
DROP TRIGGER undecodable_events_are_counted;
DROP TRIGGER new_sends_are_counted;
DROP TRIGGER sends_that_begin_at_their_end_are_counted;
DROP TRIGGER moved_sends_are_counted;
DROP TRIGGER ends_of_sends_are_counted;
DROP TRIGGER removed_sends_are_counted;

-- A count may be below zero until the transaction ends: what is new in it is added last.
CREATE TRIGGER moved_sends_are_counted AFTER UPDATE OF state, account, campaign ON sends
WHEN (old.state <> new.state OR old.campaign <> new.campaign OR old.account <> new.account) AND NOT (old.state = 2 AND new.state = 10) BEGIN
  INSERT INTO send_counts VALUES (old.account, old.campaign, old.state, -1) ON CONFLICT DO UPDATE SET count = count - 1;
  INSERT INTO send_counts VALUES (new.account, new.campaign, new.state, 1) ON CONFLICT DO UPDATE SET count = count + 1;
  INSERT INTO hourly_counts SELECT new.changed_at / 3600000, new.route, new.rule, new.account, new.campaign, new.state, 1
    WHERE new.state >= 10 AND old.state <> new.state ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER removed_sends_are_counted AFTER DELETE ON sends BEGIN
  INSERT INTO send_counts VALUES (old.account, old.campaign, old.state, -1) ON CONFLICT DO UPDATE SET count = count - 1;
END;
