//! `examples:` of a route file: calls and what must come of them, run by `check` and by tests.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::{Value, json};

use super::Route;
use crate::call::Call;
use crate::clock::Timestamp;
use crate::config::diagnostic::{Diagnostic, unknown};
use crate::config::route::{ExampleSpec, RouteFile};
use crate::config::source::{BodyFormat, SampleSpec, SourceProfileSpec};
use crate::config::{File, Written};
use crate::event::{Made, NewSend, Priority, SendOptions, Suppression, Unmapped, UnmappedReason};

/// When examples happen: a fixed moment, so that `meta.received_at` is the same every time.
const WHEN: Timestamp = Timestamp(1_767_085_200_000);

/// Runs a route's examples; each that does not come out as it says is a fault.
pub fn run(route: &Route, file: &File<RouteFile>, written: &Written, diagnostics: &mut Vec<Diagnostic>) {
    let Some(profile_spec) = super::profile_spec_of(&file.value, written) else { return };
    let samples = written.sources.get(&file.value.source).map(|source| &source.value.samples);
    for sample in samples.into_iter().flat_map(BTreeMap::values) {
        ambiguous_dates(route, file, call_of(sample, &profile_spec), sample.lookup.as_ref(), diagnostics);
    }
    for (index, example) in file.value.examples.iter().enumerate() {
        let index = index.to_string();
        let place = |path: &[&str]| {
            file.node
                .place_of(&["examples", &index].into_iter().chain(path.iter().copied()).collect::<Vec<_>>())
                .clone()
        };
        let sample = example.sample.as_ref().map(|name| samples.and_then(|samples| samples.get(name)).ok_or(name));
        if let Some(Err(name)) = sample {
            let known: Vec<&String> = samples.map(|samples| samples.keys().collect()).unwrap_or_default();
            diagnostics.push(unknown(&place(&["sample"]), "sample", name, known));
            continue;
        }
        let sample = merged(example, sample.and_then(Result::ok));
        match outcome(route, call_of(&sample, &profile_spec), sample.lookup.as_ref()) {
            Ok((sends, kinds)) => compare(example, (&sends, &kinds), &place, diagnostics),
            Err(reason) => {
                diagnostics.push(Diagnostic::at(&place(&[]), format!("example `{}`: {reason}", example.name)));
            }
        }
    }
}

/// The sends, as JSON with the rule's name, that come of a route's examples and of its source's samples.
pub fn sends(route: &Route, file: &File<RouteFile>, written: &Written) -> Vec<Value> {
    let Some(profile_spec) = super::profile_spec_of(&file.value, written) else { return Vec::new() };
    let samples = written.sources.get(&file.value.source).map(|source| &source.value.samples);
    let of_example = |example: &ExampleSpec| {
        let sample = example.sample.as_ref().and_then(|name| samples.and_then(|samples| samples.get(name)));
        merged(example, sample)
    };
    let calls =
        file.value.examples.iter().map(of_example).chain(samples.into_iter().flat_map(BTreeMap::values).cloned());
    let made = calls.filter_map(|call| outcome(route, call_of(&call, &profile_spec), call.lookup.as_ref()).ok());
    made.flat_map(|(sends, _)| sends).collect()
}

/// Reports the dates of a sample that can be read in several ways, where a rule reads them.
fn ambiguous_dates(
    route: &Route,
    file: &File<RouteFile>,
    call: Call,
    lookup: Option<&Value>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Ok(mut events) = route.read(&route.authentication.assume(call), WHEN) else { return };
    if let Some(answers) = lookup
        && route.complete_all(&mut events, answers).is_err()
    {
        return;
    }
    let unmapped = events.iter().flat_map(|event| &event.made.sends).filter_map(|send| send.content.as_ref().err());
    for Unmapped { rule, key, reason } in unmapped {
        let UnmappedReason::AmbiguousDate(reason) = reason else { continue };
        let index = file.value.sends.iter().position(|spec| spec.name == *rule).unwrap_or_default().to_string();
        let key = key.split('[').next().unwrap_or(key);
        let diagnostic = Diagnostic::at(file.node.place_of(&["sends", &index, key]), reason.clone());
        if !diagnostics.iter().any(|known| known.one_line() == diagnostic.one_line()) {
            diagnostics.push(diagnostic);
        }
    }
}

