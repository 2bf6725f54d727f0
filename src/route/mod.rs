//! A route at work: a webhook address with its source's profile, its authentication and its rules, compiled.
//!
//! From a proven, decoded call it makes what is stored. Pure, like [`crate::map`]: `try`, `check` and the webhook use
//! the same.

pub mod accounts;
mod advice;
pub mod alerts;
pub mod complete;
pub mod cors;
pub mod check;
pub mod example;
pub mod listed;
pub mod load;
pub mod reload;
mod retention;
mod rules;
mod secrets;
pub mod notifiers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::authenticate::{self, Authentic, Authentication, Given};
use crate::clock::Timestamp;
use crate::config::diagnostic::{Diagnostic, unknown};
use crate::config::handshake::HandshakeSpec;
use crate::config::relay::{AccountSpec, CallLimitSpec};
use crate::config::route::{RouteFile, TestEvents};
use crate::config::source::SourceProfileSpec;
use crate::config::{File, Written};
use crate::decode::{CallLimit, DecodeError, Decoded, Exceeded, decode, hash};
use crate::event::{Envelope, Event, Made, NewEvent};
use crate::handshake::{self, Handshakes};
use crate::map::{Allowance, RuleContext, Scope};
use crate::phone::Country;
use crate::source::{SourceProfile, Windows, hash_id, override_manner};
use cors::Cors;
use rules::Rules;

pub use rules::TestMode;

/// A webhook address, ready to take calls.
#[derive(Debug)]
pub struct Route {
    /// Its name, what follows `/webhooks/` in its address: `NAME`, or `CLIENT/NAME`.
    pub name: String,
    /// Its source's name.
    pub source: String,
    /// How its calls are proven.
    pub authentication: Authentication,
    /// What its source knows.
    pub profile: SourceProfile,
    /// Its calls that are not events.
    pub handshakes: Handshakes,
    /// Which pages may call it from a browser.
    pub cors: Cors,
    rules: Rules,
    account_country: Country,
    windows: Windows,
    limit: CallLimit,
    test_events: TestEvents,
}

/// All routes, by name.
pub type Routes = BTreeMap<String, Arc<Route>>;

/// Compiles every route of a configuration.
pub fn compile(written: &Written, diagnostics: &mut Vec<Diagnostic>) -> Routes {
    let mut routes: Vec<Route> = Vec::new();
    for file in written.routes.values() {
        match Route::compile(file, written) {
            Ok(route) => routes.push(route),
            Err(more) => diagnostics.extend(more.into_iter().map(|diagnostic| diagnostic.of_route(&file.name))),
        }
    }
    let watchers = Arc::new(routes.iter().flat_map(|route| route.rules.watchers(&route.name)).collect::<Vec<_>>());
    for route in &mut routes {
        route.rules.watch(&watchers);
    }
    routes.into_iter().map(|route| (route.name.clone(), Arc::new(route))).collect()
}

/// A route's profile: its source's, with its own over it. `None` if there is no such source.
pub fn profile_spec_of(file: &RouteFile, written: &Written) -> Option<SourceProfileSpec> {
    written.sources.get(&file.source).map(|source| override_manner(&source.value.profile_spec, &file.profile_spec))
}

