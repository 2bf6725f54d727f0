//! The SQL of changed rules: which waiting sends they concern, and what these become.

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::holds;
use super::states::{CANCELLED, FAILED};
use super::turns::{self, Turn};
use crate::clock::Timestamp;
use crate::event::lookup::KeptEvent;
use crate::event::remap::{Remapped, RuleVersion, Waiting};
use crate::event::{Content, HoldChange, SendId, Terms, is_sandboxed};

/// The version of a rule that was last known by the hash of an earlier release.
const UNKNOWN: i64 = 0;

/// A rule that was changed since its sends were last mapped.
struct Changed<'a> {
    rule: &'a RuleVersion,
    /// The hash of an earlier release that means the same as the rule's version now.
    same: Option<i64>,
}

/// The waiting sends that their rule, as it was, made otherwise than it would now. What waits is walked through only if a
/// rule was changed.
pub fn stale(db: &Connection, rules: &[RuleVersion]) -> Result<Vec<SendId>> {
    let mut known = db.prepare_cached("SELECT version, legacy, adopted FROM rules WHERE route = ?1 AND rule = ?2")?;
    let mut changed = Vec::new();
    for rule in rules {
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let found: Option<(i64, Option<i64>, Option<i64>)> =
            known.query_row([&rule.route, &rule.rule], read).optional()?;
        if let Some((version, legacy, adopted)) = found
            && version != UNKNOWN
            && version != rule.version
        {
            changed.push(Changed { rule, same: legacy.filter(|_| adopted == Some(rule.version)) });
        }
    }
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let mut stale = Vec::new();
    for sql in [
        "SELECT id, route, rule, version FROM sends INDEXED BY sends_ready WHERE state = 0",
        "SELECT id, route, rule, version FROM sends INDEXED BY sends_delayed WHERE state = 1",
        "SELECT id, route, rule, version FROM sends INDEXED BY sends_behind WHERE state = 3",
    ] {
        let mut waiting = db.prepare_cached(sql)?;
        let mut rows = waiting.query([])?;
        while let Some(row) = rows.next()? {
            let (route, rule) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
            let version: i64 = row.get(3)?;
            let is_stale = |changed: &Changed<'_>| {
                let known = changed.rule;
                known.rule == rule && known.route == route && known.version != version && changed.same != Some(version)
            };
            if changed.iter().any(is_stale) {
                stale.push(SendId(row.get(0)?));
            }
        }
    }
    stale.sort_unstable();
    Ok(stale)
}

/// Sends with what they came of; those that are not there any more are left out.
pub fn origins(db: &Connection, ids: &[SendId]) -> Result<Vec<Waiting>> {
    let mut select = db.prepare_cached(
        "SELECT s.id, s.route, s.rule, s.item, s.destination, e.id, e.type, e.received_at, e.body, e.envelope
         FROM sends s JOIN events e ON e.seq = s.event WHERE s.id = ?1",
    )?;
    let read = |row: &Row<'_>| {
        Ok(Waiting {
            id: SendId(row.get(0)?),
            route: row.get(1)?,
            rule: row.get(2)?,
            item: row.get(3)?,
            destination: row.get(4)?,
            event: KeptEvent {
                id: row.get(5)?,
                kind: row.get(6)?,
                received_at: Timestamp(row.get(7)?),
                body: row.get(8)?,
                envelope: row.get(9)?,
            },
        })
    };
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(select.query_row([id.0], read).optional()?);
    }
    Ok(found)
}

/// Writes down what waiting sends have become.
pub fn remap(db: &Connection, remapped: &[Remapped], now: Timestamp) -> Result<()> {
    let mut lane =
        db.prepare_cached("SELECT account, campaign, terms FROM sends WHERE id = ?1 AND state IN (0, 1, 3)")?;
    let read = |row: &Row<'_>| {
        let terms: Option<String> = row.get(2)?;
        Ok((row.get(0)?, row.get(1)?, Terms::read(terms.as_deref())))
    };
    for Remapped { id, version, account: moved_to, content } in remapped {
        let old: Option<(String, String, Terms)> = lane.query_row([id.0], read).optional()?;
        // one that went meanwhile is no longer ours to change
        let Some((account, campaign, terms)) = old else { continue };
        match content {
            Some(Ok(content)) => {
                rewrite(db, *id, *version, &kept_away(content, terms))?;
                // what was made for the sandbox must not go to Serri, nor the other way round
                if let Some(moved_to) =
                    moved_to.as_ref().filter(|moved_to| is_sandboxed(moved_to) == is_sandboxed(&account))
                {
                    db.prepare_cached("UPDATE sends SET account = ?2 WHERE id = ?1")?
                        .execute(params![id.0, moved_to])?;
                }
                turns::note(db, id.0, now, "its rule was changed: it was mapped again from its event")?;
            }
            Some(Err(reason)) => turns::turn(db, id.0, now, Turn::end(FAILED, reason))?,
            None => {
                let reason = "the rule was changed, and does not apply to the event any more";
                turns::turn(db, id.0, now, Turn::end(CANCELLED, reason))?;
            }
        }
        db.prepare_cached("UPDATE holds SET probe_at = ?3 WHERE account = ?1 AND campaign = ?2 AND ended_at IS NULL AND probe_at > ?3")?
            .execute(params![account, campaign, now.0])?;
    }
    Ok(())
}

