//! Worlds of which each step is written down: calls that hang, and clocks that are set back.

use std::time::Duration;

use serde_json::json;

use super::script::{Act, Fault, FaultKind, PEOPLE, Script};
use super::{START, Simulation};
use crate::asked::{state, states_of, text};

fn event(at_ms: u64, route: &'static str, kind: &str, phone: &str) -> (Duration, Act) {
    let body =
        json!({ "id": format!("e{at_ms}"), "type": kind, "phone": phone, "key": "k", "start": START.to_string() });
    (Duration::from_millis(at_ms), Act::Event { route, body: body.to_string() })
}

fn fault(from_s: u64, until_s: u64, account: &'static str, kind: FaultKind) -> Fault {
    Fault { from: Duration::from_secs(from_s), until: Duration::from_secs(until_s), account, kind }
}

/// A world in which all that is written down has happened, and what must hold at its end held.
fn lived(seed: u64, script: Script) -> Simulation {
    let world = Simulation::of(seed, script);
    world.run();
    world.check_the_end();
    world
}

/// Each send with its rule, the oldest first: `note sent`.
fn rules_and_states(world: &Simulation) -> Vec<String> {
    world.sends().iter().map(|send| format!("{} {}", text(&send["rule"]), state(send))).collect()
}

/// Two notes that hang, a welcome that stands behind them, and its reader, who leaves meanwhile.
fn hanging() -> Script {
    Script {
        concurrency: 2,
        acts: vec![
            event(1_000, "crm", "note", PEOPLE[0]),
            event(1_001, "crm", "note", PEOPLE[1]),
            event(2_000, "shop", "signup", PEOPLE[2]),
            event(4_000, "shop", "leave", PEOPLE[2]),
        ],
        faults: vec![fault(0, 8, "second", FaultKind::Hangs)],
        troubles: Vec::new(),
    }
}

#[test]
fn who_leaves_while_calls_hang_is_not_sent_what_stood_behind_them() {
    let mut left = 0;
    for seed in 0..40 {
        let world = lived(seed, hanging());
        left += usize::from(rules_and_states(&world).contains(&"welcome suppressed".to_owned()));
    }
    assert!((5..40).contains(&left), "by chance the calls hang: {left}");
}

#[test]
fn a_hold_that_ended_before_the_clock_was_set_back_keeps_none_from_beginning() {
    let script = Script {
        concurrency: 1,
        acts: vec![
            event(1_000, "shop", "signup", PEOPLE[0]),
            (Duration::from_secs(600), Act::Back(Duration::from_secs(7_200))),
            event(700_000, "shop", "signup", PEOPLE[1]),
        ],
        faults: vec![fault(0, 60, "default", FaultKind::NoCredits), fault(650, 5_000, "default", FaultKind::NoCredits)],
        troubles: Vec::new(),
    };
    let world = lived(1, script);
    assert!((4..20).contains(&world.serri.calls()), "{} calls", world.serri.calls());
    assert_eq!(world.holds_begun(), 2);
}

#[test]
fn what_went_while_the_clock_was_ahead_keeps_nobody_from_getting_more() {
    let year = Duration::from_secs(365 * 86_400);
    let script = Script {
        concurrency: 1,
        acts: vec![
            (Duration::from_secs(1), Act::Ahead(year)),
            event(2_000, "shop", "signup", PEOPLE[0]),
            event(3_000, "shop", "cart", PEOPLE[1]),
            (Duration::from_secs(60), Act::Back(year)),
            // three days later, and the welcome is not sent again within two
            event(260_000_000, "shop", "signup", PEOPLE[0]),
        ],
        faults: Vec::new(),
        troubles: Vec::new(),
    };
    let world = lived(1, script);
    assert_eq!(rules_and_states(&world), ["welcome sent", "cart sent", "welcome sent"]);
}

#[test]
fn a_delay_is_counted_once_from_where_the_clock_was_set_back_to() {
    let back = Duration::from_secs(20_000);
    let script = Script {
        concurrency: 1,
        acts: vec![
            event(1_000, "shop", "cart", PEOPLE[0]),
            (Duration::from_secs(60), Act::Back(back)),
            (Duration::from_secs(120), Act::Kill),
            (Duration::from_secs(180), Act::Back(back)),
            (Duration::from_secs(240), Act::Kill),
        ],
        faults: Vec::new(),
        troubles: Vec::new(),
    };
    let world = lived(1, script);
    assert_eq!(rules_and_states(&world), ["cart sent"]);
}

