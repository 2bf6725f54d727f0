//! What happened in a transaction and is not counted yet. The same happens many times in one, and is written once.

use rusqlite::{Connection, Result, params};

use super::counts::{RECEIVED, REPEATED, UNDECODABLE, hour_of};
use super::states::SendState;
use crate::clock::Timestamp;

/// Additions to the counts. Whoever makes them writes them in the same transaction, before anybody reads the counts.
#[derive(Default)]
pub struct Uncounted {
    standing: Vec<Standing>,
    hourly: Vec<Hourly>,
}

/// What a send is counted by.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    pub route: &'a str,
    pub rule: &'a str,
    pub account: &'a str,
    pub campaign: &'a str,
}

/// How many more sends stand somewhere.
struct Standing {
    account: String,
    campaign: String,
    state: SendState,
    count: i64,
}

/// How often something happened in an hour.
struct Hourly {
    hour: i64,
    route: String,
    rule: String,
    account: String,
    campaign: String,
    outcome: i64,
    count: i64,
}

impl Uncounted {
    /// An event was taken in.
    pub fn received(&mut self, route: &str, at: Timestamp, fault: Option<&str>) {
        self.happened(at, of_event(route), RECEIVED);
        if fault.is_some() {
            self.happened(at, of_event(route), UNDECODABLE);
        }
    }

    /// An event came that was taken in before.
    pub fn repeated(&mut self, route: &str, at: Timestamp) {
        self.happened(at, of_event(route), REPEATED);
    }

    /// A send was made.
    pub fn begun(&mut self, send: Labels<'_>, state: SendState, at: Timestamp) {
        self.stands(send, state, 1);
        if state.is_over() {
            self.happened(at, send, state as i64);
        }
    }

    /// A send that was being sent is sent: of all changes, the only one that no trigger counts.
    pub fn sent(&mut self, send: Labels<'_>, at: Timestamp) {
        self.stands(send, SendState::Sending, -1);
        self.stands(send, SendState::Sent, 1);
        self.happened(at, send, SendState::Sent as i64);
    }

    fn stands(&mut self, send: Labels<'_>, state: SendState, count: i64) {
        let Labels { account, campaign, .. } = send;
        let mut known = self.standing.iter_mut();
        match known.find(|it| it.state == state && it.campaign == campaign && it.account == account) {
            Some(it) => it.count += count,
            None => self.standing.push(Standing { account: account.into(), campaign: campaign.into(), state, count }),
        }
    }

    fn happened(&mut self, at: Timestamp, of: Labels<'_>, outcome: i64) {
        let Labels { route, rule, account, campaign } = of;
        let hour = hour_of(at);
        let is_same = |it: &&mut Hourly| {
            (it.hour, it.outcome) == (hour, outcome)
                && (it.route.as_str(), it.rule.as_str()) == (route, rule)
                && (it.account.as_str(), it.campaign.as_str()) == (account, campaign)
        };
        match self.hourly.iter_mut().find(is_same) {
            Some(it) => it.count += 1,
            None => self.hourly.push(Hourly {
                hour,
                route: route.into(),
                rule: rule.into(),
                account: account.into(),
                campaign: campaign.into(),
                outcome,
                count: 1,
            }),
        }
    }

    /// Writes all of it.
    pub fn write(&mut self, db: &Connection) -> Result<()> {
        for Standing { account, campaign, state, count } in self.standing.drain(..).filter(|it| it.count != 0) {
            db.prepare_cached(
                "INSERT INTO send_counts VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET count = count + ?4",
            )?
            .execute(params![account, campaign, state, count])?;
        }
        for Hourly { hour, route, rule, account, campaign, outcome, count } in self.hourly.drain(..) {
            db.prepare_cached(
                "INSERT INTO hourly_counts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET count = count + ?7",
            )?
            .execute(params![hour, route, rule, account, campaign, outcome, count])?;
        }
        Ok(())
    }
}

