//! That nothing is left of whoever was erased in the pages of the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use serri_relay::clock::Timestamp;
use serri_relay::event::act::Action;
use serri_relay::event::{BY_HAND, NextStep, Suppression};
use serri_relay::store::{Report, Upkeep};

use crate::forget::erase;
use crate::store::{claim, event, sent, settlement, store};
use crate::world::assert_unseen;

/// What a page holds that was moved, split or written anew often keeps copies of what stood there before.
#[tokio::test]
async fn among_thousands_of_others_no_copy_is_left_in_any_page() {
    let (dir, store) = store();
    let number = |n: u32| format!("+9198{:08}", 10_000_000 + n * 7_919 % 90_000_000);
    let (mut names, mut events) = (BTreeMap::new(), Vec::new());
    for n in 0..3_000_u32 {
        let mut one = event(0, 0, &[&number(n)]);
        one.id = format!("e{n}");
        one.fingerprint[..4].copy_from_slice(&n.to_le_bytes());
        let long = "x".repeat(usize::try_from(n % 61 * 45 + n / 1_000 % 2 * n % 7 * 800).unwrap());
        one.body = format!(r#"{{"phone":"{}","name":"Person{n}.","note":"{long}"}}"#, number(n)).into();
        names.insert(number(n), format!("Person{n}."));
        events.push(one);
        if events.len() == 50 {
            store.append(std::mem::take(&mut events)).await.unwrap();
        }
    }
    loop {
        let sends = claim(&store, 2, 300).await;
        let settlements: Vec<_> = sends
            .iter()
            .map(|send| {
                let due = Timestamp(1);
                let reason = format!("try again {}", send.destination);
                let fate = if send.attempts < 2 { NextStep::Retry { due, reason, since: None } } else { sent() };
                settlement(send, fate)
            })
            .collect();
        if settlements.is_empty() {
            break;
        }
        store.settle(Arc::new(Report { settlements, ..Report::default() }), Timestamp(0)).await.unwrap();
    }
    let suppress = |number: &String| Suppression {
        account: "*".into(),
        number: number.clone(),
        add: true,
        rule: None,
        reason: BY_HAND.into(),
        since: None,
    };
    let all: Vec<&String> = names.keys().rev().collect();
    // by number, with others to come between them: pages are split
    for part in [0, 1, 2].map(|third| all.iter().skip(third).step_by(3)) {
        let changes = part.map(|number| suppress(number)).collect();
        store.act(Action::Suppress(changes), Timestamp(0)).await.unwrap();
    }
    let gone: Vec<String> = [0, 777, 1_500, 2_999].map(number).to_vec();
    for number in &gone {
        erase(&store, number, usize::MAX).await;
    }
    assert!(store.upkeep(Upkeep::Rewrite).await.unwrap());
    assert!(store.upkeep(Upkeep::EmptyLog).await.unwrap());
    for number in &gone {
        let national = number.strip_prefix("+91").unwrap();
        assert_unseen(dir.path(), &[national, &names[number]]);
    }
    // and it works on
    store.append(vec![event(250, 0, &["+919812345671"])]).await.unwrap();
    assert_eq!(claim(&store, 3, 1).await.len(), 1);
}
