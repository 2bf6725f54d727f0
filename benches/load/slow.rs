//! What a slow far side costs those who send webhooks: nothing. The same relay with a far side that answers at once and with
//! one that takes 0.5 to 1.5 s, interleaved; the backlog grows from the first second on.

use std::process::Command;

use super::run::{Load, Plan, RELAY, Round, SINK, home, machine, measure, median, start, start_relay};

/// How long the slow far side takes, in milliseconds.
const SLOW: [&str; 2] = ["500", "1500"];

/// `slow RELAY_BINARY [SECONDS [ROUNDS [CONNECTIONS...]]]`
pub fn run(relay: &str, rest: &[&str]) {
    let Plan { seconds, rounds, connections } = Plan::of(rest, &[32, 256]);
    let dir = home();
    println!("{}\n{seconds} s a round, {rounds} rounds, medians; wrk, sink and relay share the machine\n", machine());
    println!("| connections | far side | accepted/s | of instant | delivered/s | delivered/accepted |");
    println!("|---|---|---|---|---|---|");
    let me = std::env::current_exe().expect("myself");
    for count in connections {
        let load = Load { script: &dir.join("load.lua"), connections: count, seconds };
        let (mut instant, mut slow) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            for (name, latency, results) in [("instant", &[][..], &mut instant), ("slow", &SLOW[..], &mut slow)] {
                let sink = start(Command::new(&me).args(["sink", SINK]).args(latency), SINK);
                let peer = start_relay(relay, &dir.join(format!("{name}-{count}-{round}")));
                results.push(measure(&peer, RELAY, load, round));
                drop(peer);
                drop(sink);
            }
        }
        let reference = median(&instant, |round| round.accepted);
        print_row(count, "answers at once", &instant, reference);
        print_row(count, "0.5 to 1.5 s", &slow, reference);
    }
    let _ = std::fs::remove_dir_all(&dir);
}

fn print_row(count: u64, name: &str, rounds: &[Round], reference: f64) {
    let (accepted, delivered) = (median(rounds, |round| round.accepted), median(rounds, |round| round.delivered));
    println!(
        "| {count} | {name} | {accepted:.0} | {:.0} % | {delivered:.0} | {:.0} % |",
        100.0 * accepted / reference,
        100.0 * delivered / accepted
    );
}
