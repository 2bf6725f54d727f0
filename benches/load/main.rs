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
mod retention;
mod run;
mod slow;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // cargo adds one of its own
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "--bench").collect();
    match words.as_slice() {
        ["sink", address] => peers::serve(address, peers::sink(peers::Latency::None), peers::Threads::One),
        ["sink", address, least, most] => {
            let ms = |text: &str| text.parse().expect("milliseconds");
            peers::serve(address, peers::sink(peers::Latency::Between(ms(least), ms(most))), peers::Threads::One);
        }
        ["bare", address, sink] => peers::serve(address, peers::bare(sink), peers::Threads::All),
        ["slow", relay, rest @ ..] => slow::run(relay, rest),
        ["retention", relay, rest @ ..] => retention::run(relay, rest),
        ["large", relay] => large::run(relay),
        ["run", relay, rest @ ..] => run::run(relay, rest),
        _ => eprintln!("run scripts/bench"),
    }
}
