//! What one call, or many, may cost in memory and time.

use std::io::Write as _;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::http::{self, Answer};
use super::relay::{Relay, SECRET, pause};
use super::{Ground, Outcome};

const INDIAMART: &str = "source: indiamart\nsecret: SECRET_HERE\nsends:\n  - name: welcome\n    campaignName: c\n    destination: \"{{ contact.phone }}\"\n    userName: there\n";

/// Every element is looked for in the whole list.
const PICKS: &str = "source: generic\nauth: bearer\nsecret: SECRET_HERE\nsends:\n  - name: welcome\n    campaignName: c\n    destination: \"{{ contact.phone }}\"\n    userName: \"{% for i in event.list %}{{ event.list | pick(a=i) }}{% endfor %}there\"\n";

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

fn told(answer: &Answer) -> String {
    format!("{} after {}", answer.status, seconds(answer.took))
}

/// What takes longer than this has broken something.
fn too_long(answers: &[Answer], most: Duration) -> Vec<String> {
    let slow = answers.iter().filter(|answer| answer.took > most || answer.status == 0);
    slow.map(|answer| format!("answered {}", told(answer))).take(1).collect()
}

fn indiamart(ground: &Ground, body: String) -> Outcome {
    // a relay that would take all memory ends instead, and this computer's other programs do not
    let relay = Relay::start_with(ground, &[("portal", INDIAMART)], &[], &["prlimit", "--as=4000000000", "--"]);
    let answer = http::post(
        relay.port,
        &format!("/webhooks/portal/{SECRET}"),
        &[("Content-Type", "application/json")],
        body.as_bytes(),
    );
    let broken = too_long(std::slice::from_ref(&answer), Duration::from_secs(20));
    let sent = format!("one call of {} KB", body.len() / 1_024);
    relay.judge(sent, told(&answer), broken)
}

pub fn entries_beside_a_pad(ground: &Ground) -> Outcome {
    let entry = |n: u32| format!("{{\"UNIQUE_QUERY_ID\":\"{n}\",\"SENDER_MOBILE\":\"98{:08}\"}}", 10_000_000 + n);
    let entries: Vec<String> = (0..1_000).map(entry).collect();
    indiamart(ground, format!("{{\"PAD\":\"{}\",\"RESPONSE\":[{}]}}", "x".repeat(900_000), entries.join(",")))
}

pub fn very_many_entries(ground: &Ground) -> Outcome {
    indiamart(ground, format!("{{\"PAD\":\"{}\",\"RESPONSE\":[{}{{}}]}}", "x".repeat(450_000), "{},".repeat(160_000)))
}

/// Calls of which a hundred times more is stored than they bring, all at once.
pub fn wide_calls(ground: &Ground) -> Outcome {
    let relay = Relay::start(ground, &[("portal", INDIAMART)]);
    let body = |call: u32| {
        let entry = |n| format!("{{\"UNIQUE_QUERY_ID\":\"{call}-{n}\",\"SENDER_MOBILE\":\"98{:08}\"}}", 10_000_000 + n);
        let entries: Vec<String> = (0..125).map(entry).collect();
        format!("{{\"PAD\":\"{}\",\"RESPONSE\":[{}]}}", "x".repeat(115_000), entries.join(","))
    };
    let path = format!("/webhooks/portal/{SECRET}");
    let post = |call| http::post(relay.port, &path, &[("Content-Type", "application/json")], body(call).as_bytes());
    let post = &post;
    let calls: Vec<Answer> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..64).map(|call| scope.spawn(move || post(call))).collect();
        running.into_iter().filter_map(|call| call.join().ok()).collect()
    });
    // the time is the disk's: a gigabyte is written
    let mut broken = too_long(&calls, Duration::from_secs(60));
    let taken = calls.iter().filter(|answer| answer.status == 200).count();
    let told_later = calls.iter().filter(|answer| matches!(answer.status, 503 | 408)).count();
    if taken == 0 || taken + told_later < calls.len() {
        broken.push(format!("{taken} were taken and {told_later} told to come again"));
    }
    let slowest = calls.iter().max_by_key(|answer| answer.took).map(told).unwrap_or_default();
    let answers = format!("{taken} were taken, the last {slowest}");
    relay.judge(format!("{} calls of {} KB", calls.len(), body(0).len() / 1_024), answers, broken)
}