/// What was made in a dry run or on a detour must not reach the customer when that is over.
fn kept_away(content: &Content, terms: Terms) -> Content {
    let mut content = content.clone();
    content.wishes.terms.dry_run |= terms.dry_run;
    content.wishes.terms.redirect_to = terms.redirect_to.or(content.wishes.terms.redirect_to);
    content
}

/// Writes down what a send is to be now.
pub fn rewrite(db: &Connection, id: SendId, version: i64, content: &Content) -> Result<()> {
    let Content { campaign, destination, payload, wishes } = content;
    db.prepare_cached(
        "UPDATE sends SET campaign = ?2, destination = ?3, payload = ?4, version = ?5, priority = ?6, expires_at = ?7, key = ?8,
                          moment = ?9, once = ?10, within = ?11, marketing = ?12, terms = ?13
         WHERE id = ?1",
    )?
    .execute(params![
        id.0,
        campaign,
        destination,
        payload,
        version,
        wishes.priority as i64,
        wishes.expires_at.map(|at| at.0),
        wishes.key,
        wishes.moment.map(|at| at.0),
        wishes.once.as_ref().map(|once| once.key),
        wishes.once.as_ref().map(|once| turns::millis(once.within)),
        wishes.marketing.then_some(1),
        wishes.terms.written()
    ])
    .map(drop)
}

/// Writes down the rules as they are. Holds that nothing waits for any more end.
pub fn keep_versions(db: &Connection, rules: &[RuleVersion], now: Timestamp) -> Result<Vec<HoldChange>> {
    let mut keep = db.prepare_cached(
        "INSERT INTO rules (route, rule, version) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET version = ?3, adopted = CASE version WHEN 0 THEN ?3 ELSE adopted END",
    )?;
    for RuleVersion { route, rule, version } in rules {
        keep.execute(params![route, rule, version])?;
    }
    let mut changes = Vec::new();
    for hold in holds::active(db)? {
        holds::end_if_empty(db, &hold, now, &mut changes)?;
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::super::schema::{self, Problem};
    use super::*;

    fn rule(version: i64) -> Vec<RuleVersion> {
        vec![RuleVersion { route: "shop".into(), rule: "welcome".into(), version }]
    }

    /// A file of an earlier release: a rule known as -77, three sends that wait by it and one that it made otherwise.
    fn of_an_earlier_release() -> std::result::Result<Connection, Problem> {
        let mut db = Connection::open_in_memory()?;
        schema::migrate_to(&mut db, 4)?;
        db.execute_batch(
            "INSERT INTO rules VALUES ('shop', 'welcome', -77);
             INSERT INTO sends (event, rule, account, campaign, destination, payload, state, due_at, attempts, created_at, changed_at, route, version)
             VALUES (1, 'welcome', 'default', 'c', '+1', '{}', 0, 0, 0, 0, 0, 'shop', -77),
                    (1, 'welcome', 'default', 'c', '+2', '{}', 1, 9, 0, 0, 0, 'shop', -77),
                    (1, 'welcome', 'default', 'c', '+1', '{}', 3, 0, 0, 0, 0, 'shop', -77),
                    (1, 'welcome', 'other (sandbox)', 'c', '+3', '{}', 0, 0, 0, 0, 0, 'shop', 5);",
        )?;
        schema::migrate(&mut db)?;
        Ok(db)
    }

    #[test]
    fn nothing_is_mapped_again_only_because_rules_are_known_by_another_hash() {
        let db = of_an_earlier_release().expect("a file");
        let stale = |version| stale(&db, &rule(version)).expect("read").iter().map(|id| id.0).collect::<Vec<_>>();
        let keep = |version| keep_versions(&db, &rule(version), Timestamp(0)).expect("written");
        // the first start, and the next
        assert_eq!(stale(1234), Vec::<i64>::new());
        keep(1234);
        assert_eq!(stale(1234), Vec::<i64>::new());
        // the rule is changed: all are mapped again
        assert_eq!(stale(99), [1, 2, 3, 4]);
        keep(99);
        // and changed back before they were: those of the earlier release are as it would make them
        assert_eq!(stale(1234), [4]);
    }

    #[test]
    fn accounts_that_sent_for_real_before_are_known_to_have_had_a_key() {
        let db = of_an_earlier_release().expect("a file");
        assert_eq!(super::super::keys::had_keys(&db, &[]).expect("read"), ["default"]);
        assert_eq!(super::super::keys::had_keys(&db, &["new".into()]).expect("read"), ["default", "new"]);
        assert_eq!(super::super::keys::had_keys(&db, &[]).expect("read"), ["default", "new"]);
    }
}
