//! What stands behind calls that hang, and is no longer wanted when they end.

use std::time::Duration;

use serde_json::json;

use super::script::{Act, Fault, FaultKind, PEOPLE, Script};
use super::{START, Simulation};

/// Two notes that hang, a welcome that stands behind them, and its reader, who leaves meanwhile.
fn script() -> Script {
    let event = |at_ms: u64, route, kind: &str, phone: &str| {
        let body =
            json!({ "id": format!("e{at_ms}"), "type": kind, "phone": phone, "key": "k", "start": START.to_string() });
        (Duration::from_millis(at_ms), Act::Event { route, body: body.to_string() })
    };
    Script {
        concurrency: 2,
        acts: vec![
            event(1_000, "crm", "note", PEOPLE[0]),
            event(1_001, "crm", "note", PEOPLE[1]),
            event(2_000, "shop", "signup", PEOPLE[2]),
            event(4_000, "shop", "leave", PEOPLE[2]),
        ],
        faults: vec![Fault {
            from: Duration::ZERO,
            until: Duration::from_secs(8),
            account: "second",
            kind: FaultKind::Hangs,
        }],
    }
}

#[test]
fn who_leaves_while_calls_hang_is_not_sent_what_stood_behind_them() {
    let mut left = 0;
    for seed in 0..40 {
        let world = Simulation::of(seed, script());
        world.run();
        world.check_the_end();
        left += usize::from(world.rows("SELECT state FROM sends WHERE rule = 'welcome'") == [["14"]]);
    }
    assert!((5..40).contains(&left), "by chance the calls hang: {left}");
}
