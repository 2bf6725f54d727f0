//! What a seed decides: which events come when, what goes wrong at Serri, and when the relay dies or its clock is set.

use std::ops::Range;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;
use serri_relay::call::Call;
use serri_relay::route::Route;

/// A shop: codes, welcomes, carts, promotions, and people who want no more of it.
const SHOP: &str = r#"
source: generic
account: default
auth: bearer
secret: s3cret-for-tests
sends:
  - name: code
    when: meta.type == "code"
    priority: urgent
    expires: 10m
    even_if_suppressed: true
    reason: the person asked for it
    campaignName: code
    destination: "{{ contact.phone }}"
    userName: there
    tags: ["{{ meta.id }}"]
  - name: welcome
    when: meta.type == "signup"
    once: { per: "{{ contact.phone }}", within: 2d }
    campaignName: welcome
    destination: "{{ contact.phone }}"
    userName: there
    tags: ["{{ meta.id }}"]
  - name: cart
    when: meta.type == "cart"
    delay: 30m
    key: "{{ event.key }}"
    cancel_on: meta.type == "order"
    campaignName: cart
    destination: "{{ contact.phone }}"
    userName: there
    tags: ["{{ meta.id }}"]
  - name: promotion
    when: meta.type == "promotion"
    priority: bulk
    hours: "09:00-21:00"
    timezone: recipient
    cap: 2/day
    campaignName: promotion
    destination: "{{ contact.phone }}"
    userName: there
    tags: ["{{ meta.id }}"]
  - name: sorry
    when: meta.type == "leave"
    suppress: add
    destination: "{{ contact.phone }}"
  - name: back
    when: meta.type == "return"
    suppress: remove
    destination: "{{ contact.phone }}"
"#;

/// A CRM of another account: orders that end carts do not reach over here; appointments do.
const CRM: &str = r#"
source: generic
auth: bearer
secret: s3cret-for-tests
account: second
on_uncertain: hold
sends:
  - name: reminder
    when: meta.type == "appointment"
    key: "{{ event.key }}"
    at: "{{ event.start }}"
    before: 24h
    cancel_on: meta.type == "appointment.cancelled"
    campaignName: reminder
    destination: "{{ contact.phone }}"
    userName: there
    tags: ["{{ meta.id }}"]
  - name: note
    when: meta.type == "note"
    campaignName: note
    destination: "{{ contact.phone }}"
    userName: there
    tags: ["{{ meta.id }}"]
"#;

/// One more rule of the shop, for which its last configuration has none of the CRM's notes.
const EXTRA: &str = r#"
  - name: extra
    when: meta.type == "order"
    campaignName: extra
    destination: "{{ contact.phone }}"
    userName: there
    tags: ["{{ meta.id }}"]
"#;

/// What each configuration calls everybody: it tells by which rules a message was made.
pub const NAMES: [&str; 3] = ["there", "friend", "guest"];

/// Whether a configuration has a rule.
pub fn has_rule(configuration: usize, rule: &str) -> bool {
    match rule {
        "note" => configuration < 2,
        "extra" => configuration == 2,
        _ => true,
    }
}

