//! What the API works on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::StatusCode;
use tokio::sync::{Mutex, Notify};
use tokio_util::task::TaskTracker;

use crate::alert::Notifications;
use crate::clock::{Clock, Stopwatch};
use crate::event::act::{Acted, Action};
use crate::event::plain_account;
use crate::event::view::{Condition, Filter, Page};
use crate::phone::{self, Country};
use crate::receive::Problem;
use crate::route::Routes;
use crate::route::load::FaultyRoutes;
use crate::route::notifiers::LookupNotifiers;
use crate::route::reload::ReloadRequests;
use crate::serri::sandbox::Sandbox;
use crate::store::{Archive, Operate, StoreError};
use crate::telemetry::Metrics;

/// A relay, for whoever runs it.
pub struct AdminState {
    /// What people ask for.
    pub archive: Arc<dyn Archive>,
    /// What they do.
    pub operate: Arc<dyn Operate>,
    /// The routes, by name.
    pub routes: Arc<Routes>,
    /// Routes with faults, by name.
    pub faulty: Arc<FaultyRoutes>,
    /// Where one asks for the configuration to be taken anew.
    pub reload: ReloadRequests,
    /// How the routes' calls fare, among what is counted.
    pub metrics: Arc<Metrics>,
    /// The accounts as sends name them, with the country of their numbers.
    pub accounts: BTreeMap<String, Country>,
    /// Where changes of holds are reported.
    pub notifications: Arc<Notifications>,
    /// The time.
    pub clock: Clock,
    /// Told when there is something to send.
    pub wake: Arc<Notify>,
    /// Told when there is something to look up.
    pub due: Arc<LookupNotifiers>,
    /// What stands in for Serri, if anything does.
    pub sandbox: Option<Sandbox>,
    /// What goes on although whoever asked for it hung up.
    pub tasks: TaskTracker,
    /// One person is erased at a time.
    pub erasing: Arc<Mutex<()>>,
}

/// The longest name or reason that is taken, in characters.
pub const LONGEST: usize = 500;

/// How many entries a page has, unless somebody says otherwise; and at most.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 1_000;

/// How long a page is read.
const PATIENCE: Duration = Duration::from_secs(5);

/// What comes of a request.
pub type Answer<T> = Result<T, Problem>;

/// Why nothing comes of one.
pub fn problem(status: StatusCode, detail: impl Into<String>) -> Problem {
    Problem { status, detail: detail.into() }
}

/// The store could not be used, or not for this.
pub fn unusable(error: StoreError) -> Problem {
    let status = match error {
        StoreError::TooLong(_) => StatusCode::BAD_REQUEST,
        StoreError::Refused(_) => StatusCode::INTERNAL_SERVER_ERROR,
        StoreError::Unavailable(_) | StoreError::Closed => StatusCode::SERVICE_UNAVAILABLE,
    };
    problem(status, error.to_string())
}

/// The store could not be used any more when a part was done already.
pub fn half_done(wrong: Problem, done: usize, what: &str) -> Problem {
    if done == 0 {
        return wrong;
    }
    let detail = format!("{}; {done} were {what} before: ask for the same again to go on", wrong.detail);
    Problem { detail, ..wrong }
}

impl AdminState {
    /// Carries out what a person decided, and tells whoever has to know.
    pub async fn act(&self, action: Action) -> Answer<Acted> {
        let acted = self.operate.act(action, self.clock.now()).await.map_err(unusable)?;
        self.notifications.tell(acted.holds.clone());
        self.wake.notify_one();
        Ok(acted)
    }

    /// An account as sends name it.
    pub fn account(&self, name: &str) -> Answer<String> {
        let known = self.accounts.keys().find(|label| *label == name || plain_account(label) == name);
        // what was made while it had no key can be asked for as well
        let of_sandbox = self.accounts.contains_key(plain_account(name)).then(|| name.to_owned());
        known.cloned().or(of_sandbox).ok_or_else(|| {
            let known: Vec<&str> = self.accounts.keys().map(String::as_str).collect();
            problem(StatusCode::BAD_REQUEST, format!("there is no account `{name}`; there are: {}", known.join(", ")))
        })
    }

