//! What an answer of the API means, decided in one place.
//!
//! The API tells most faults apart only by their text. The table below holds those texts as they were observed in
//! production code of this API family; the status decides where the text is unknown.

use std::time::Duration;

use serde_json::Value;

use crate::clock::Timestamp;
use crate::event::Outcome;

/// How far a fault reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Account,
    Campaign,
    Send,
}

/// Texts of refusals, in lower case, and how far each reaches. The first that an answer contains counts.
const TEXTS: &[(&str, Scope)] = &[
    ("no plan active", Scope::Account),
    ("insufficient whatsapp conversation credits", Scope::Account),
    ("insufficient credits", Scope::Account),
    ("insufficient balance", Scope::Account),
    ("invalid api key", Scope::Account),
    ("invalid apikey", Scope::Account),
    ("api key is invalid", Scope::Account),
    ("api key not found", Scope::Account),
    ("template params does not match", Scope::Campaign),
    ("template params do not match", Scope::Campaign),
    ("campaign does not exist", Scope::Campaign),
    ("campaign is not live", Scope::Campaign),
    ("campaign not live", Scope::Campaign),
    ("invalid number", Scope::Send),
];

/// The most of an answer's text that becomes a reason, in characters.
const REASON_LIMIT: usize = 200;

/// An answer as it came.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header.
    pub retry_after: Option<&'a str>,
    /// The body.
    pub body: &'a str,
    /// When it came, to read a date in `Retry-After`.
    pub now: Timestamp,
}

/// Decides what an answer means.
pub fn classify(answer: Answer<'_>) -> Outcome {
    let json: Option<Value> = serde_json::from_str(answer.body.trim_start_matches('\u{FEFF}')).ok();
    match answer.status {
        200..=299 => accepted(answer, json.as_ref()),
        429 => Outcome::Transient { reason: reason(answer, json.as_ref()), retry_after: retry_after(answer) },
        // a redirect is a proxy's or a wrong endpoint's; the message certainly was not taken
        300..=399 | 408 | 425 | 500.. => {
            Outcome::Transient { reason: reason(answer, json.as_ref()), retry_after: retry_after(answer) }
        }
        401..=403 => Outcome::Account { reason: reason(answer, json.as_ref()) },
        _ => by_text(reason(answer, json.as_ref())),
    }
}

/// A 200 is success unless its body says otherwise.
fn accepted(answer: Answer<'_>, json: Option<&Value>) -> Outcome {
    let Some(json) = json else {
        let said = reason(answer, None);
        if scope_of(&said).is_some() {
            return by_text(said);
        }
        // a page, half an answer or bytes that are no text: nobody knows what became of the call
        let text = answer.body.trim_start();
        if text.starts_with(['<', '{', '[']) || text.contains(['\u{FFFD}', '\0']) {
            return Outcome::Uncertain { reason: format!("{} with an answer that cannot be read", answer.status) };
        }
        return Outcome::Sent { message_id: None };
    };
    let json = json.as_array().and_then(|entries| entries.first()).unwrap_or(json);
    let is = |value: &Value, words: &[&str]| {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        words.iter().any(|word| text.eq_ignore_ascii_case(word))
    };
    let is_set = |value: &Value| !matches!(value, Value::Null | Value::Bool(false)) && value.as_str() != Some("");
    let succeeded = json.get("success").is_some_and(|value| is(value, &["true", "1"]));
    let failed = json.get("success").is_some_and(|value| is(value, &["false", "0"]))
        || json.get("status").is_some_and(|value| is(value, &["error", "failed", "failure", "false"]))
        || ["error", "errors", "errorCode", "errorMessage"].iter().any(|key| json.get(key).is_some_and(is_set));
    let said = reason(answer, Some(json));
    if failed || (!succeeded && scope_of(&said).is_some()) {
        return by_text(said);
    }
    Outcome::Sent { message_id: json.get("submitted_message_id").and_then(Value::as_str).map(ToOwned::to_owned) }
}

fn scope_of(reason: &str) -> Option<Scope> {
    let lower = reason.to_lowercase();
    TEXTS.iter().find(|(text, _)| lower.contains(text)).map(|(_, scope)| *scope)
}

fn by_text(reason: String) -> Outcome {
    match scope_of(&reason) {
        Some(Scope::Account) => Outcome::Account { reason },
        Some(Scope::Campaign) => Outcome::Campaign { reason },
        Some(Scope::Send) | None => Outcome::Refused { reason },
    }
}

