//! Takes webhooks: look the route up, read, authenticate, decode and map, store, wake the deliverer, answer.
//!
//! A webhook never waits for Serri: nothing here knows it. A 2xx is given only for what is on disk.

mod cors;
mod finish;
mod gzip;
mod means;
mod memory;
mod problem;
mod read;
mod stack;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde_json::json;
use tokio::sync::{Notify, SemaphorePermit};
use tokio_util::sync::DropGuard;

use crate::authenticate::{Authentic, Refusal};
use crate::call::{Answer, Call};
use crate::clock::{Stopwatch, Timestamp};
use crate::config::diagnostic::did_you_mean;
use crate::config::source::RetryAfterUnit;
use crate::decode::DecodeError;
use crate::event::{Kept, NewEvent};
use crate::handshake::Reply;
use crate::route::load::{FaultyRoutes, Serves};
use crate::route::notifiers::LookupNotifiers;
use crate::route::{Route, Routes};
use memory::Full;
use problem::ReceiveError;

pub use means::{Bounds, Means};
pub use problem::{Problem, as_problem};
pub use stack::router;

/// What takes calls, as one configuration says. A new configuration makes a new one; calls that were begun are finished by
/// the old.
pub struct Receiver {
    /// The routes, by name.
    pub routes: Arc<Routes>,
    /// Routes with faults, by name; of those that still take calls, the faults alone are here.
    pub faulty: Arc<FaultyRoutes>,
    /// Dropped with the last call that was begun by it.
    pub in_use: Option<DropGuard>,
    /// Told when an event was stored that needs a lookup.
    pub lookup: Arc<LookupNotifiers>,
    /// The bounds of what is worked on.
    pub bounds: Bounds,
    /// What it works with.
    pub means: Arc<Means>,
}

/// A body larger than this, in bytes, is authenticated and mapped alone: what a JSON parser makes of it can be a hundred
/// times as large, and it shall not keep all processors from the small ones.
const LARGE: usize = 128 * 1_024;

/// What came of a call, for the log and the count; it travels with the response.
#[derive(Debug, Clone, Default)]
struct Report {
    route: Option<String>,
    outcome: &'static str,
    event: Option<String>,
    events: usize,
    sends: usize,
    unmapped: usize,
    reason: Option<String>,
}

async fn webhook(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let Some(route) = receiver.route_of(request.uri()) else {
        return receiver.without_route(request.method(), request.uri()).respond(None);
    };
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = if request.method() == Method::OPTIONS {
        cors::preflight(route, request.headers())
    } else {
        receiver.receive(route, request).await.unwrap_or_else(|error| error.respond(Some(route)))
    };
    cors::share(route, origin.as_ref(), &mut response);
    response
}

impl Receiver {
    /// The route of an address. What stands behind its name, a secret perhaps, is for [`crate::authenticate`].
    fn route_of(&self, uri: &Uri) -> Option<&Arc<Route>> {
        self.routes.get(self.name_in(uri))
    }

