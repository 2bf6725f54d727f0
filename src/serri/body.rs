//! What the body of an answer is, and what it says of success.

use serde_json::Value;

use crate::outbound;

/// What a body is.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    Json(Value),
    /// HTML or XML.
    Page,
    /// JSON that is cut off, or bytes that are not text.
    Unreadable,
    Text,
    Nothing,
}

impl Body {
    /// Of this text.
    pub fn of(text: &str) -> Self {
        let text = text.trim_start_matches('\u{FEFF}').trim();
        if text.is_empty() {
            Self::Nothing
        } else if let Ok(json) = serde_json::from_str(text) {
            Self::Json(json)
        } else if text.starts_with('<') {
            Self::Page
        } else if text.starts_with(['{', '[']) || text.contains(['\u{FFFD}', '\0']) {
            Self::Unreadable
        } else {
            Self::Text
        }
    }

    /// The JSON, if it is.
    pub fn json(&self) -> Option<&Value> {
        if let Self::Json(json) = self { Some(json) } else { None }
    }

    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Json(_) => "JSON",
            Self::Page => "a page",
            Self::Unreadable => "something unreadable",
            Self::Text => "plain text",
            Self::Nothing => "nothing",
        }
    }
}

/// What a JSON answer says of success.
///
/// An error field that is empty counts as absent. One with content means failure, unless the answer has both `success` true
/// and a `submitted_message_id`: then the message is with the API, which may have added a warning, and to doubt it would
/// message somebody once more with every probe. `success` false and a failed `status` are never overruled.
#[derive(Debug, Default)]
pub struct Verdict {
    pub succeeded: bool,
    pub failed: bool,
    /// It says that something is not as it should be, in a field that the API is not known to have.
    pub doubtful: bool,
    pub message_id: Option<String>,
}

impl Verdict {
    /// Of this object.
    pub fn of(json: &Value) -> Self {
        let is = |key: &str, words: &[&str]| {
            let text = json.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned));
            text.is_some_and(|text| words.iter().any(|word| text.trim().eq_ignore_ascii_case(word)))
        };
        let message_id = match json.get("submitted_message_id") {
            Some(Value::String(id)) if !id.trim().is_empty() => Some(id.clone()),
            Some(Value::Number(id)) => Some(id.to_string()),
            _ => None,
        };
        let has_error = ["error", "errors", "errorCode", "errorMessage"]
            .iter()
            .any(|key| json.get(key).is_some_and(|value| !outbound::is_blank(value)));
        let succeeded = is("success", &["true"]);
        let is_taken = succeeded && message_id.is_some();
        Self {
            succeeded,
            failed: is("success", &["false", "0"])
                || is("status", &["error", "failed", "failure", "false"])
                || has_error && !is_taken,
            doubtful: is("ok", &["false", "0"]),
            message_id,
        }
    }
}