impl Route {
    /// Compiles one.
    ///
    /// # Errors
    ///
    /// Every fault, each at its place.
    pub fn compile(file: &File<RouteFile>, written: &Written) -> Result<Self, Vec<Diagnostic>> {
        let spec = &file.value;
        let mut diagnostics = Vec::new();
        let relay = &written.relay.value;
        let account_name = spec.account.as_deref().unwrap_or("default");
        let account = relay.accounts.get(account_name);
        if account.is_none() {
            let place = file.node.place_of(&["account"]);
            diagnostics.push(unknown(place, "account", account_name, relay.accounts.keys()));
        }
        if spec.account.is_none() && relay.accounts.len() > 1 {
            let known: Vec<&str> = relay.accounts.keys().map(String::as_str).collect();
            let message = "there are several accounts, and the route does not say which one its sends go through";
            let diagnostic = Diagnostic::at(file.node.place_of(&["source"]), message);
            diagnostics.push(
                diagnostic.hint(format!("write `account: NAME` beside `source`; there are: {}", known.join(", "))),
            );
        }
        let label = account.map_or_else(|| account_name.to_owned(), |account| account.label(account_name));
        let rules = Rules::compile(file, &label, written, &mut diagnostics);
        let cors = Cors::compile(file, &mut diagnostics);
        let Some(source) = written.sources.get(&spec.source) else {
            let place = file.node.place_of(&["source"]);
            // one that could not be read was reported already
            if !written.unread.contains(&spec.source) {
                diagnostics.push(unknown(place, "source", &spec.source, &written.source_names()));
            }
            return Err(diagnostics);
        };
        let profile_spec = override_manner(&source.value.profile_spec, &spec.profile_spec);
        let place =
            file.node.get("secret").or_else(|| file.node.get("auth")).map_or(&file.node.place, |node| &node.place);
        let given = Given {
            route: &file.name,
            auth: profile_spec.auth.as_ref(),
            secret: spec.secret.as_ref(),
            is_secret_shared: profile_spec.handshake.as_ref().is_some_and(HandshakeSpec::signs),
            format: profile_spec.body.unwrap_or_default(),
            public_url: relay.server.public_url(),
            place,
        };
        // an `auth` that could not be read was reported already
        let unread = profile_spec.auth.is_none() && file.node.get("auth").is_some();
        let authentication =
            if unread { None } else { authenticate::compile(&given).map_err(|more| diagnostics.extend(more)).ok() };
        let mut profile = SourceProfile::compile(&profile_spec, &[&file.node, &source.node])
            .map_err(|more| diagnostics.extend(more))
            .ok();
        if account.is_some_and(AccountSpec::uses_sandbox)
            && let Some(call) = profile.as_mut().and_then(|profile| profile.enrichment.as_mut())
        {
            call.stand_in(source.value.samples.values().filter_map(|sample| sample.lookup.as_ref()));
        }
        let first = spec.secret.as_ref().and_then(|secret| secret.as_slice().first());
        let given = handshake::Given {
            secret: first.map(String::as_str),
            verify_token: spec.verify_token.as_deref(),
            place: file.node.get("verify_token").map_or(place, |node| &node.place),
        };
        let handshakes =
            Handshakes::compile(profile_spec.handshake.as_ref(), &given).map_err(|more| diagnostics.extend(more)).ok();
        let (Some(authentication), Some(profile), Some(handshakes), Some(account), true) =
            (authentication, profile, handshakes, account, diagnostics.is_empty())
        else {
            return Err(diagnostics);
        };
        Ok(Self {
            name: file.name.clone(),
            source: spec.source.clone(),
            authentication,
            profile,
            handshakes,
            cors,
            rules,
            account_country: account.default_country,
            windows: Windows { with_id: relay.store.dedup_window.0, without_id: relay.store.dedup_window_without_id.0 },
            limit: limit_of(&relay.server.call_limit),
            test_events: spec.test_events,
        })
    }

    /// Reads a proven call and makes of it what is stored: no more than one call may bring, event by event.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`] if the body is not what the source sends; [`Route::undecodable`] keeps it all the same. With
    /// [`DecodeError::Exceeded`] nothing of the call is to be kept.
    pub fn read(&self, authentic: &Authentic, at: Timestamp) -> Result<Vec<NewEvent>, DecodeError> {
        let Decoded { entries, json, hashing, envelope } = decode(authentic, &self.profile.packing, self.limit)?;
        let shared = self.profile.scope(&envelope);
        let envelope = written_envelope(&envelope);
        let (mut events, mut sum) = (Vec::new(), Sum::default());
        for entry in entries {
            let (event, scope) = self.profile.describe(entry.into_value(), &hashing, &shared, self.windows);
            if self.profile.is_ignored(&scope) {
                continue;
            }
            let test = self.profile.is_test(&scope);
            let body = json.clone().unwrap_or_else(|| event.value.to_string().into());
            let allowance = self.allowance(body.len() + envelope.len());
            let held_back = self.holds_back(test);
            let lookup = !held_back && self.needs_lookup(&scope);
            let made = if lookup || held_back { Made::default() } else { self.made(&event, &scope, (at, allowance)) };
            // nothing came of it: when the rules are fixed, the sender's repetition must count
            let window = if lookup || made.is_something() { event.window } else { Duration::ZERO };
            let event = NewEvent {
                route: self.name.clone(),
                source: self.source.clone(),
                fingerprint: self.fingerprint(&event.id, &event.kind),
                body,
                id: event.id,
                kind: event.kind,
                window,
                received_at: at,
                envelope: envelope.clone(),
                fault: None,
                test,
                lookup,
                made,
            };
            // an event whose id is not known for sure must not be kept under another
            scope.exceeded_steps().map_or(Ok(()), |steps| Err(Exceeded::Steps(steps)))?;
            sum.add(&event, self.limit)?;
            events.push(event);
        }
        Ok(events)
    }