/// What the server said, with its status.
fn reason(answer: Answer<'_>, json: Option<&Value>) -> String {
    let said = json.and_then(|json| {
        ["message", "errorMessage", "error", "errors"]
            .iter()
            .find_map(|key| json.get(key).filter(|value| !value.is_null() && **value != Value::Bool(true)))
    });
    let said = match said {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(map)) if map.get("message").is_some_and(Value::is_string) => {
            map.get("message").and_then(Value::as_str).unwrap_or("").to_owned()
        }
        Some(other) => other.to_string(),
        None if answer.body.trim_start().starts_with('<') => "a page instead of an answer".into(),
        None => answer.body.trim().to_owned(),
    };
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(REASON_LIMIT).collect();
    if said.is_empty() { answer.status.to_string() } else { format!("{}: {said}", answer.status) }
}

/// Seconds or an HTTP date (RFC 9110, 10.2.3).
fn retry_after(answer: Answer<'_>) -> Option<Duration> {
    let text = answer.retry_after?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Timestamp(at.timestamp().as_millisecond()).since(answer.now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, body: &str) -> Outcome {
        classify(Answer { status, retry_after: None, body, now: Timestamp(0) })
    }

    #[test]
    fn observed_answers_mean_what_was_observed() {
        for (status, body, name) in [
            (200, r#"{"success":"true","submitted_message_id":"m-1"}"#, "sent"),
            (200, "", "sent"),
            (200, "ok", "sent"),
            (200, r#"{"success":"false","message":"Invalid Number"}"#, "refused"),
            (200, r#"{"success":false,"message":"Campaign is Not Live"}"#, "campaign"),
            (200, r#"{"error":"Insufficient WhatsApp Conversation Credits (WCC)!"}"#, "account"),
            (200, "<html>login</html>", "uncertain"),
            (200, r#"{"success":"fal"#, "uncertain"),
            (200, "\u{1f}\u{FFFD}\u{8}\0", "uncertain"),
            (200, r#"{"status":"error","message":"Insufficient WhatsApp Conversation Credits (WCC)!"}"#, "account"),
            (200, r#"{"success":0,"message":"Campaign does not exist"}"#, "campaign"),
            (200, r#"[{"success":false,"message":"Invalid Number"}]"#, "refused"),
            (200, "\u{FEFF}{\"success\":\"false\",\"message\":\"Invalid Number\"}", "refused"),
            (200, "Campaign does not exist", "campaign"),
            (200, r#"{"success":"true","message":"not an Invalid Number"}"#, "sent"),
            (400, r#"{"message":"Template params does not match the campaign"}"#, "campaign"),
            (400, r#"{"message":"Campaign does not exist."}"#, "campaign"),
            (400, "Campaign is Not Live", "campaign"),
            (400, r#"{"message":"Invalid Number"}"#, "refused"),
            (400, r#"{"message":"No Plan active on assistant!","name":"ERR400","errorCode":400}"#, "account"),
            (400, r#"{"message":"something new"}"#, "refused"),
            (401, "", "account"),
            (403, "{}", "account"),
            (400, r#"{"message":"Invalid API key"}"#, "account"),
            (402, r#"{"message":"Insufficient WhatsApp Conversation Credits (WCC)!","errorCode":402}"#, "account"),
            (404, "nothing here", "refused"),
            (429, "", "transient"),
            (500, r#"{"message":"No Plan active on assistant!"}"#, "transient"),
            (502, "<html>bad gateway</html>", "transient"),
            (301, "", "transient"),
        ] {
            assert_eq!(outcome(status, body).name(), name, "{status} {body}");
        }
        assert_eq!(
            outcome(200, r#"{"success":"true","submitted_message_id":"m-1"}"#),
            Outcome::Sent { message_id: Some("m-1".into()) }
        );
        assert_eq!(outcome(400, r#"{"message":"Invalid\nNumber"}"#).reason(), "400: Invalid Number");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wait = |text| match classify(Answer {
            status: 429,
            retry_after: Some(text),
            body: "",
            now: Timestamp(784_111_777_000),
        }) {
            Outcome::Transient { retry_after, .. } => retry_after,
            _ => None,
        };
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
    }
}
