//! What the simulation knows by itself, and holds the relay against: who may be sent what, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;
use serri_relay::clock::{Stopwatch, Timestamp};
use serri_relay::event::NewEvent;

use super::script::{NAMES, PEOPLE, WORDS, has_rule};
use super::serri::{Message, Serri, Taken};
use crate::asked::{state, text};

const DAY: Duration = Duration::from_secs(86_400);

/// How long a cart waits for its order.
const CART_DELAY: Duration = Duration::from_secs(1_800);

/// An event that was accepted.
#[derive(Debug, Clone)]
struct Arrived {
    order: usize,
    kind: String,
    phone: String,
    key: String,
    start: Timestamp,
    at: Timestamp,
    elapsed: Duration,
    /// When a cart is due; counted anew from where the clock was set back to before the event came.
    due: Timestamp,
    /// Whether it was due before the clock was set back.
    was_due: bool,
}

/// What is on its way when a later event comes cannot be stopped: no longer than it may stand in the deliverer's queue,
/// however long the calls before it hang.
const ON_ITS_WAY: Duration = Duration::from_millis(1_100);

pub struct Model {
    watch: Stopwatch,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    events: BTreeMap<String, Arrived>,
    /// How often one was accepted: what no rule made anything of is accepted again.
    arrivals: usize,
    sends: usize,
    /// Who wants no messages at present.
    left: Vec<(String, Duration)>,
    /// The latest that the clock ever showed: what was due then may go although it was set back since.
    latest: Timestamp,
    /// Which configuration runs, and since when.
    configuration: (usize, Duration),
    /// Events, campaigns and names of what was refused in words that nobody knows.
    refused: BTreeSet<(String, String, String)>,
    /// The clock was set back to this, by so many milliseconds, and not ahead again yet.
    behind: Option<(Timestamp, i64)>,
}

impl Model {
    pub fn new() -> Self {
        Self { watch: Stopwatch::start(), state: Mutex::default() }
    }

    pub fn events(&self) -> usize {
        self.state.lock().unwrap().arrivals
    }

    pub fn sends(&self) -> usize {
        self.state.lock().unwrap().sends
    }

    /// Another configuration is taken, or the same once more.
    pub fn configured(&self, configuration: usize) {
        self.state.lock().unwrap().configuration = (configuration, self.watch.elapsed());
    }

    /// A message is refused in words that nobody knows.
    pub fn refused(&self, message: &Message) {
        let Message { event, campaign, name, .. } = message.clone();
        self.state.lock().unwrap().refused.insert((event, campaign, name));
    }

    /// Which configuration runs.
    pub fn configuration(&self) -> usize {
        self.state.lock().unwrap().configuration.0
    }

    /// What the clock showed before it was set back, and what it shows now.
    pub fn clock_was_set_back(&self, before: Timestamp, now: Timestamp) {
        let mut state = self.state.lock().unwrap();
        state.latest = state.latest.max(before);
        let known = state.behind.map_or(0, |(_, by_ms)| by_ms);
        state.behind = Some((now, known + before.0 - now.0));
        for event in state.events.values_mut() {
            event.was_due |= event.due <= before;
            event.due = event.due.min(now.after(CART_DELAY));
        }
    }

    /// What came while the clock was behind came that much later, once it is right again.
    pub fn clock_was_set_ahead(&self, before: Timestamp, now: Timestamp) {
        let mut state = self.state.lock().unwrap();
        let Some((from, by_ms)) = state.behind else { return };
        let right = (now.0 - before.0).min(by_ms);
        state.behind = (right < by_ms).then_some((Timestamp(from.0 + right), by_ms - right));
        for event in state.events.values_mut().filter(|event| event.at >= from && event.at <= before) {
            event.at = Timestamp(event.at.0 + right);
        }
    }