    /// Whether nothing is to come of an event since it is a test.
    fn holds_back(&self, test: bool) -> bool {
        test && self.test_events == TestEvents::Keep
    }

    /// What the rules make of an event.
    fn made(&self, event: &Event, scope: &Scope, (at, allowance): (Timestamp, Allowance)) -> Made {
        let scope = scope.with_event(event, &self.name, &self.source, at);
        self.rules.apply(&scope, RuleContext { country: Some(self.account_country), received_at: at }, allowance)
    }

    /// What the rules may make of one event that takes so many bytes itself.
    fn allowance(&self, bytes: usize) -> Allowance {
        Allowance { sends: self.limit.sends, bytes: self.limit.stored.saturating_sub(bytes) }
    }

    /// The rules that make sends, with what tells whether they were changed.
    pub fn versions(&self) -> impl Iterator<Item = (&str, i64)> {
        self.rules.versions()
    }

    /// The country of numbers without country code, where neither rule nor event says it.
    pub fn account_country(&self) -> Country {
        self.account_country
    }

    /// Whether no call is made for its sends at present, or somebody else gets them.
    pub fn test_mode(&self) -> &TestMode {
        self.rules.test_mode()
    }

    /// What is stored of a proven call that could not be decoded: the raw body and the reason.
    pub fn undecodable(&self, authentic: &Authentic, error: &DecodeError, at: Timestamp) -> NewEvent {
        let id = hash_id(&hash(&authentic.call().body));
        // a secret in a body that cannot be read cannot be taken out of it
        let hidden = authentic.hidden();
        let hides = !hidden.fields.is_empty() || !self.profile.packing.redact.is_empty() || authentic.says_a_secret();
        let (body, fault) = if hides {
            (Bytes::new(), format!("{error}; the body is not kept, since it may hold a secret"))
        } else {
            (authentic.call().body.clone(), error.to_string())
        };
        NewEvent {
            route: self.name.clone(),
            source: self.source.clone(),
            fingerprint: self.fingerprint(&id, ""),
            id,
            kind: String::new(),
            window: self.windows.without_id,
            received_at: at,
            body,
            envelope: written_envelope(&crate::decode::envelope(authentic)),
            fault: Some(fault),
            test: false,
            lookup: false,
            made: Made::default(),
        }
    }

    fn fingerprint(&self, id: &str, kind: &str) -> [u8; 16] {
        let whole = hash(format!("{}\0{}", self.name, self.profile.identity(id, kind)).as_bytes());
        let mut first = [0; 16];
        first.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        first
    }
}

/// What a call has come to so far.
#[derive(Default)]
struct Sum {
    events: usize,
    sends: usize,
    stored: usize,
}

impl Sum {
    fn add(&mut self, event: &NewEvent, limit: CallLimit) -> Result<(), Exceeded> {
        let sends = &event.made.sends;
        self.events += 1;
        // one that failed messages nobody, and must not keep the others out
        self.sends += sends.iter().filter(|send| send.content.is_ok()).count();
        self.stored += event.bytes();
        // what one event may come to was bounded when it was mapped: it is kept, with the reason
        match self {
            Self { events: 1, .. } => Ok(()),
            Self { sends, .. } if *sends > limit.sends => Err(Exceeded::Sends(limit.sends)),
            Self { stored, .. } if *stored > limit.stored => Err(Exceeded::Stored(limit.stored)),
            _ => Ok(()),
        }
    }
}

fn limit_of(spec: &CallLimitSpec) -> CallLimit {
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    CallLimit { events: count(spec.events), sends: count(spec.sends), stored: spec.stored.0 }
}

fn written_envelope(envelope: &Envelope) -> String {
    serde_json::to_string(envelope).unwrap_or_else(|_| "{}".into())
}