#[test]
fn what_repeats_is_known_however_often_the_relay_starts_at_times_that_were_already() {
    let day = Duration::from_secs(86_400);
    let again = event(1_000, "crm", "note", PEOPLE[0]).1;
    let script = Script {
        concurrency: 1,
        acts: vec![
            (Duration::from_secs(1), again.clone()),
            (Duration::from_secs(60), Act::Back(8 * day)),
            (Duration::from_secs(120), Act::Kill),
            (Duration::from_secs(180), Act::Kill),
            (Duration::from_secs(240), again),
        ],
        faults: Vec::new(),
        troubles: Vec::new(),
    };
    let world = lived(1, script);
    assert_eq!(rules_and_states(&world), ["note sent"]);
}

#[test]
fn a_pause_longer_than_the_timeout_repeats_nothing_that_was_answered() {
    for seed in 0..40 {
        let notes = (0..5).map(|person| event(1_000 + person, "crm", "note", PEOPLE[usize::try_from(person).unwrap()]));
        let pause = (Duration::from_millis(1_100 + seed * 30), Act::Pause(Duration::from_secs(60 + seed)));
        let acts = notes.chain([pause]).collect();
        let world = lived(seed, Script { concurrency: 2, acts, faults: Vec::new(), troubles: Vec::new() });
        assert_eq!(world.serri.taken().len(), 5, "seed {seed}: each once");
        assert_eq!(states_of(&world.sends()), ["sent"; 5]);
    }
}

#[test]
fn a_delay_lasts_as_long_as_it_says_while_the_clock_is_set_back_and_right_again() {
    let (day, half_an_hour) = (Duration::from_secs(86_400), Duration::from_secs(1_800));
    let orders = [
        // before it was set back, and while it was
        [(1_000, "cart"), (0, ""), (60_000, "back"), (63_000, "ahead")],
        [(60_000, "back"), (0, ""), (61_000, "cart"), (63_000, "ahead")],
    ];
    for order in orders {
        let acts = order.iter().filter(|(at, _)| *at > 0).map(|(at, what)| match *what {
            "back" => (Duration::from_millis(*at), Act::Back(day * 2)),
            "ahead" => (Duration::from_millis(*at), Act::Ahead(day * 2)),
            cart => event(*at, "shop", cart, PEOPLE[0]),
        });
        // something that makes the relay look at its clock in between, as it does every few seconds
        let note = event(61_500, "crm", "note", PEOPLE[1]);
        let mut acts: Vec<(Duration, Act)> = acts.chain([note, event(64_000, "crm", "note", PEOPLE[1])]).collect();
        acts.sort_by_key(|(at, _)| *at);
        let world = lived(1, Script { concurrency: 1, acts, faults: Vec::new(), troubles: Vec::new() });
        let taken = world.serri.taken();
        let cart = taken.iter().find(|taken| taken.campaign == "cart").expect("it goes");
        let came = Duration::from_millis(if order[0].1 == "cart" { 1_000 } else { 61_000 });
        let waited = cart.at.since(START.after(came));
        assert!(waited >= half_an_hour && waited < half_an_hour * 2, "{waited:?}");
    }
}

#[test]
fn what_waits_goes_as_the_newest_rules_say_and_as_it_was_where_its_rule_is_gone() {
    // a note that is on hold, and a welcome
    let names = |configurations: &[usize]| {
        let reloads = configurations.iter().zip(10..);
        let reloads = reloads.map(|(configuration, at_s)| (Duration::from_secs(at_s), Act::Reload(*configuration)));
        let acts = [event(1_000, "crm", "note", PEOPLE[0]), event(2_000, "shop", "signup", PEOPLE[1])];
        let faults = ["default", "second"].map(|account| fault(0, 60, account, FaultKind::NoCredits)).into();
        let world = lived(
            1,
            Script { concurrency: 1, acts: acts.into_iter().chain(reloads).collect(), faults, troubles: Vec::new() },
        );
        let mut taken = world.serri.taken();
        taken.sort_by(|one, other| one.campaign.cmp(&other.campaign));
        taken.iter().map(|taken| format!("{} {}", taken.campaign, taken.name)).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["note there", "welcome there"]);
    assert_eq!(names(&[1]), ["note friend", "welcome friend"]);
    assert_eq!(names(&[1, 2]), ["note friend", "welcome guest"]);
    assert_eq!(names(&[2, 0, 1]), ["note friend", "welcome friend"]);
}
