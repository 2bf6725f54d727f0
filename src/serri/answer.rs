//! What an answer of the API means, decided in one place.
//!
//! The API tells most faults apart only by their text. `answers.tsv` holds those texts, each with where it was seen; the
//! status decides where the text is unknown, and a refusal that is unknown is counted as such.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;

use crate::event::Outcome;
use crate::outbound;

/// The texts of refusals, with how far each reaches and where it was seen.
const TABLE: &str = include_str!("answers.tsv");

/// How far a fault reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Account,
    Campaign,
    Send,
}

/// Texts in lower case. The first that an answer contains counts.
static TEXTS: LazyLock<Vec<(&str, Scope)>> = LazyLock::new(|| TABLE.lines().filter_map(entry).collect());

fn entry(line: &'static str) -> Option<(&'static str, Scope)> {
    let mut columns = line.split('\t');
    let scope = match columns.next()? {
        "account" => Scope::Account,
        "campaign" => Scope::Campaign,
        "send" => Scope::Send,
        _ => return None,
    };
    Some((columns.next()?, scope))
}

/// An answer as it came.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: &'a str,
}

/// Decides what an answer means.
pub fn classify(answer: Answer<'_>) -> Outcome {
    let json: Option<Value> = serde_json::from_str(answer.body.trim_start_matches('\u{FEFF}')).ok();
    match answer.status {
        200..=299 => accepted(answer, json.as_ref()),
        429 => Outcome::Transient { reason: reason(answer, json.as_ref()), retry_after: answer.retry_after },
        // a gateway that waited in vain for the API (RFC 9110 15.6.5; Cloudflare's 524): nobody knows what the API did
        504 | 524 => Outcome::Uncertain { reason: reason(answer, json.as_ref()) },
        // a redirect is a proxy's or a wrong endpoint's; the message certainly was not taken
        300..=399 | 408 | 425 | 500.. => {
            Outcome::Transient { reason: reason(answer, json.as_ref()), retry_after: answer.retry_after }
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
    // a success that says so needs no reading of its text
    let said = (failed || !succeeded).then(|| reason(answer, Some(json)));
    if let Some(said) = said.filter(|said| failed || scope_of(said).is_some()) {
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
        Some(Scope::Send) => Outcome::refused(reason),
        None => Outcome::Refused { reason, known: false },
    }
}

/// What the server said, with its status.
fn reason(answer: Answer<'_>, json: Option<&Value>) -> String {
    outbound::reason(answer.status, answer.body, json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, body: &str) -> Outcome {
        classify(Answer { status, retry_after: None, body })
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
            (503, "", "transient"),
            (504, "<html>gateway timeout</html>", "uncertain"),
            (524, "", "uncertain"),
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
    fn an_unknown_refusal_is_told_from_a_known_one() {
        let known = |status, body| match outcome(status, body) {
            Outcome::Refused { known, .. } => known,
            other => panic!("{other:?}"),
        };
        assert!(known(400, r#"{"message":"Invalid Number"}"#));
        assert!(!known(400, r#"{"message":"something new"}"#));
    }

    #[test]
    fn every_text_of_the_table_has_a_scope_and_a_source() {
        let lines: Vec<&str> = TABLE.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(TEXTS.len(), lines.len());
        for line in lines {
            let columns: Vec<&str> = line.split('\t').collect();
            assert!(columns.len() == 3 && !columns[2].is_empty(), "{line}");
            assert_eq!(columns[1], columns[1].to_lowercase(), "{line}");
        }
    }
}
