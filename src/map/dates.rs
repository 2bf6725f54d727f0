//! The dates of events in templates: how they are written is known of the route.

use std::sync::Arc;

use minijinja::value::{Object, ValueKind};
use minijinja::{Environment, Error, State, Value};

use super::filters::{is_empty, pay, read, usage};
use super::{Scope, text};
use crate::event::UnmappedReason;
use crate::hours::{self, Zone};
use crate::moment::{Dates, NoMoment, Written};

/// Where a scope has what is known of dates: no template can name it.
pub const KEY: &str = " dates";

/// How much of a value that is not what it should be is repeated, in characters.
const SHOWN_LIMIT: usize = 100;

/// What is known of dates, as a value that templates do not see.
#[derive(Debug)]
pub struct Known(pub Dates);

impl Object for Known {}

fn known(value: Option<Value>) -> Arc<Known> {
    value.and_then(|value| value.downcast_object::<Known>()).unwrap_or_else(|| Arc::new(Known(Dates::default())))
}

/// Puts the filter into an environment.
pub fn register(environment: &mut Environment<'_>) {
    environment.add_filter("date", date);
}

fn date(state: &State, value: Value, format: Option<String>, zone: Option<String>) -> Result<Value, Error> {
    pay(state, format.as_ref().map_or(0, String::len) + zone.as_ref().map_or(0, String::len))?;
    if is_empty(state, &value)? {
        return Ok(Value::UNDEFINED);
    }
    let text = match of_parts(state, &value)? {
        Some(text) => text,
        None => read(state, &value)?.unwrap_or_default(),
    };
    let known = known(state.lookup(KEY));
    let written = Written::read(&text, known.0.order).map_err(told)?;
    let (at, own) = written.in_zone(known.0.zone.as_ref().unwrap_or(&Zone::UTC));
    let moment = at.to_zoned(own).map_err(|_| told(NoMoment::Nowhere(text)))?;
    // a day without a time is the same day everywhere
    let moment = match zone.filter(|_| written.has_time()) {
        Some(zone) => moment.in_tz(&zone).map_err(|_| {
            usage(format!("`{}` is not a time zone, as Asia/Kolkata", text::truncate(&zone, SHOWN_LIMIT, "…")))
        })?,
        None => moment,
    };
    let format = format.unwrap_or_else(|| "%d %b %Y".into());
    let text = jiff::fmt::strtime::format(&format, &moment).map_err(|error| {
        usage(format!("`{}` is not a date format: {error}", text::truncate(&format, SHOWN_LIMIT, "…")))
    })?;
    Ok(Value::from(text))
}

/// A date that came in parts, as form builders send it: `{"day": "26", "month": "11", "year": "2026"}`, with an hour or without.
fn of_parts(state: &State, value: &Value) -> Result<Option<String>, Error> {
    if value.kind() != ValueKind::Map {
        return Ok(None);
    }
    let part = |key: &str| Ok::<_, Error>(read(state, &value.get_attr(key)?)?.filter(|text| !text::is_blank(text)));
    let (Some(year), Some(month), Some(day)) = (part("year")?, part("month")?, part("day")?) else { return Ok(None) };
    let time = match (part("hour")?, part("min")?) {
        (Some(hour), Some(minute)) => format!(" {hour}:{minute:0>2} {}", part("ampm")?.unwrap_or_default()),
        _ => String::new(),
    };
    Ok(Some(format!("{year}-{month:0>2}-{day:0>2}{time}").trim_end().to_owned()))
}

/// The error that a filter gives; what is wrong stays known as what it is.
fn told(error: NoMoment) -> Error {
    usage("the date cannot be read").with_source(error)
}

/// The moment that a text names, in the zone that it says, or that is known of the route's dates, or else in this one.
///
/// # Errors
///
/// That it is none, or a day without a time.
pub fn moment_of(text: &str, scope: &Scope, zone: &Zone) -> Result<crate::clock::Timestamp, MomentError> {
    let known = known(scope.value().get_attr(KEY).ok());
    let written = Written::read(text, known.0.order)?;
    if !written.has_time() {
        return Err(MomentError::NoTime(text.trim().to_owned()));
    }
    let (at, zone) = written.in_zone(known.0.zone.as_ref().unwrap_or(zone));
    hours::moment(&zone, at).ok_or_else(|| NoMoment::Nowhere(text.trim().to_owned()).into())
}

/// A text names no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
    /// It cannot be read.
    #[error(transparent)]
    NoMoment(#[from] NoMoment),
    /// A day alone.
    #[error("`{0}` is a day without a time: it should be as {0} 15:00")]
    NoTime(String),
}

impl From<MomentError> for UnmappedReason {
    fn from(error: MomentError) -> Self {
        match error {
            MomentError::NoMoment(NoMoment::Ambiguous { .. } | NoMoment::OtherOrder { .. }) => {
                Self::AmbiguousDate(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}