/// The routes of a configuration.
pub fn routes(configuration: usize) -> [(&'static str, String); 3] {
    let (shop, crm) = if configuration < 2 {
        (SHOP.to_owned(), CRM)
    } else {
        (format!("{}{}", SHOP.trim_end(), EXTRA), CRM.split("  - name: note").next().unwrap())
    };
    let named = |text: &str| text.replace("userName: there", &format!("userName: {}", NAMES[configuration]));
    [("shop", named(&shop)), ("crm", named(crm)), ("leads", named(LEADS))]
}

/// A sender whose events leave out whom they are about: `senders.rs` is its API.
pub const LEADS_SOURCE: &str = r#"
title: Leads
body: json
auth: bearer
event: { id: event.id, type: event.type }
contact: { phone: event.lead.phone }
enrich:
  base: https://leads.example/v1
  path: "leads/{{ event.id }}"
  query: { of: "{{ event.phone }}" }
  auth: bearer
  into: lead
  rate: 5/s
  needs: { token: anywhere }
"#;

/// The route of that sender.
const LEADS: &str = r#"
source: leads
account: second
secret: s3cret-for-tests
enrich: { token: a-token-of-the-sender }
sends:
  - name: lead
    campaignName: lead
    destination: "{{ contact.phone }}"
    userName: there
    tags: ["{{ meta.id }}"]
"#;

pub const CAMPAIGNS: &str = "campaigns: [{ name: promotion, account: default, category: marketing }]";

/// People on four continents; the last one's number is on no WhatsApp.
pub const PEOPLE: [&str; 6] =
    ["+919812345670", "+12125550123", "+442071234567", "+61412345678", "+9779812345678", "+919812345000"];

/// What happens.
#[derive(Debug, Clone)]
pub enum Act {
    Event {
        route: &'static str,
        body: String,
    },
    /// The relay is killed and started again.
    Kill,
    /// The same in the middle of the next call.
    KillAtCall,
    /// This configuration is taken, which may be the one that runs.
    Reload(usize),
    Ahead(Duration),
    Back(Duration),
    /// The relay is stopped, and goes on after this time.
    Pause(Duration),
}

/// What goes wrong at Serri, from when to when after the start.
#[derive(Debug, Clone)]
pub struct Fault {
    pub from: Duration,
    pub until: Duration,
    /// Of which account.
    pub account: &'static str,
    pub kind: FaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    NoCredits,
    Down,
    Refuses,
    NotLive(&'static str),
    Hangs,
    TooFast,
    /// Some are refused in words that are not known.
    Unknown,
    /// What it answers makes the relay panic.
    Panics,
    /// All are, and the first word says during which fault.
    Blocked(&'static str),
    /// All but one in eight are.
    Scarce,
    /// Something else than the API answers.
    WrongEndpoint,
    /// A success that does not say that the message was taken.
    Unconfirmed,
}

/// With which words they are refused.
pub const WORDS: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];

/// All that a seed decides.
pub struct Script {
    /// How many calls may be under way at once.
    pub concurrency: usize,
    pub acts: Vec<(Duration, Act)>,
    pub faults: Vec<Fault>,
    /// What goes wrong at the sender's API, from when to when after the start.
    pub troubles: Vec<(Range<Duration>, Trouble)>,
}

/// What goes wrong at the sender's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody answers there.
    Unreached,
    /// It fails.
    Down,
    /// It refuses the token.
    Forbidden,
    /// It asks to wait.
    TooFast,
    /// It takes the call, and half the time never answers.
    Hangs,
}

impl Script {
    pub fn of(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let hours = rng.u64(2..72);
        let span = Duration::from_secs(hours * 3_600);
        let moment = |rng: &mut fastrand::Rng| Duration::from_millis(rng.u64(0..hours * 3_600_000));
        let mut acts = Vec::new();
        let mut bodies: Vec<(&'static str, String)> = Vec::new();
        let mut last = Duration::ZERO;
        for number in 0..rng.usize(10..60) {
            // one in ten comes a second time
            let repeated = bodies.get(rng.usize(0..bodies.len().max(1))).filter(|_| rng.u8(0..10) == 0).cloned();
            let (route, body) = repeated.unwrap_or_else(|| event(&mut rng, number, span));
            bodies.push((route, body.clone()));
            // half of them come close upon another
            last = if rng.bool() { last + Duration::from_millis(rng.u64(0..20_000)) } else { moment(&mut rng) };
            acts.push((last, Act::Event { route, body }));
        }
        for _ in 0..rng.usize(0..4) {
            acts.push((moment(&mut rng), if rng.bool() { Act::Kill } else { Act::KillAtCall }));
        }
        for _ in 0..rng.usize(0..3) {
            let by = Duration::from_secs(rng.u64(1..150_000));
            acts.push((moment(&mut rng), if rng.bool() { Act::Ahead(by) } else { Act::Back(by) }));
        }
        for _ in 0..rng.usize(0..3) {
            acts.push((moment(&mut rng), Act::Pause(Duration::from_secs(rng.u64(1..600)))));
        }
        // close upon events as a rule, when there is something under way; by dice of their own, so that older seeds stay as they were
        let mut dice = fastrand::Rng::with_seed(!seed);
        for _ in 0..dice.usize(0..6) {
            let near = dice.usize(0..acts.len());
            let at = acts[near].0 + Duration::from_millis(dice.u64(0..15_000));
            acts.push((at, Act::Reload(dice.usize(0..NAMES.len()))));
        }
        acts.sort_by_key(|(at, _)| *at);
        let kinds = [
            FaultKind::NoCredits,
            FaultKind::Down,
            FaultKind::Refuses,
            FaultKind::NotLive("welcome"),
            FaultKind::NotLive("note"),
            FaultKind::Hangs,
            FaultKind::TooFast,
            FaultKind::Unknown,
            FaultKind::Panics,
            FaultKind::Blocked(""),
            FaultKind::Scarce,
            FaultKind::WrongEndpoint,
            FaultKind::Unconfirmed,
        ];
        let mut faults = Vec::new();
        for word in WORDS.iter().take(rng.usize(0..6)) {
            let from = moment(&mut rng);
            let until = from + Duration::from_secs(rng.u64(1..40_000));
            let account = if rng.bool() { "default" } else { "second" };
            let kind = match kinds[rng.usize(0..kinds.len())] {
                FaultKind::Blocked(_) => FaultKind::Blocked(word),
                kind => kind,
            };
            faults.push(Fault { from, until, account, kind });
        }
        let all = [Trouble::Unreached, Trouble::Down, Trouble::Forbidden, Trouble::TooFast, Trouble::Hangs];
        let mut troubles = Vec::new();
        for _ in 0..rng.usize(0..4) {
            let from = moment(&mut rng);
            troubles.push((from..from + Duration::from_secs(rng.u64(1..40_000)), all[rng.usize(0..all.len())]));
        }
        Self { concurrency: rng.usize(1..=4), acts, faults, troubles }
    }
}

fn event(rng: &mut fastrand::Rng, number: usize, span: Duration) -> (&'static str, String) {
    let phone = PEOPLE[rng.usize(0..PEOPLE.len())];
    let key = format!("k{}", rng.u8(0..8));
    let of_shop = ["code", "signup", "cart", "order", "promotion", "promotion", "promotion", "leave", "return"];
    let of_crm = ["appointment", "appointment.cancelled", "note", "note"];
    let (route, kind) = match rng.u8(0..8) {
        0..5 => ("shop", of_shop[rng.usize(0..of_shop.len())]),
        5..7 => ("crm", of_crm[rng.usize(0..of_crm.len())]),
        _ => ("leads", "lead"),
    };
    let start = super::START.after(Duration::from_secs(rng.u64(0..span.as_secs() + 3 * 86_400)));
    let body =
        json!({ "id": format!("e{number}"), "type": kind, "phone": phone, "key": key, "start": start.to_string() });
    (route, body.to_string())
}

/// The call that brings an event.
pub fn call(route: &Route, body: &str) -> Call {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    Call {
        method: Method::POST,
        uri: format!("/webhooks/{}", route.name).parse().unwrap(),
        headers,
        body: body.to_owned().into(),
        packed: None,
    }
}
