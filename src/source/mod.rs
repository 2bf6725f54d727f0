//! What a source knows of its events: id, type, contact; how it wants to be answered; which events are tests.
//!
//! The definitions are YAML (`config/sources/`), compiled here. There is no code for any one sender.

mod compiler;
mod contact;
pub mod enrich;

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value as Json;

use crate::call::Answer;
use crate::config::dates::{DatesSpec, OrderSpec};
use crate::config::diagnostic::Diagnostic;
use crate::config::document::Node;
use crate::config::handshake::{AnswerSpec, HandshakeForm, HandshakeSpec};
use crate::config::source::{EventSpec, OverloadSpec, RetryAfterUnit, SourceProfileSpec};
use crate::decode::{Hashing, Packing, hash};
use crate::event::{Contact, Envelope, Event};
use crate::handshake;
use crate::hours::Unreadable;
use crate::map::Scope;
use crate::map::expression::Expression;
use crate::moment::{Dates, Order};
use compiler::Compiler;
use contact::ContactRules;

pub use contact::Ambiguity;
use enrich::Enrichment;

/// A source's profile, compiled; a route's own keys have overridden the source's.
#[derive(Debug)]
pub struct SourceProfile {
    /// How events are packed.
    pub packing: Packing,
    /// The methods it calls with.
    pub methods: Vec<http::Method>,
    /// What it wants to hear when all went well.
    pub answer: Answer,
    /// The status that makes it try again later, and how it reads `Retry-After`.
    pub overload: (StatusCode, RetryAfterUnit),
    /// The read call that gives what an event leaves out.
    pub enrichment: Option<Enrichment>,
    id: Option<Expression>,
    kind: Option<Expression>,
    id_per_type: bool,
    contact: ContactRules,
    dates: Dates,
    test: Option<Expression>,
    ignored: Vec<Expression>,
}

/// How long repetitions of an event count as the same.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// Where the event has an id.
    pub with_id: Duration,
    /// Where its bytes have to serve.
    pub without_id: Duration,
}

/// A source's profile with a route's own over it: key by key, in `event` and `contact` too.
pub fn override_manner(source: &SourceProfileSpec, route: &SourceProfileSpec) -> SourceProfileSpec {
    let event = match (&route.event, &source.event) {
        (Some(own), Some(base)) => Some(EventSpec {
            each: own.each.clone().or_else(|| base.each.clone()),
            id: own.id.clone().or_else(|| base.id.clone()),
            kind: own.kind.clone().or_else(|| base.kind.clone()),
            id_per_type: own.id_per_type.or(base.id_per_type),
        }),
        (own, base) => own.clone().or_else(|| base.clone()),
    };
    let contact = match (&route.contact, &source.contact) {
        (Some(own), Some(base)) => Some(own.over(base)),
        (own, base) => own.clone().or_else(|| base.clone()),
    };
    SourceProfileSpec {
        body: route.body.or(source.body),
        json_field: route.json_field.clone().or_else(|| source.json_field.clone()),
        methods: route.methods.clone().or_else(|| source.methods.clone()),
        auth: route.auth.clone().or_else(|| source.auth.clone()),
        redact: match (&source.redact, &route.redact) {
            (None, None) => None,
            // what a source knows to be secret stays so
            (base, own) => Some(base.iter().flatten().chain(own.iter().flatten()).cloned().collect()),
        },
        event,
        contact,
        dates: match (&route.dates, &source.dates) {
            (Some(own), Some(base)) => Some(own.over(base)),
            (own, base) => own.clone().or_else(|| base.clone()),
        },
        test: route.test.clone().or_else(|| source.test.clone()),
        enrich: match (&route.enrich, &source.enrich) {
            (Some(own), Some(base)) => Some(own.over(base)),
            (own, base) => own.clone().or_else(|| base.clone()),
        },
        answer: route.answer.clone().or_else(|| source.answer.clone()),
        overload: route.overload.or(source.overload),
        handshake: route.handshake.clone().or_else(|| source.handshake.clone()),
    }
}