    /// A number in E.164, however it is written, as in the country of the default account.
    pub fn number(&self, text: &str) -> Answer<String> {
        let default = self.accounts.keys().find(|label| plain_account(label) == "default");
        self.number_of(text, default.map_or("", String::as_str))
    }

    /// The same, as in the country of an account, or of the first one if there is no such.
    pub fn number_of(&self, text: &str, account: &str) -> Answer<String> {
        let country = self.accounts.get(account).or_else(|| self.accounts.values().next()).copied();
        phone::normalise(text, country).map_err(|error| {
            problem(StatusCode::BAD_REQUEST, format!("`{text}`: {error}; write it in full, as +919812345670"))
        })
    }

    /// A filter of sends. What only events have is refused: left out, it would mean all.
    pub fn filter(&self, filter: Filter) -> Answer<Filter> {
        if filter.text.is_some() {
            let detail = "`text`: only events are searched for a text; find the event, and then its sends by `event`";
            return Err(problem(StatusCode::BAD_REQUEST, detail));
        }
        if filter.state.is_some_and(Condition::is_of_events) {
            let detail =
                "`state`: only events are `unmapped` or `undecodable`; a send of a rule that failed is `failed`";
            return Err(problem(StatusCode::BAD_REQUEST, detail));
        }
        self.filter_of_events(filter)
    }

    /// A filter as people write it: numbers in any form, accounts by their plain name.
    pub fn filter_of_events(&self, mut filter: Filter) -> Answer<Filter> {
        if let Some(text) = filter.text.as_ref().filter(|text| text.trim().is_empty() || text.chars().count() > LONGEST)
        {
            let detail =
                format!("`text`: write 1 to {LONGEST} characters that events hold, not {}", text.chars().count());
            return Err(problem(StatusCode::BAD_REQUEST, detail));
        }
        filter.number = filter.number.map(|number| self.number(&number)).transpose()?;
        filter.account = filter.account.map(|account| self.account(&account)).transpose()?;
        if let Some(cursor) = filter.cursor.as_ref().filter(|cursor| cursor.parse::<i64>().is_err()) {
            let detail = format!("`cursor`: `{cursor}` is none; take the `next` of the page before");
            return Err(problem(StatusCode::BAD_REQUEST, detail));
        }
        if filter.limit == Some(0) {
            return Err(problem(StatusCode::BAD_REQUEST, "`limit`: 0 is none; leave it out, or ask for 1 or more"));
        }
        let since = moment("since", filter.since.as_deref())?;
        let until = moment("until", filter.until.as_deref())?;
        if let Some((since, until)) = since.zip(until).filter(|(since, until)| since >= until) {
            let detail = format!(
                "nothing lies between `since` ({since}) and `until` ({until}): `since` has to be before `until`"
            );
            return Err(problem(StatusCode::BAD_REQUEST, detail));
        }
        Ok(filter)
    }
}

/// A moment as callers of the API write it.
fn moment(key: &str, text: Option<&str>) -> Answer<Option<jiff::Timestamp>> {
    text.map(str::parse).transpose().map_err(|_| {
        let text = text.unwrap_or_default();
        problem(StatusCode::BAD_REQUEST, format!("`{key}`: `{text}` is not a moment; write it as 2026-12-01T09:00:00Z"))
    })
}

/// A page of a list, read part by part until it is full, there is no more, or it takes too long: then the page says where
/// to go on.
pub async fn page<'a, T>(
    mut filter: Filter,
    read: impl Fn(Filter) -> BoxFuture<'a, Result<Page<T>, StoreError>>,
) -> Answer<Page<T>> {
    let watch = Stopwatch::start();
    let limit = filter.limit.unwrap_or(PAGE).min(LONGEST_PAGE);
    let mut items = Vec::new();
    loop {
        filter.limit = Some(limit.saturating_sub(items.len()));
        let part = read(filter.clone()).await.map_err(unusable)?;
        items.extend(part.items);
        if part.next.is_none() || items.len() >= limit || watch.elapsed() > PATIENCE {
            return Ok(Page { items, next: part.next });
        }
        filter.cursor = part.next;
    }
}
