//! Whom a call made by hand messages: with a key nobody but the number that was named.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::call::Call;
use crate::clock::Timestamp;
use crate::phone::{self, Country};
use crate::route::Route;

/// So many digits at the end of two numbers make them one, with a country code or without.
const TAIL: usize = 9;

/// The call with this number in place of those that it would message.
///
/// # Errors
///
/// If it is not a number, or the call would message somebody else all the same.
pub fn aimed_at(number: &str, country: Country, route: &Route, call: Call, at: Timestamp) -> anyhow::Result<Call> {
    let number = phone::normalise(number, Some(country)).with_context(|| format!("--to {number}"))?;
    let tails: BTreeSet<String> = messaged(route, &call, at)?.iter().map(|number| tail(number)).collect();
    let aimed = replaced(call, &|text: &str| is_one_of(text, &tails).then(|| number.clone()));
    let others: Vec<String> = messaged(route, &aimed, at)?.into_iter().filter(|other| *other != number).collect();
    if let Some(other) = others.first() {
        bail!("the call would message {other} as well: put your own number into a file, and post that");
    }
    Ok(aimed)
}

/// The numbers that a call would message.
fn messaged(route: &Route, call: &Call, at: Timestamp) -> anyhow::Result<BTreeSet<String>> {
    let events = route.read(&route.authentication.assume(call.clone()), at)?;
    if events.iter().any(|event| event.lookup) {
        bail!(
            "a part of the event is read from its sender first, so that nobody knows whom it would message; use the sandbox (an account without api_key)"
        );
    }
    let sends = events.into_iter().flat_map(|event| event.made.sends);
    Ok(sends.filter_map(|send| send.content.ok()).map(|content| content.destination).collect())
}

fn tail(text: &str) -> String {
    let digits: Vec<char> =
        text.chars().filter_map(|c| c.to_digit(10)).filter_map(|d| char::from_digit(d, 10)).collect();
    digits.iter().skip(digits.len().saturating_sub(TAIL)).collect()
}

fn is_one_of(text: &str, tails: &BTreeSet<String>) -> bool {
    let is_number = text.chars().all(|c| c.is_ascii_digit() || c.is_whitespace() || "+-()./".contains(c));
    is_number && text.len() <= 40 && tails.contains(&tail(text))
}

/// A call with other values, wherever values stand in its body or query.
fn replaced(mut call: Call, replace: &impl Fn(&str) -> Option<String>) -> Call {
    let pairs = |text: &[u8]| {
        let pairs = form_urlencoded::parse(text).map(|(key, value)| {
            let value = replace(&value).unwrap_or_else(|| value.into_owned());
            (key.into_owned(), value)
        });
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    };
    if let Some(query) = call.uri.query() {
        call.uri = format!("{}?{}", call.uri.path(), pairs(query.as_bytes())).parse().unwrap_or(call.uri);
    }
    let kind = call.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if let Ok(mut json) = serde_json::from_slice::<Value>(&call.body) {
        in_json(&mut json, replace);
        call.body = Bytes::from(json.to_string());
    } else if kind.starts_with("application/x-www-form-urlencoded") {
        call.body = Bytes::from(pairs(&call.body));
    } else {
        // parts and elements: values stand between line breaks, quotes or brackets
        let text = String::from_utf8_lossy(&call.body).into_owned();
        let is_edge = |c: char| matches!(c, '\r' | '\n' | '"' | '<' | '>');
        let text = text.split_inclusive(is_edge).map(|part| {
            let value = part.trim_end_matches(is_edge);
            let edge = part.strip_prefix(value).unwrap_or("");
            replace(value).map_or_else(|| part.to_owned(), |value| format!("{value}{edge}"))
        });
        call.body = Bytes::from(text.collect::<String>());
    }
    call
}

fn in_json(json: &mut Value, replace: &impl Fn(&str) -> Option<String>) {
    match json {
        Value::String(text) => {
            // a form may hold JSON in a field
            if let Ok(mut inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str::<Value>(text) {
                in_json(&mut inner, replace);
                *text = inner.to_string();
            } else if let Some(value) = replace(text) {
                *text = value;
            }
        }
        Value::Number(number) => {
            if let Some(value) = replace(&number.to_string()) {
                *json = Value::String(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| in_json(item, replace)),
        Value::Object(map) => map.values_mut().for_each(|item| in_json(item, replace)),
        Value::Null | Value::Bool(_) => {}
    }
}