    /// The name of the route in an address: that of a client's route, if there is one, before a route of one's own with a
    /// secret behind it.
    fn name_in<'a>(&self, uri: &'a Uri) -> &'a str {
        let is_known = |name: &&str| self.routes.contains_key(*name) || self.faulty.contains_key(*name);
        let (short, long) = names_in(uri);
        long.filter(is_known).unwrap_or(short)
    }

    /// Whether some client has this name.
    fn is_client(&self, name: &str) -> bool {
        let mut names = self.routes.keys().chain(self.faulty.keys());
        names.any(|route| route.split_once('/').is_some_and(|(client, _)| client == name))
    }

    /// Why no route takes a call.
    fn without_route(&self, method: &Method, uri: &Uri) -> ReceiveError {
        let name = self.name_in(uri);
        // of a client's directory that cannot be read, nobody knows what was in it
        let of_directory = || self.faulty.get(&format!("{name}/"));
        match self.faulty.get(name).or_else(of_directory) {
            Some(faulty) => {
                let manner = match faulty.serves {
                    Serves::Nothing(status, unit) => (status, unit),
                    Serves::LastGood => (StatusCode::SERVICE_UNAVAILABLE, RetryAfterUnit::S),
                };
                ReceiveError::FaultyRoute { route: name.to_owned(), faults: faulty.faults.join("; "), manner }
            }
            None => {
                let like = |name| did_you_mean(name, self.routes.keys().map(String::as_str));
                // what follows a client's name may be a secret all the same, unless it is like the name of a route
                let of_client = names_in(uri).1.filter(|_| self.is_client(name)).and_then(like);
                let shown = if of_client.is_some() { 2 } else { 1 };
                let meant = of_client.or_else(|| like(name)).map(ToOwned::to_owned);
                ReceiveError::NoSuchRoute { called: called(method, uri, shown), meant }
            }
        }
    }

    async fn receive(&self, route: &Arc<Route>, request: Request) -> Result<Response, ReceiveError> {
        let deadline = Deadline { watch: Stopwatch::start(), after: self.bounds.request_timeout };
        let (call, _memory) = deadline.bound(read::call(request, self.bounds.body_limit, &self.means.memory)).await??;
        match route.handshakes.reply(&call) {
            Some(Reply::Answer(answer)) => return Ok(respond(&answer, route, "handshake", &[], &[])),
            Some(Reply::Refused) => return Err(Refusal::Wrong.into()),
            None => {}
        }
        check_method(route, &call)?;
        let is_large = call.body.len() > LARGE;
        let mut turn = self.turn(is_large, &deadline).await?;
        let now = self.means.clock.now();
        let (mut route, mut authentic) = self.prove(route, call, now)?;
        let mut events = match route.read(&authentic, now) {
            Ok(events) => events,
            Err(DecodeError::Exceeded(over)) => return Err(ReceiveError::Exceeded(over)),
            Err(error) => {
                deadline.check()?;
                self.means.store.append(vec![route.undecodable(&authentic, &error, now)]).await?;
                return Err(error.into());
            }
        };
        let bytes = events.iter().map(NewEvent::memory).sum();
        let _room = match self.means.storing.try_reserve(bytes) {
            Ok(room) => room,
            Err(Full) => {
                // what waits for room takes none, nor a turn: the events are made of the call once more
                drop((std::mem::take(&mut events), turn));
                let reserve = self.means.storing.reserve(bytes);
                let room = deadline.bound(reserve).await.map_err(|_| ReceiveError::NoRoom)?;
                turn = self.turn(is_large, &deadline).await?;
                (route, authentic) = self.prove(&route, authentic.into_call(), now)?;
                events = route.read(&authentic, now)?;
                room
            }
        };
        let (alone, _working) = turn;
        drop(alone);
        let shown: Vec<Shown> = events.iter().map(Shown::of).collect();
        // from here on the sender hears what became of the event, however long that takes
        deadline.check()?;
        let kept = if events.is_empty() { Vec::new() } else { self.means.store.append(events).await? };
        self.means.wake.notify_one();
        if shown.iter().any(|shown| shown.lookup) {
            self.lookup.of(&route.name).into_iter().for_each(Notify::notify_one);
        }
        Ok(respond(&route.profile.answer, &route, "", &shown, &kept))
    }

    /// Proves a call to the route as it is in force now: its sender may have taken its time, and the rules of when it began may
    /// be gone. Where the route is gone, or would refuse the call, it is what it was when the call began.
    fn prove(&self, route: &Arc<Route>, call: Call, now: Timestamp) -> Result<(Arc<Route>, Authentic), Refusal> {
        if let Some(newer) = self.means.newer_than(route)
            && newer.profile.methods.contains(&call.method)
            && let Ok(authentic) = newer.authentication.prove(call.clone(), now)
        {
            return Ok((newer, authentic));
        }
        Ok((Arc::clone(route), route.authentication.prove(call, now)?))
    }

    /// A call's turn to be worked on, among the large ones and among all.
    async fn turn(&self, is_large: bool, deadline: &Deadline) -> Result<Turn<'_>, ReceiveError> {
        // nobody closes these
        let alone = if is_large { deadline.bound(self.means.large.acquire()).await?.ok() } else { None };
        Ok((alone, deadline.bound(self.means.working.acquire()).await?.ok()))
    }
}

/// What may be the name of the route in an address: the first step, and the first two if there are as many.
fn names_in(uri: &Uri) -> (&str, Option<&str>) {
    let steps = uri.path().strip_prefix("/webhooks/").unwrap_or_default();
    let Some((first, rest)) = steps.split_once('/') else { return (steps, None) };
    let second = rest.split('/').next().unwrap_or_default();
    let both = steps.get(..first.len() + 1 + second.len());
    (first, both.filter(|_| !second.is_empty()))
}

/// How much of an address is shown, in characters.
const SHOWN: usize = 100;