    pub fn arrived(&self, event: &NewEvent) {
        let mut state = self.state.lock().unwrap();
        let body: Value = serde_json::from_slice(&event.body).unwrap();
        let text = |key: &str| body[key].as_str().unwrap().to_owned();
        let start = text("start").parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let arrived = Arrived {
            order: state.arrivals,
            kind: event.kind.clone(),
            phone: text("phone"),
            key: text("key"),
            start: Timestamp(start),
            at: event.received_at,
            elapsed: self.watch.elapsed(),
            due: event.received_at.after(CART_DELAY),
            was_due: false,
        };
        match event.kind.as_str() {
            "leave" => state.left.push((arrived.phone.clone(), arrived.elapsed)),
            "return" => state.left.retain(|(phone, _)| *phone != arrived.phone),
            _ => {}
        }
        let (configuration, _) = state.configuration;
        state.sends += usize::from(match event.kind.as_str() {
            "leave" | "return" | "appointment.cancelled" => false,
            "order" => has_rule(configuration, "extra"),
            "note" => has_rule(configuration, "note"),
            _ => true,
        });
        state.arrivals += 1;
        state.events.insert(event.id.clone(), arrived);
    }

    /// What must hold of each call when it begins.
    pub fn check_call(&self, message: &Message, now: Timestamp, taken: &[Taken]) {
        let Message { campaign, number, event, name } = message;
        let (campaign, number, event) = (campaign.as_str(), number.as_str(), event.as_str());
        let state = self.state.lock().unwrap();
        // at the moment of a reload calls may begin that were claimed before; a lookup that was answered before maps as it was then
        let (configuration, since) = state.configuration;
        if self.watch.elapsed() > since && has_rule(configuration, campaign) && campaign != "lead" {
            // what failed so, and waits again since others were refused alike, goes as it was made
            let was_refused = state.refused.contains(&(event.to_owned(), campaign.to_owned(), name.clone()));
            assert!(was_refused || name == NAMES[configuration], "{campaign} of {event} goes by old rules: {name}");
        }
        let about = state.events.get(event).expect("nobody is sent what no event asked for");
        assert_eq!(about.phone, number);
        let latest = now.max(state.latest);
        let before: Vec<&Taken> =
            taken.iter().filter(|taken| taken.campaign == campaign && taken.event == event).collect();
        assert!(before.iter().all(|taken| !taken.told), "{campaign} of {event} went, and goes again");
        let stopped = self.watch.elapsed().saturating_sub(ON_ITS_WAY);
        let later = |kind: &str| {
            let is_later = |event: &&Arrived| event.order > about.order && event.elapsed < stopped;
            state.events.values().filter(is_later).any(|event| event.kind == kind && event.key == about.key)
        };
        match campaign {
            "code" => assert!(now <= about.at.after(Duration::from_secs(600)), "a code of {event} goes too late"),
            "cart" => {
                let waited = self.watch.elapsed().saturating_sub(about.elapsed);
                assert!(waited >= CART_DELAY || about.was_due || now >= about.due, "a cart of {event} goes too early");
                assert!(!later("order"), "a cart of {event} goes although the order came");
                assert!(!later("cart"), "a cart of {event} goes although it was changed");
            }
            "reminder" => {
                assert!(now < about.start, "a reminder of {event} goes after the appointment");
                assert!(latest >= about.start.before(DAY), "a reminder of {event} goes too early");
                assert!(!later("appointment.cancelled"), "a reminder of {event} goes for a cancelled appointment");
                assert!(!later("appointment"), "a reminder of {event} goes for an appointment that was moved");
            }
            "promotion" => {
                assert!(is_day(number, now), "a promotion of {event} goes to {number} at {now}");
            }
            _ => {}
        }
        // the shop's suppressions are the first account's
        let of_shop = ["welcome", "cart", "promotion", "extra"].contains(&campaign);
        assert!(
            !of_shop || !state.left.iter().any(|(left, since)| left == number && *since < stopped),
            "{number} left, and gets {campaign} of {event}"
        );
    }

