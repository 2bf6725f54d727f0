//! The load benchmark behind `scripts/bench`: the relay beside a bare axum + reqwest relay without a store, in the same
//! run, interleaved; wrk makes the load, the sink stands for Serri.
//!
//! `cargo bench` alone does nothing here: it takes minutes and a quiet machine.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark may fail loudly, talks, and measures time itself"
)]

mod large;
mod peers;
mod requests;
mod run;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // cargo adds one of its own
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "--bench").collect();
    match words.as_slice() {
        ["sink", address] => peers::serve(address, peers::sink(), peers::Threads::One),
        ["bare", address, sink] => peers::serve(address, peers::bare(sink), peers::Threads::All),
        ["large", relay] => large::run(relay),
        ["run", relay, rest @ ..] => run::run(relay, rest),
        _ => eprintln!("run scripts/bench"),
    }
}