/// The sends of a call, as JSON with the rule's name, or why there is one too few; and the types of its events.
fn outcome(route: &Route, call: Call, lookup: Option<&Value>) -> Result<(Vec<Value>, Vec<String>), String> {
    let authentic = route.authentication.assume(call);
    let mut events = route.read(&authentic, WHEN).map_err(|error| error.to_string())?;
    if events.iter().any(|event| event.lookup) {
        let answers = lookup.ok_or("its events need a lookup: write `lookup:` with what the read call answers")?;
        route.complete_all(&mut events, answers)?;
    }
    let sends = events.iter().flat_map(|event| shown_of(&event.made)).collect();
    Ok((sends, events.into_iter().map(|event| event.kind).collect()))
}

/// What the rules made of an event, as `try` shows it and examples expect it.
pub fn shown_of(made: &Made) -> Vec<Value> {
    let suppression = |change: &Suppression| {
        json!({
            "rule": change.rule,
            "suppress": if change.add { "add" } else { "remove" },
            "destination": change.number,
        })
    };
    made.sends.iter().map(shown).chain(made.suppressions.iter().map(suppression)).collect()
}

/// When and how a send goes, where that is not at once.
pub fn options(options: &SendOptions) -> serde_json::Map<String, Value> {
    let mut shown = serde_json::Map::new();
    let mut say = |key: &str, value: Option<Value>| shown.extend(value.map(|value| (key.to_owned(), value)));
    say("priority", (options.priority != Priority::Normal).then(|| json!(options.priority)));
    say("not_before", options.start.map(|start| json!(start.at.to_string())));
    say("why", options.start.map(|start| json!(start.why)));
    say("expires_at", options.expires_at.map(|at| json!(at.to_string())));
    let never = options.start.zip(options.expires_at).is_some_and(|(start, end)| start.at >= end);
    say("note", never.then(|| json!("its time is over before it may go: it expires")));
    say("key", options.key.as_ref().map(|key| json!(key)));
    say("redirect_to", options.guards.redirect_to.as_ref().map(|number| json!(number)));
    say("dry_run", options.guards.dry_run.then_some(Value::Bool(true)));
    shown
}

/// A send as `try` shows it and examples expect it.
pub fn shown(send: &NewSend) -> Value {
    let mut shown = serde_json::Map::new();
    shown.insert("rule".into(), Value::from(send.rule.as_str()));
    match &send.content {
        Ok(content) => {
            if let Ok(Value::Object(payload)) = serde_json::from_str(&content.payload) {
                shown.extend(payload);
            }
            shown.extend(options(&content.options));
        }
        Err(unmapped) => drop(shown.insert("error".into(), Value::from(unmapped.to_string()))),
    }
    Value::Object(shown)
}

fn compare(
    example: &ExampleSpec,
    (sends, kinds): (&[Value], &[String]),
    place: &dyn Fn(&[&str]) -> crate::config::diagnostic::Place,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if sends.len() != example.sends.len() {
        let came: Vec<String> = sends
            .iter()
            .map(|send| send.get("error").and_then(Value::as_str).map_or_else(|| send.to_string(), ToOwned::to_owned))
            .collect();
        let came = match kinds {
            _ if !came.is_empty() => format!("these came: {}", came.join("; ")),
            [] => "the call carries no event".to_owned(),
            kinds => format!("no rule's `when` is true; meta.type is `{}`", kinds.join("`, `")),
        };
        diagnostics.push(
            Diagnostic::at(
                &place(&["sends"]),
                format!("example `{}` expects {} send(s), and {} came", example.name, example.sends.len(), sends.len()),
            )
            .hint(came),
        );
        return;
    }
    for (position, (expected, given)) in example.sends.iter().zip(sends).enumerate() {
        let wanted = expected.get("error").is_some();
        if let Some(error) = given.get("error").and_then(Value::as_str).filter(|_| !wanted) {
            let diagnostic = Diagnostic::at(
                &place(&["sends", &position.to_string()]),
                format!("example `{}`: nothing is sent", example.name),
            );
            diagnostics.push(diagnostic.hint(error));
            continue;
        }
        for (key, wanted) in expected {
            let came = given.get(key).unwrap_or(&Value::Null);
            if !alike(wanted, came) {
                let hint = format!("it is {came}");
                diagnostics.push(
                    Diagnostic::at(
                        &place(&["sends", &position.to_string(), key]),
                        format!("example `{}`: `{key}` does not come out as {wanted}", example.name),
                    )
                    .hint(hint),
                );
            }
        }
    }
}

