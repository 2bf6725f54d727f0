//! What an answer of the API means, decided in one place.
//!
//! The API tells most faults apart only by their text. `answers.tsv` holds those texts, each with where it was seen; the
//! status decides where the text is unknown. A refusal in unknown words is counted as such, and an answer that the campaign
//! API cannot have given is the wrong endpoint's.

use std::sync::LazyLock;
use std::time::Duration;

use super::body::{Body, Verdict};
use super::endpoint::Endpoint;
use super::refusal;
use crate::event::{Confirm, Outcome};
use crate::outbound;

/// The texts of refusals, with how far each reaches and where it was seen.
const TABLE: &str = include_str!("answers.tsv");

/// How far a fault reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
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
    /// What was sent: what the answer repeats of it says nothing.
    pub payload: &'a str,
}

/// Decides what an answer means.
pub fn classify(endpoint: &Endpoint, answer: Answer<'_>) -> Outcome {
    let body = Body::of(answer.body);
    let whole = outbound::said(answer.status, answer.body, body.json());
    let asked = Asked { endpoint, answer, body, said: outbound::shortened(&whole), whole };
    match answer.status {
        200..=299 => asked.success(),
        429 => asked.later(),
        // a gateway that waited in vain for the API (RFC 9110 15.6.5; Cloudflare's 524): nobody knows what the API did
        504 | 524 => Outcome::Uncertain { reason: asked.said },
        // what is not implemented, or asks for a network's log-in page, is not a server that is down
        501 | 505 | 511 => asked.wrong_endpoint(),
        408 | 425 | 500.. => asked.later(),
        401..=403 if asked.body != Body::Page => Outcome::Account { reason: asked.said },
        _ => asked.refusal(),
    }
}

/// An answer with what it is about.
struct Asked<'a> {
    endpoint: &'a Endpoint,
    answer: Answer<'a>,
    body: Body,
    /// What the server said, with its status, as much of it as becomes a reason.
    said: String,
    /// All that it said.
    whole: String,
}

impl Asked<'_> {
    fn later(self) -> Outcome {
        Outcome::Transient { reason: self.said, retry_after: self.answer.retry_after }
    }

    fn wrong_endpoint(&self) -> Outcome {
        let status = self.answer.status;
        let answered = match status {
            300..=399 => "with a redirect, which is never followed".to_owned(),
            404 | 405 | 410 | 501 => "that nothing takes messages there".to_owned(),
            _ => format!("with {}", self.body.name()),
        };
        Outcome::WrongEndpoint { reason: self.endpoint.is_wrong(status, &answered) }
    }

    fn unconfirmed(&self) -> Outcome {
        Outcome::Unconfirmed { reason: self.endpoint.is_unconfirmed(&self.said) }
    }

    /// What a text means that is known.
    fn known(&self) -> Option<Outcome> {
        // a page has words for everything
        let scope = if self.body == Body::Page { None } else { scope_of(&self.said) }?;
        let reason = self.said.clone();
        Some(match scope {
            Scope::Account => Outcome::Account { reason },
            Scope::Campaign => Outcome::Campaign { reason },
            Scope::Send => Outcome::refused(reason),
        })
    }

    fn unknown(self) -> Outcome {
        // masked as a whole and cut afterwards: names of different lengths would move the cut
        let text = refusal::text_of(&self.whole, self.answer.payload);
        Outcome::Unknown { text: outbound::shortened(&text), reason: self.said }
    }

    /// A refusal by status: whose fault can it be? All calls of an account are alike but for what is in the payload.
    fn refusal(self) -> Outcome {
        if let Some(outcome) = self.known() {
            return outcome;
        }
        match (self.answer.status, &self.body) {
            // a payload is too large by itself, whoever says so
            (413, _) => self.unknown(),
            // redirects, no such address, not by this method or protocol, not in this form: no call would be taken
            (..400 | 404 | 405 | 407 | 410 | 411 | 415 | 421 | 426 | 431, _) => self.wrong_endpoint(),
            (_, Body::Json(_) | Body::Unreadable) => self.unknown(),
            (_, Body::Page | Body::Text | Body::Nothing) => self.wrong_endpoint(),
        }
    }

    /// A success took the message only if it says so.
    fn success(self) -> Outcome {
        if let Body::Json(json) = &self.body {
            let json = json.as_array().and_then(|entries| entries.first()).unwrap_or(json);
            let verdict = Verdict::of(json);
            return self.success_in_json(verdict);
        }
        if let Some(outcome) = self.known() {
            return outcome;
        }
        match (&self.body, self.endpoint.confirm) {
            (Body::Unreadable, Confirm::Explicit) => self.unconfirmed(),
            (Body::Unreadable, Confirm::Any) => Outcome::Uncertain { reason: self.said },
            (Body::Text | Body::Nothing, Confirm::Any) => Outcome::Sent { message_id: None },
            _ => self.wrong_endpoint(),
        }
    }

    fn success_in_json(self, verdict: Verdict) -> Outcome {
        let Verdict { succeeded, failed, doubtful, message_id } = verdict;
        let accepted = succeeded || message_id.is_some();
        // a success that says so needs no reading of its text
        if (failed || !accepted)
            && let Some(outcome) = self.known()
        {
            return outcome;
        }
        match (accepted, failed) {
            (true, false) => Outcome::Sent { message_id },
            // it says both
            (true, true) => self.unconfirmed(),
            (false, true) => self.unknown(),
            (false, false) if self.endpoint.confirm == Confirm::Any && !doubtful => Outcome::Sent { message_id: None },
            (false, false) => self.unconfirmed(),
        }
    }
}