/// What an event is counted by.
fn of_event(route: &str) -> Labels<'_> {
    Labels { route, rule: "", account: "", campaign: "" }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    const SEND: Labels<'_> = Labels { route: "shop", rule: "r", account: "default", campaign: "c" };

    fn counts(db: &Connection, sql: &str) -> Vec<String> {
        let mut select = db.prepare(sql).expect("a statement");
        select.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_>>().expect("read")
    }

    fn standing(db: &Connection) -> Vec<String> {
        counts(db, "SELECT state || ' ' || count FROM send_counts WHERE count <> 0 ORDER BY state")
    }

    fn hourly(db: &Connection) -> Vec<String> {
        counts(db, "SELECT hour || ' ' || outcome || ' ' || count FROM hourly_counts ORDER BY hour, outcome")
    }

    fn add(db: &Connection, id: i64, state: SendState) {
        let row = "INSERT INTO sends (id, event, route, rule, account, campaign, destination, payload, state, due_at, attempts, created_at, changed_at)
                   VALUES (?1, 1, 'shop', 'r', 'default', 'c', '+1', '{}', ?2, 0, 0, 1, 1)";
        db.execute(row, params![id, state]).expect("a row");
    }

    fn come_to(db: &Connection, id: i64, state: SendState) {
        db.execute("UPDATE sends SET state = ?2, changed_at = 3600000 WHERE id = ?1", params![id, state])
            .expect("changed");
    }

    #[test]
    fn what_happens_to_a_send_before_it_is_counted_counts_as_well() {
        let mut db = Connection::open_in_memory().expect("a store");
        schema::migrate(&mut db).expect("a schema");
        let mut uncounted = Uncounted::default();
        for (id, state) in [(1, SendState::Ready), (2, SendState::Sending), (3, SendState::Failed)] {
            add(&db, id, state);
            uncounted.begun(SEND, state, Timestamp(1));
        }
        // a trigger counts this, the relay that
        come_to(&db, 1, SendState::Cancelled);
        come_to(&db, 2, SendState::Sent);
        uncounted.sent(SEND, Timestamp(3_600_000));
        uncounted.received("shop", Timestamp(1), None);
        uncounted.received("shop", Timestamp(1), Some("broken"));
        uncounted.repeated("shop", Timestamp(1));
        uncounted.write(&db).expect("written");
        assert_eq!(standing(&db), ["10 1", "11 1", "15 1"]);
        assert_eq!(hourly(&db), ["0 11 1", "0 100 2", "0 101 1", "0 102 1", "1 10 1", "1 15 1"]);
        uncounted.write(&db).expect("nothing");
        assert_eq!(standing(&db), ["10 1", "11 1", "15 1"]);
        db.execute("DELETE FROM sends", []).expect("removed");
        assert_eq!(standing(&db), Vec::<String>::new());
    }

    #[test]
    fn a_file_whose_triggers_counted_everything_is_counted_on() {
        let mut db = Connection::open_in_memory().expect("a store");
        schema::migrate_to(&mut db, 14).expect("an earlier schema");
        add(&db, 1, SendState::Sending);
        add(&db, 2, SendState::Sending);
        add(&db, 3, SendState::Sent);
        schema::migrate(&mut db).expect("a schema");
        assert_eq!(standing(&db), ["2 2", "10 1"]);
        come_to(&db, 1, SendState::Sent);
        let mut uncounted = Uncounted::default();
        uncounted.sent(SEND, Timestamp(3_600_000));
        uncounted.write(&db).expect("written");
        come_to(&db, 2, SendState::Uncertain);
        // a replay of what was sent
        come_to(&db, 3, SendState::Ready);
        assert_eq!(standing(&db), ["0 1", "10 1", "12 1"]);
        assert_eq!(hourly(&db), ["0 10 1", "1 10 1", "1 12 1"]);
    }
}
