//! The SQL of changed rules: which waiting sends they concern, and what these become.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::holds;
use super::origin::kept_event;
use super::states::{SendState, sql};
use super::transitions::{self, Transition};
use crate::clock::Timestamp;
use crate::clock::millis;
use crate::event::remap::{MadeSend, Origin, Remapped, RuleVersion};
use crate::event::{Content, HoldChange, NewSend, SendGuards, SendId, is_sandboxed};

/// The version of a rule that was last known by the hash of an earlier release.
const UNKNOWN: i64 = 0;

/// The version of a rule that is being changed: no send was made by it.
const CHANGING: i64 = -1;

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
        sql!("SELECT id, route, rule, version FROM sends INDEXED BY sends_ready WHERE state = " ready),
        sql!("SELECT id, route, rule, version FROM sends INDEXED BY sends_delayed WHERE state = " delayed),
        sql!("SELECT id, route, rule, version FROM sends INDEXED BY sends_behind WHERE state = " blocked),
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

/// The events that sends came of, with all that was made of them. Sends that are not there any more are left out, and those
/// whose event was erased: they go as their rule made them.
pub fn origins(db: &Connection, ids: &[SendId]) -> Result<Vec<Origin>> {
    let mut of_send = db.prepare_cached("SELECT event FROM sends WHERE id = ?1")?;
    let mut events: BTreeSet<i64> = BTreeSet::new();
    for id in ids {
        events.extend(of_send.query_row([id.0], |row| row.get::<_, i64>(0)).optional()?);
    }
    let mut event = db.prepare_cached(
        "SELECT route, id, type, received_at, body, envelope FROM events WHERE seq = ?1 AND erased_at IS NULL",
    )?;
    let mut made = db.prepare_cached("SELECT id, rule, item, destination FROM sends WHERE event = ?1 ORDER BY id")?;
    let stale: BTreeSet<SendId> = ids.iter().copied().collect();
    let of_event = |row: &Row<'_>| {
        let id = SendId(row.get("id")?);
        let stale = stale.contains(&id);
        Ok(MadeSend { id, rule: row.get("rule")?, item: row.get("item")?, destination: row.get("destination")?, stale })
    };
    let mut found = Vec::with_capacity(events.len());
    for seq in events {
        let read = |row: &Row<'_>| {
            let event = kept_event(row)?;
            Ok((row.get("route")?, event))
        };
        if let Some((route, event)) = event.query_row([seq], read).optional()? {
            let sends = made.query_map([seq], of_event)?.collect::<Result<_>>()?;
            found.push(Origin { route, event, sends });
        }
    }
    Ok(found)
}

/// Writes down what waiting sends have become.
pub fn remap(db: &Connection, remapped: &[Remapped], now: Timestamp) -> Result<()> {
    for Remapped { id, new } in remapped {
        // one that went meanwhile is no longer ours to change
        let Some(old) = waiting(db, *id)? else { continue };
        match new.as_ref().map(|new| (new, &new.content)) {
            Some((new, Ok(content))) => {
                rewrite(db, *id, new, &kept_away(content, &old.guards))?;
                // what was made for the sandbox must not go to Serri, nor the other way round
                if is_sandboxed(&new.account) == is_sandboxed(&old.account) {
                    db.prepare_cached("UPDATE sends SET account = ?2 WHERE id = ?1")?
                        .execute(params![id.0, new.account])?;
                }
                transitions::note(db, id.0, now, "its rule was changed: it was mapped again from its event")?;
            }
            Some((_, Err(unmapped))) => {
                transitions::record(db, id.0, now, Transition::end(SendState::Failed, &unmapped.to_string()))?;
            }
            None => {
                let reason = "the rule was changed, and does not apply to the event any more";
                transitions::record(db, id.0, now, Transition::end(SendState::Cancelled, reason))?;
            }
        }
        probe_soon(db, &old, now)?;
    }
    Ok(())
}

/// A send fails because what its rule makes of it cannot be written.
pub fn fail(db: &Connection, id: SendId, reason: &str, now: Timestamp) -> Result<()> {
    let Some(old) = waiting(db, id)? else { return Ok(()) };
    transitions::record(db, id.0, now, Transition::end(SendState::Failed, reason))?;
    probe_soon(db, &old, now)
}

/// Where a send waits.
struct Waiting {
    account: String,
    campaign: String,
    guards: SendGuards,
}

fn waiting(db: &Connection, id: SendId) -> Result<Option<Waiting>> {
    let mut select =
        db.prepare_cached(sql!("SELECT account, campaign, guards FROM sends WHERE id = ?1 AND state IN (" unsent ")"))?;
    let read = |row: &Row<'_>| {
        let guards: Option<String> = row.get("guards")?;
        Ok(Waiting {
            account: row.get("account")?,
            campaign: row.get("campaign")?,
            guards: SendGuards::read(guards.as_deref()),
        })
    };
    select.query_row([id.0], read).optional()
}

/// The hold that kept a send back looks at once whether its cause is gone.
fn probe_soon(db: &Connection, Waiting { account, campaign, .. }: &Waiting, now: Timestamp) -> Result<()> {
    let mut earlier = db.prepare_cached(
        "UPDATE holds SET probe_at = ?3 WHERE account = ?1 AND campaign = ?2 AND ended_at IS NULL AND probe_at > ?3",
    )?;
    earlier.execute(params![account, campaign, now.0]).map(drop)
}

/// What was made in a dry run or redirected to a tester must not reach the customer when that is over.
fn kept_away(content: &Content, guards: &SendGuards) -> Content {
    let mut content = content.clone();
    content.options.guards.dry_run |= guards.dry_run;
    let own = content.options.guards.redirect_to.take();
    content.options.guards.redirect_to = guards.redirect_to.clone().or(own);
    content
}

/// Writes down what a send is to be now.
pub fn rewrite(db: &Connection, id: SendId, new: &NewSend, content: &Content) -> Result<()> {
    let Content { campaign, destination, payload, options } = content;
    db.prepare_cached(
        "UPDATE sends SET campaign = ?2, destination = ?3, payload = ?4, version = ?5, priority = ?6, expires_at = ?7, key = ?8,
                          about_at = ?9, once = ?10, once_window_ms = ?11, marketing = ?12, guards = ?13, item = ?14
         WHERE id = ?1",
    )?
    .execute(params![
        id.0,
        campaign,
        destination,
        payload,
        new.version,
        options.priority as i64,
        options.expires_at.map(|at| at.0),
        options.key,
        options.about_at.map(|at| at.0),
        options.once.as_ref().map(|once| once.key),
        options.once.as_ref().map(|once| millis(once.within)),
        options.marketing.then_some(1),
        options.guards.written(),
        new.item
    ])
    .map(drop)
}

/// Rules are changing, while there may be sends on their way that none of them made as it is now: until they are written down
/// as they are, all that waits of them is looked at.
pub fn change_versions(db: &Connection, rules: &[RuleVersion]) -> Result<()> {
    let mut change = db.prepare_cached(
        "INSERT INTO rules (route, rule, version) VALUES (?1, ?2, ?4)
         ON CONFLICT DO UPDATE SET version = ?4 WHERE version NOT IN (?3, ?5)",
    )?;
    for RuleVersion { route, rule, version } in rules {
        change.execute(params![route, rule, version, CHANGING, UNKNOWN])?;
    }
    Ok(())
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