pub(super) fn scope_of(reason: &str) -> Option<Scope> {
    let lower = reason.to_lowercase();
    TEXTS.iter().find(|(text, _)| lower.contains(text)).map(|(_, scope)| *scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(confirm: Confirm) -> Endpoint {
        let url = "https://hooks.example.com/campaign/api?key=s3cret".parse().expect("url");
        Endpoint { account: "clinic (sandbox)".into(), url, confirm }
    }

    fn outcome_with(confirm: Confirm, status: u16, body: &str) -> Outcome {
        classify(&endpoint(confirm), Answer { status, retry_after: None, body, payload: "{}" })
    }

    fn outcome(status: u16, body: &str) -> Outcome {
        outcome_with(Confirm::Explicit, status, body)
    }

    #[test]
    fn observed_answers_mean_what_was_observed() {
        for (status, body, name) in [
            (200, r#"{"success":"true","submitted_message_id":"m-1"}"#, "sent"),
            (200, r#"{"success":"false","message":"Invalid Number"}"#, "refused"),
            (200, r#"{"success":false,"message":"Campaign is Not Live"}"#, "campaign"),
            (200, r#"{"error":"Insufficient WhatsApp Conversation Credits (WCC)!"}"#, "account"),
            (200, r#"{"status":"error","message":"Insufficient WhatsApp Conversation Credits (WCC)!"}"#, "account"),
            (200, r#"{"success":0,"message":"Campaign does not exist"}"#, "campaign"),
            (200, r#"[{"success":false,"message":"Invalid Number"}]"#, "refused"),
            (200, "\u{FEFF}{\"success\":\"false\",\"message\":\"Invalid Number\"}", "refused"),
            (200, "Campaign does not exist", "campaign"),
            (200, r#"{"success":"true","message":"not an Invalid Number"}"#, "sent"),
            (200, r#"{"success":"true","submitted_message_id":"m-1","error":"Invalid Number"}"#, "sent"),
            (200, r#"{"success":"true","error":"Invalid Number"}"#, "refused"),
            (400, r#"{"message":"","error":"Insufficient WhatsApp Conversation Credits"}"#, "account"),
            (400, r#"{"message":"Template params does not match the campaign"}"#, "campaign"),
            (400, r#"{"message":"Campaign does not exist."}"#, "campaign"),
            (404, r#"{"message":"Campaign does not exist."}"#, "campaign"),
            (400, "Campaign is Not Live", "campaign"),
            (400, r#"{"message":"Invalid Number"}"#, "refused"),
            (400, r#"{"message":"No Plan active on assistant!","name":"ERR400","errorCode":400}"#, "account"),
            (400, r#"{"message":"Media URL Missing"}"#, "campaign"),
            (400, r#"{"message":"Button at index 0 of type Url requires a parameter"}"#, "campaign"),
            (400, r#"{"errorMessage":"Button at index 1 of type COPY_CODE requires a parameter"}"#, "campaign"),
            (400, r#"{"message":"Campaign is Paused"}"#, "campaign"),
            (400, r#"{"message":"Template is not approved"}"#, "campaign"),
            (400, r#"{"message":"Low Balance"}"#, "account"),
            (400, r#"{"message":"Account suspended"}"#, "account"),
            (200, r#"{"success":false,"message":"Daily quota exceeded"}"#, "account"),
            (400, r#"{"message":"Number is not on WhatsApp"}"#, "refused"),
            (400, r#"{"message":"User has opted out"}"#, "refused"),
            (200, r#"{"submitted_message_id":"m-1"}"#, "sent"),
            (401, "", "account"),
            (403, "{}", "account"),
            (403, "Forbidden", "account"),
            (400, r#"{"message":"Invalid API key"}"#, "account"),
            (402, r#"{"message":"Insufficient WhatsApp Conversation Credits (WCC)!","errorCode":402}"#, "account"),
            (429, "", "transient"),
            (429, "<html>slow down</html>", "transient"),
            (408, "", "transient"),
            (500, r#"{"message":"No Plan active on assistant!"}"#, "transient"),
            (502, "<html>bad gateway</html>", "transient"),
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

    const PAGE: &str = "<!doctype html><title>Invalid Number</title>";

    #[test]
    fn what_is_not_the_campaign_api_is_the_wrong_endpoint_whatever_it_says() {
        let not_found = r#"{"message":"Cannot POST /campaign"}"#;
        for status in [404, 405, 407, 410, 411, 415, 421, 426, 431, 301, 302, 303, 307, 308, 304, 101, 501, 505, 511] {
            for body in ["", PAGE, "Not Found", not_found, "[]"] {
                assert_eq!(outcome(status, body).name(), "wrong_endpoint", "{status} {body}");
            }
        }
        for status in [200, 201, 202, 400, 406, 409, 412, 417, 422, 451, 499] {
            for body in ["", "  \n", PAGE, "It works!", "\u{FEFF}<html>"] {
                assert_eq!(outcome(status, body).name(), "wrong_endpoint", "{status} {body}");
            }
        }
        for status in [401, 402, 403] {
            assert_eq!(outcome(status, PAGE).name(), "wrong_endpoint", "a log-in page or a firewall's, {status}");
        }
        assert_eq!(outcome(204, "").name(), "wrong_endpoint");
        for (status, body) in [(404, "Not Found"), (308, ""), (200, PAGE)] {
            let outcome = outcome(status, body);
            let said = outcome.reason();
            for part in [
                "the endpoint is wrong",
                "hooks.example.com/campaign/api answered",
                "`accounts.clinic.endpoint`",
                "https://backend.api-wa.co/campaign/serri-india/api/v2",
            ] {
                assert!(said.contains(part), "{said}");
            }
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn a_refusal_in_unknown_words_is_unknown_with_a_text_that_is_equal_for_equal_refusals() {
        for (status, body) in [
            (400, r#"{"message":"something new"}"#),
            (422, r#"{"errors":["something new"]}"#),
            (400, "{\"message\":\"cut o"),
            (413, PAGE),
            (200, r#"{"success":false,"message":"something new"}"#),
            (200, r#"{"success":"FALSE"}"#),
            (200, r#"{"status":"failed"}"#),
        ] {
            assert_eq!(outcome(status, body).name(), "unknown", "{status} {body}");
        }
        let text = |body: &str, payload: &str| {
            let answer = Answer { status: 400, retry_after: None, body, payload };
            match classify(&endpoint(Confirm::Explicit), answer) {
                Outcome::Unknown { text, .. } => text,
                other => panic!("{other:?}"),
            }
        };
        let blocked = |number: &str| text(&format!(r#"{{"message":"Blocked: {number}"}}"#), "{}");
        assert_eq!(blocked("919812345670"), blocked("14155550123"));
        // however long the names and the message are
        let long = |name: &str| {
            let message = format!("The request of {name} cannot be taken: {}", "one more step. ".repeat(40));
            text(&format!(r#"{{"message":"{message}"}}"#), &format!(r#"{{"userName":"{name}"}}"#))
        };
        assert_eq!(long("Asha"), long(&"Ravindranath ".repeat(30)));
        assert!(long("Asha").chars().count() <= 200);
    }

    #[test]
    fn a_success_that_does_not_say_that_it_took_the_message_is_unconfirmed_unless_any_success_will_do() {
        for (body, explicit, any) in [
            (r#"{"hello":"world"}"#, "unconfirmed", "sent"),
            ("[]", "unconfirmed", "sent"),
            ("{}", "unconfirmed", "sent"),
            (r#""queued""#, "unconfirmed", "sent"),
            (r#"{"success":1}"#, "unconfirmed", "sent"),
            (r#"{"submitted_message_id":""}"#, "unconfirmed", "sent"),
            (r#"{"submitted_message_id":null}"#, "unconfirmed", "sent"),
            (r#"{"ok":false}"#, "unconfirmed", "unconfirmed"),
            (r#"{"success":"true","error":"something new"}"#, "unconfirmed", "unconfirmed"),
            (r#"{"submitted_message_id":"m-1","error":"something new"}"#, "unconfirmed", "unconfirmed"),
            (r#"{"success":true,"submitted_message_id":"m-1","error":"something new"}"#, "sent", "sent"),
            (r#"{"success":true,"submitted_message_id":"m-1","status":"failed"}"#, "unconfirmed", "unconfirmed"),
            (r#"{"error":[],"errorCode":0}"#, "unconfirmed", "sent"),
            (r#"{"success":false,"submitted_message_id":"m-1"}"#, "unconfirmed", "unconfirmed"),
            (r#"{"success":"fal"#, "unconfirmed", "uncertain"),
            ("\u{1f}\u{FFFD}\u{8}\0", "unconfirmed", "uncertain"),
            (r#"{"success":true}"#, "sent", "sent"),
            (r#"{"success":"TRUE"}"#, "sent", "sent"),
            (r#"{"submitted_message_id":"m-1"}"#, "sent", "sent"),
            (r#"{"submitted_message_id":17}"#, "sent", "sent"),
            (r#"[{"submitted_message_id":"m-1"}]"#, "sent", "sent"),
            (r#"{"success":false}"#, "unknown", "unknown"),
            (r#"{"message":"Invalid Number"}"#, "refused", "refused"),
            ("", "wrong_endpoint", "sent"),
            ("ok", "wrong_endpoint", "sent"),
            (PAGE, "wrong_endpoint", "wrong_endpoint"),
        ] {
            for (confirm, name) in [(Confirm::Explicit, explicit), (Confirm::Any, any)] {
                for status in [200, 202] {
                    assert_eq!(outcome_with(confirm, status, body).name(), name, "{confirm:?} {status} {body}");
                }
            }
        }
        let said = outcome(200, r#"{"hello":"world"}"#).reason().to_owned();
        assert!(
            said.contains(r#"200: {"hello":"world"}"#) && said.contains("`accounts.clinic.confirm: any`"),
            "{said}"
        );
    }

    #[test]
    fn a_field_of_an_error_that_is_empty_says_nothing() {
        let empty =
            ["[]", "{}", "0", r#""0""#, "null", r#""""#, r#"" ""#, "false", r#""false""#, "[null]", r#"{"code":0}"#];
        for empty in empty {
            for key in ["error", "errors", "errorCode", "errorMessage"] {
                for accepted in [r#""success":"true""#, r#""submitted_message_id":"m-1""#] {
                    let body = format!(r#"{{{accepted},"{key}":{empty}}}"#);
                    assert_eq!(outcome(200, &body).name(), "sent", "{body}");
                }
            }
        }
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