impl SourceProfile {
    /// Compiles a profile. `files` are the documents it was written in, the nearest first, to show faults in.
    ///
    /// # Errors
    ///
    /// Every fault, each at its place.
    pub fn compile(profile_spec: &SourceProfileSpec, files: &[&Node]) -> Result<Self, Vec<Diagnostic>> {
        let mut c = Compiler { files, diagnostics: Vec::new() };
        let event = profile_spec.event.clone().unwrap_or_default();
        let contact = profile_spec.contact.clone().unwrap_or_default();
        let profile = Self {
            packing: Packing {
                format: profile_spec.body.unwrap_or_default(),
                json_field: profile_spec.json_field.clone(),
                each: event.each.as_deref().map(steps),
                redact: profile_spec.redact.iter().flatten().map(|path| steps(path)).collect(),
            },
            methods: profile_spec.methods.as_ref().map_or_else(
                || vec![http::Method::POST],
                |methods| methods.iter().map(|method| method.http()).collect(),
            ),
            answer: c.answer(&profile_spec.answer.clone().unwrap_or_default()).unwrap_or_else(Answer::report),
            overload: c.overload(profile_spec.overload),
            enrichment: c.enrichment(profile_spec.enrich.as_ref()),
            id: c.one(&["event", "id"], event.id.as_ref()),
            kind: c.one(&["event", "type"], event.kind.as_ref()),
            id_per_type: event.id_per_type.unwrap_or(false),
            contact: ContactRules::compile(&contact, &mut c),
            dates: c.dates(profile_spec.dates.as_ref()),
            test: c.condition(&["test"], profile_spec.test.as_ref()),
            ignored: c.ignored(profile_spec.handshake.as_ref()),
        };
        if c.diagnostics.is_empty() { Ok(profile) } else { Err(c.diagnostics) }
    }

    /// Tells what an event is and whom it is about. Its hash serves as id where the source gives none.
    pub fn describe(&self, value: Json, hashing: &Hashing, envelope: &Scope, windows: Windows) -> (Event, Scope) {
        let scope = Scope::of_value(&value, envelope);
        let text = |expression: &Option<Expression>| {
            expression.as_ref().and_then(|expression| expression.text(&scope).ok().flatten()).unwrap_or_default()
        };
        let own_id = text(&self.id).trim().to_owned();
        let (id, window) = if is_no_id(&own_id) {
            (hash_id(&hashing.of(&value)), windows.without_id)
        } else if own_id.len() > LONGEST_ID {
            // no id of any sender, and it would stand in every line about the event
            (hash_id(&hash(own_id.as_bytes())), windows.with_id)
        } else {
            (own_id, windows.with_id)
        };
        let event = Event { id, kind: text(&self.kind), contact: self.contact(&scope), value, window };
        (event, scope)
    }

    /// What tells an event of a route from all others: its id, where ids are those of records its type as well.
    pub fn identity<'e>(&self, id: &'e str, kind: &str) -> Cow<'e, str> {
        if self.id_per_type && !kind.is_empty() { Cow::Owned(format!("{kind}/{id}")) } else { Cow::Borrowed(id) }
    }

    /// What the expressions of all events of a call see.
    pub fn scope(&self, envelope: &Envelope) -> Scope {
        Scope::of_envelope(envelope).with_dates(&self.dates)
    }

    /// Whom an event is about.
    pub fn contact(&self, scope: &Scope) -> Contact {
        self.contact.find(scope)
    }

    /// What of the person may be meant otherwise than it is taken.
    pub fn ambiguities(&self, scope: &Scope) -> Vec<Ambiguity> {
        self.contact.ambiguities(scope)
    }

    /// Whether an event is a test of the sender's own.
    pub fn is_test(&self, scope: &Scope) -> bool {
        self.test.as_ref().is_some_and(|test| test.eval(scope).is_ok_and(|value| value.is_true()))
    }

    /// Whether an entry of a proven call is not an event: it is not kept.
    pub fn is_ignored(&self, scope: &Scope) -> bool {
        self.ignored.iter().any(|entry| entry.eval(scope).is_ok_and(|value| value.is_true()))
    }
}