    /// What must hold of each message when it is taken.
    pub fn check_taken(&self, new: &Taken, taken: &[Taken]) {
        let state = self.state.lock().unwrap();
        let others =
            |taken: &&Taken| taken.number == new.number && taken.campaign == new.campaign && taken.event != new.event;
        let same: Vec<&Taken> = taken.iter().filter(others).collect();
        let again = taken.iter().filter(|taken| taken.campaign == new.campaign && taken.event == new.event).count();
        assert!(
            again < most_tries(&new.campaign),
            "{} of {} reaches {} too often",
            new.campaign,
            new.event,
            new.number
        );
        let within = |span: Duration| same.iter().filter(move |taken| taken.at > new.at.before(span));
        match new.campaign.as_str() {
            "welcome" => assert_eq!(within(2 * DAY).count(), 0, "{} is welcomed twice", new.number),
            "promotion" => {
                let events: std::collections::BTreeSet<&str> = within(DAY).map(|taken| taken.event.as_str()).collect();
                assert!(events.len() < 2, "{} gets a third promotion: {events:?} and {}", new.number, new.event);
            }
            "note" | "code" => {
                let order = |event: &str| state.events[event].order;
                let last = same.iter().map(|taken| order(&taken.event)).max();
                assert!(
                    last.is_none_or(|last| last < order(&new.event)),
                    "{} of {} comes late",
                    new.campaign,
                    new.event
                );
            }
            _ => {}
        }
    }

    /// What must hold of each send at the end, with the calls that were made for it.
    pub fn check_fate(&self, send: &Value, attempts: &[Value], serri: &Serri) {
        let [event, rule, reason] = ["event", "rule", "reason"].map(|field| text(&send[field]));
        let ended = |outcome: &str| attempts.iter().filter(|attempt| attempt["what"] == outcome).count();
        let (doubts, unconfirmed) = (ended("uncertain"), ended("unconfirmed"));
        let state_of = self.state.lock().unwrap();
        let taken = serri.taken().iter().filter(|taken| taken.event == event && taken.campaign == rule).count();
        let is_invalid = state_of.events[&event].phone == PEOPLE[5];
        assert!(doubts + unconfirmed <= most_tries(&rule), "{send}: {attempts:?}");
        match state(send).as_str() {
            "sent" => assert!(taken >= 1 && !is_invalid, "it counts as sent: {send}"),
            "failed" => assert!(
                reason.contains("Invalid Number")
                    || reason.contains("something new")
                    || reason.contains("no place is free")
                    || WORDS.iter().any(|word| reason.contains(&format!(": {word}: "))),
                "it failed: {send}"
            ),
            "uncertain" => assert!(unconfirmed == 1 || doubts == most_tries(&rule), "{send}: {attempts:?}"),
            "expired" => assert!(["code", "reminder"].contains(&rule.as_str()), "{send}"),
            "suppressed" => assert!(["welcome", "cart", "promotion", "extra"].contains(&rule.as_str()), "{send}"),
            "cancelled" => assert!(["cart", "reminder"].contains(&rule.as_str()), "{send}"),
            "duplicate" => assert!(["welcome", "reminder"].contains(&rule.as_str()), "{send}"),
            _ => panic!("it is not over: {send}"),
        }
    }
}

/// How many tries of a send may end so that nobody knows whether the person was reached.
fn most_tries(campaign: &str) -> usize {
    // `on_uncertain: hold` is the CRM's
    if ["reminder", "note"].contains(&campaign) { 1 } else { 2 }
}

/// From nine to nine where the person is.
fn is_day(number: &str, now: Timestamp) -> bool {
    let zone = match number.get(..3).unwrap() {
        "+91" => "Asia/Kolkata",
        "+12" => "America/New_York",
        "+44" => "Europe/London",
        "+61" => "Australia/Sydney",
        "+97" => "Asia/Kathmandu",
        other => panic!("{other}"),
    };
    let local = jiff::Timestamp::from_millisecond(now.0).unwrap().to_zoned(TimeZone::get(zone).unwrap());
    (9..21).contains(&local.hour())
}