/// Equal, where YAML may have written a text as a number.
fn alike(wanted: &Value, came: &Value) -> bool {
    match (wanted, came) {
        (Value::Number(number), Value::String(text)) => number.to_string() == *text,
        (Value::Bool(flag), Value::String(text)) => flag.to_string() == *text,
        (Value::Array(wanted), Value::Array(came)) => {
            wanted.len() == came.len() && wanted.iter().zip(came).all(|(a, b)| alike(a, b))
        }
        (Value::Object(wanted), Value::Object(came)) => {
            wanted.len() == came.len() && wanted.iter().all(|(key, a)| came.get(key).is_some_and(|b| alike(a, b)))
        }
        _ => wanted == came,
    }
}

fn merged(example: &ExampleSpec, sample: Option<&SampleSpec>) -> SampleSpec {
    let mut merged = sample.cloned().unwrap_or_default();
    merged.headers.extend(example.headers.clone());
    merged.query.extend(example.query.clone());
    if let Some(body) = &example.body {
        merged.body = body.clone();
    }
    if let Some(lookup) = &example.lookup {
        merged.lookup = Some(lookup.clone());
    }
    merged
}

/// A sample as the call its sender would make, unsigned.
pub fn call_of(sample: &SampleSpec, profile_spec: &SourceProfileSpec) -> Call {
    let (body, content_type) = encode(&sample.body, profile_spec.body.unwrap_or_default());
    let mut headers = HeaderMap::new();
    if let Some(kind) = content_type {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    for (name, value) in &sample.headers {
        let value = value.replace("{{ uuid }}", &uuid::Uuid::new_v4().to_string());
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&sample.query).finish();
    let uri = if query.is_empty() { "/".to_owned() } else { format!("/?{query}") };
    let first = || profile_spec.methods.as_ref().and_then(|methods| methods.first()).copied();
    let method = sample.method.or_else(first).map_or(Method::POST, crate::config::method::Method::http);
    Call { method, uri: uri.parse().unwrap_or_else(|_| Uri::from_static("/")), headers, body, packed: None }
}

/// A body as written in YAML, as bytes: a text as it stands, keys and values in the source's format.
fn encode(body: &Value, format: BodyFormat) -> (Bytes, Option<&'static str>) {
    let form = format == BodyFormat::Form;
    match body {
        Value::Null => (Bytes::new(), None),
        Value::String(text) => {
            let kind = match format {
                BodyFormat::Form => "application/x-www-form-urlencoded",
                BodyFormat::Soap | BodyFormat::Xml => "text/xml; charset=utf-8",
                BodyFormat::Any if !text.trim_start().starts_with(['{', '[', '<']) => {
                    "application/x-www-form-urlencoded"
                }
                BodyFormat::Any if text.trim_start().starts_with('<') => "text/xml; charset=utf-8",
                _ => "application/json",
            };
            (Bytes::from(text.clone()), Some(kind))
        }
        Value::Object(map) if form => {
            let mut pairs = BTreeMap::new();
            map.iter().for_each(|(key, value)| flatten(key, value, &mut pairs));
            let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            (Bytes::from(text), Some("application/x-www-form-urlencoded"))
        }
        other => (Bytes::from(other.to_string()), Some("application/json")),
    }
}

fn flatten(key: &str, value: &Value, pairs: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(inner, value)| flatten(&format!("{key}[{inner}]"), value, pairs)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| flatten(&format!("{key}[{index}]"), value, pairs));
        }
        Value::String(text) => drop(pairs.insert(key.to_owned(), text.clone())),
        Value::Null => {}
        other => drop(pairs.insert(key.to_owned(), other.to_string())),
    }
}
