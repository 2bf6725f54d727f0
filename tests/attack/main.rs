//! The attacks behind `scripts/attack`: each starts a relay of its own with the shipped settings on loopback, does what a
//! hostile sender or a bad day would do, bounded in count and time, and tells whether the relay held.
//!
//! `[--relay PROGRAM] [quick|all|NAME...]`: the quick ones if nothing is said, as `cargo test` does. Exits 1 if one broke it.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an attack may fail loudly, talks, and measures time itself"
)]

mod bodies;
mod files;
mod http;
mod proof;
mod relay;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// An attack.
struct Attack {
    name: &'static str,
    /// Whether it takes a second or two.
    is_quick: bool,
    run: fn(&Ground) -> Outcome,
}

/// Where an attack takes place.
pub struct Ground {
    /// The relay's program.
    pub binary: PathBuf,
    /// A directory of its own.
    pub dir: PathBuf,
}

/// What came of it.
pub struct Outcome {
    /// What was sent.
    pub sent: String,
    /// What the relay answered.
    pub answers: String,
    /// The most memory the relay took, in MB.
    pub peak_mb: f64,
    /// Why it counts as broken; empty: it held.
    pub broken: Vec<String>,
}

const ATTACKS: &[Attack] = &[
    Attack { name: "entries beside a pad", is_quick: true, run: bodies::entries_beside_a_pad },
    Attack { name: "160,000 entries", is_quick: true, run: bodies::very_many_entries },
    Attack { name: "64 wide calls", is_quick: false, run: bodies::wide_calls },
    Attack { name: "gzip of empty members", is_quick: true, run: bodies::empty_members },
    Attack { name: "slow bodies", is_quick: false, run: bodies::slow_bodies },
    Attack { name: "pick in a loop", is_quick: false, run: bodies::picks },
    Attack { name: "ids of 80 bits", is_quick: true, run: bodies::long_ids },
    Attack { name: "two codings at once", is_quick: true, run: proof::codings },
    Attack { name: "tokens without end", is_quick: true, run: proof::tokens },
    Attack { name: "foreign host and origin", is_quick: true, run: proof::foreign_names },
    Attack { name: "planted secrets", is_quick: true, run: proof::planted_secrets },
    Attack { name: "a proxy for loopback", is_quick: true, run: proof::proxy },
    Attack { name: "a second relay", is_quick: true, run: files::second_relay },
    Attack { name: "the log deleted", is_quick: true, run: files::log_deleted },
    Attack { name: "a file-size limit", is_quick: true, run: files::size_limit },
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mut binary, mut names) = (PathBuf::from(env!("CARGO_BIN_EXE_serri-relay")), Vec::new());
    while let Some(word) = words.next() {
        match word.as_str() {
            "--relay" => binary = words.next().map(PathBuf::from).expect("--relay PROGRAM"),
            // what test runners are told is not for us
            flag if flag.starts_with('-') => {}
            _ => names.push(word),
        }
    }
    let binary = binary.canonicalize().expect("the relay's program");
    let wanted = |attack: &&Attack| match names.first().map(String::as_str) {
        Some("all") => true,
        None | Some("quick") => attack.is_quick,
        Some(_) => names.iter().any(|name| name == attack.name),
    };
    if !ATTACKS.iter().any(|attack| wanted(&attack)) {
        return ExitCode::SUCCESS;
    }
    println!("| attack | sent | answers | took | peak | verdict |\n|---|---|---|---|---|---|");
    let mut broken = 0;
    for (number, attack) in ATTACKS.iter().filter(wanted).enumerate() {
        let dir = std::env::temp_dir().join(format!("serri-relay-attack-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let watch = Instant::now();
        let outcome = (attack.run)(&Ground { binary: binary.clone(), dir: dir.clone() });
        let took = watch.elapsed().as_secs_f64();
        let verdict = match outcome.broken.as_slice() {
            [] => "held".to_owned(),
            why => format!("BROKEN: {}", why.join("; ")),
        };
        broken += usize::from(!outcome.broken.is_empty());
        let Outcome { sent, answers, peak_mb, .. } = outcome;
        println!("| {} | {sent} | {answers} | {took:.1} s | {peak_mb:.0} MB | {verdict} |", attack.name);
        let _ = std::fs::remove_dir_all(&dir);
    }
    if broken > 0 {
        println!("\n{broken} attack(s) broke the relay");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