pub fn empty_members(ground: &Ground) -> Outcome {
    let relay = Relay::start(ground, &[]);
    let member = GzEncoder::new(Vec::new(), Compression::fast()).finish().expect("gzip");
    let bomb = member.repeat(1_000_000 / member.len());
    let before = relay.cpu();
    let calls: Vec<Answer> = std::thread::scope(|scope| {
        let call = || relay.post("hello", &[("Content-Encoding", "gzip")], &bomb);
        let running: Vec<_> = (0..4).map(|_| scope.spawn(call)).collect();
        running.into_iter().filter_map(|call| call.join().ok()).collect()
    });
    let cpu = relay.cpu().saturating_sub(before);
    let mut broken = too_long(&calls, Duration::from_secs(10));
    if cpu > Duration::from_secs(4) {
        broken.push(format!("{} of processor time for four calls that prove nothing", seconds(cpu)));
    }
    let slowest = calls.iter().max_by_key(|answer| answer.took).map(told).unwrap_or_default();
    relay.judge(format!("4 calls of {} members", bomb.len() / member.len()), slowest, broken)
}

/// Bodies that begin and do not go on.
pub fn slow_bodies(ground: &Ground) -> Outcome {
    let relay = Relay::start(ground, &[]);
    let head = http::head("/webhooks/hello", &[("Content-Length", "1000000"), ("Content-Type", "application/json")]);
    let part = vec![b' '; 256 * 1_024];
    let mut open = Vec::new();
    for _ in 0..1_200 {
        let Ok(mut stream) = http::connect(relay.port) else { continue };
        let _ = stream.set_write_timeout(Some(Duration::from_millis(50)));
        // a relay that stops reading, or hangs up, is right to do so
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&part));
        open.push(stream);
    }
    // a sender repeats what was refused; within some seconds it must be served although the others hold on
    let watch = Instant::now();
    let mut statuses = Vec::new();
    while watch.elapsed() < Duration::from_secs(15) && statuses.last() != Some(&200) {
        statuses.push(relay.lead(&format!("honest-{}", statuses.len())).status);
        pause();
    }
    let mut broken = Vec::new();
    if statuses.last() != Some(&200) {
        broken.push(format!("an honest sender was not served in {}", seconds(watch.elapsed())));
    }
    let answers = format!("an honest sender was served after {}", seconds(watch.elapsed()));
    let outcome = relay.judge(format!("{} bodies that stop", open.len()), answers, broken);
    drop(open);
    outcome
}

pub fn picks(ground: &Ground) -> Outcome {
    let relay = Relay::start(ground, &[("picks", PICKS)]);
    let list = "{\"a\":1},".repeat(900_000 / 8);
    let body = format!("{{\"phone\":\"9812345670\",\"list\":[{}]}}", list.trim_end_matches(','));
    let calls: Vec<Answer> = std::thread::scope(|scope| {
        let call = || relay.post("picks", &[], body.as_bytes());
        let running: Vec<_> = (0..3).map(|_| scope.spawn(call)).collect();
        running.into_iter().filter_map(|call| call.join().ok()).collect()
    });
    let broken = too_long(&calls, Duration::from_secs(20));
    let slowest = calls.iter().max_by_key(|answer| answer.took).map(told).unwrap_or_default();
    relay.judge(format!("3 calls of {} KB", body.len() / 1_024), slowest, broken)
}

pub fn long_ids(ground: &Ground) -> Outcome {
    let relay = Relay::start(ground, &[]);
    let lead = |id: &str| relay.post("hello", &[], format!("{{\"id\":{id},\"phone\":\"9812345670\"}}").as_bytes());
    let ids = ["123456789012345678901234567123", "123456789012345678901234567124"];
    let mut broken = Vec::new();
    let answers: Vec<String> = ids
        .iter()
        .map(|id| {
            let answer = lead(id);
            if answer.status != 200 || !answer.body.contains(id) || answer.body.contains("duplicate") {
                broken.push(format!("{id}: {}", answer.body.trim()));
            }
            answer.status.to_string()
        })
        .collect();
    relay.judge("two leads whose ids differ in the last digit", answers.join(", "), broken)
}