/// The steps of a path with dots.
fn steps(path: &str) -> Vec<String> {
    path.split('.').map(ToOwned::to_owned).collect()
}

/// Whether what stands where the id should is what a program or a person writes for none: `-`, `0`, `N/A`, `None`.
fn is_no_id(id: &str) -> bool {
    const NONE: [&str; 9] = ["none", "null", "nil", "na", "nan", "undefined", "unknown", "notset", "notavailable"];
    let told: String = id.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    told.chars().all(|c| c == '0') || NONE.contains(&told.as_str())
}

/// The longest id that is kept as it came, in bytes.
const LONGEST_ID: usize = 512;

/// An id made of a hash.
pub fn hash_id(hash: &[u8; 32]) -> String {
    hash.iter().take(16).fold("sha256:".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

impl Compiler<'_> {
    fn answer(&mut self, spec: &AnswerSpec) -> Option<Answer> {
        handshake::answer(spec, &self.place(&["answer"])).map_err(|diagnostic| self.diagnostics.push(*diagnostic)).ok()
    }

    fn ignored(&mut self, spec: Option<&HandshakeSpec>) -> Vec<Expression> {
        let forms = match spec {
            Some(HandshakeSpec::Several(forms)) => forms.as_slice(),
            _ => &[],
        };
        let expression = |form: &HandshakeForm| match form {
            HandshakeForm::Ignore(source) => self.condition(&["handshake"], Some(source)),
            _ => None,
        };
        forms.iter().filter_map(expression).collect()
    }

    fn dates(&mut self, spec: Option<&DatesSpec>) -> Dates {
        let details = spec.map(DatesSpec::details).unwrap_or_default();
        let zone = details.zone.and_then(|zone| {
            let unreadable = |unreadable: Unreadable| {
                let diagnostic = Diagnostic::at(&self.place(&["dates", "zone"]), unreadable.to_string());
                self.diagnostics.push(diagnostic.hint("a name as Asia/Kolkata or America/New_York"));
            };
            zone.parse().map_err(unreadable).ok()
        });
        let order = details.order.map(|order| match order {
            OrderSpec::Dmy => Order::DayMonthYear,
            OrderSpec::Mdy => Order::MonthDayYear,
            OrderSpec::Ymd => Order::YearMonthDay,
        });
        Dates { order, zone }
    }

    fn overload(&mut self, spec: Option<OverloadSpec>) -> (StatusCode, RetryAfterUnit) {
        let (status, unit) = spec.unwrap_or(OverloadSpec::Status(503)).parts();
        match status {
            429 => (StatusCode::TOO_MANY_REQUESTS, unit),
            503 => (StatusCode::SERVICE_UNAVAILABLE, unit),
            other => {
                let diagnostic =
                    Diagnostic::at(&self.place(&["overload"]), format!("{other} does not tell a sender to try again"));
                self.diagnostics.push(diagnostic.hint("503 or 429"));
                (StatusCode::SERVICE_UNAVAILABLE, unit)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_no_id;

    #[test]
    fn what_stands_for_none_is_no_id() {
        for none in [
            "",
            "-",
            "--",
            "0",
            "000",
            "00000000-0000-0000-0000-000000000000",
            "None",
            "NULL",
            "(null)",
            "N/A",
            "n/a",
            "#N/A",
            "NaN",
            "undefined",
            "(not set)",
            ".",
        ] {
            assert!(is_no_id(none), "{none}");
        }
        for id in ["1", "10", "0x1", "lead-0", "A", "NA-1042", "null-7", "-1", "Nil Rao", "ordre №5", "एक"] {
            assert!(!is_no_id(id), "{id}");
        }
    }
}