/// Method and address of a call as they are logged: neither the query nor what stands behind a route's name of so many steps,
/// where a secret may be.
pub(crate) fn called(method: &Method, uri: &Uri, name: usize) -> String {
    let before = 2 + name;
    let mut steps = uri.path().splitn(before + 1, '/');
    let first: Vec<&str> = steps.by_ref().take(before).collect();
    let rest = if steps.next().is_some_and(|rest| !rest.is_empty()) { "/..." } else { "" };
    let path: String = first.join("/").chars().take(SHOWN).collect();
    format!("{method} {path}{rest}")
}

/// The turn of a large call among the large ones, and a call's among all.
type Turn<'a> = (Option<SemaphorePermit<'a>>, Option<SemaphorePermit<'a>>);

/// When a call has taken too long for anything of it to be kept.
struct Deadline {
    watch: Stopwatch,
    after: Duration,
}

impl Deadline {
    async fn bound<T>(&self, work: impl Future<Output = T>) -> Result<T, ReceiveError> {
        let left = self.after.saturating_sub(self.watch.elapsed());
        tokio::time::timeout(left, work).await.map_err(|_| ReceiveError::TimedOut)
    }

    fn check(&self) -> Result<(), ReceiveError> {
        if self.watch.elapsed() > self.after { Err(ReceiveError::TimedOut) } else { Ok(()) }
    }
}

/// What the answer tells of an event.
struct Shown {
    id: String,
    sends: usize,
    test: bool,
    lookup: bool,
    /// It changed what is wanted: a number that must not be messaged, a send that is cancelled.
    changes: bool,
    problem: Option<String>,
}

impl Shown {
    fn of(event: &NewEvent) -> Self {
        let problem = event.made.sends.iter().find_map(|send| send.content.as_ref().err().map(ToString::to_string));
        let sends = event.made.sends.iter().filter(|send| send.content.is_ok()).count();
        let changes = !event.made.suppressions.is_empty() || !event.made.cancels.is_empty();
        Self { id: event.id.clone(), sends, test: event.test, lookup: event.lookup, changes, problem }
    }
}

fn check_method(route: &Route, call: &Call) -> Result<(), ReceiveError> {
    if route.profile.methods.contains(&call.method) {
        return Ok(());
    }
    Err(ReceiveError::Method(cors::methods(route)))
}

fn respond(answer: &Answer, route: &Route, outcome: &'static str, shown: &[Shown], kept: &[Kept]) -> Response {
    let fresh: Vec<&Shown> =
        shown.iter().zip(kept).filter(|(_, kept)| **kept == Kept::New).map(|(shown, _)| shown).collect();
    let (sends, unmapped) =
        (fresh.iter().map(|shown| shown.sends).sum(), fresh.iter().filter(|shown| shown.problem.is_some()).count());
    let status = match outcome {
        "" if fresh.is_empty() && !shown.is_empty() => "duplicate",
        "" if sends == 0 && unmapped == 0 && fresh.iter().all(|shown| shown.test) && !fresh.is_empty() => "test",
        "" if sends == 0 && unmapped == 0 && !fresh.iter().any(|shown| shown.lookup || shown.changes) => "ignored",
        "" => "accepted",
        other => other,
    };
    let reason = fresh.iter().find_map(|shown| shown.problem.clone());
    let code = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = match &answer.body {
        Some((body, kind)) => {
            let mut response = (code, body.clone()).into_response();
            if let Ok(kind) = HeaderValue::from_str(kind) {
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
            }
            response
        }
        None => {
            let sends_of = |shown: &Shown, kept: Kept| if kept == Kept::New { shown.sends } else { 0 };
            let events: Vec<_> = shown
                .iter()
                .zip(kept)
                .map(|(shown, kept)| match (shown.lookup, kept) {
                    // what it comes to is known when the rest was read
                    (true, Kept::New) => json!({ "id": shown.id, "sends": 0, "lookup": true }),
                    _ if shown.test => json!({ "id": shown.id, "sends": sends_of(shown, *kept), "test": true }),
                    _ => json!({ "id": shown.id, "sends": sends_of(shown, *kept) }),
                })
                .collect();
            (code, Json(json!({ "status": status, "events": events }))).into_response()
        }
    };
    if let Some((name, value)) = &answer.header {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    let outcome = if unmapped > 0 { "unmapped" } else { status };
    let event = shown.first().map(|shown| shown.id.clone());
    response.extensions_mut().insert(Report {
        route: Some(route.name.clone()),
        outcome,
        event,
        events: shown.len(),
        sends,
        unmapped,
        reason,
    });
    response
}
