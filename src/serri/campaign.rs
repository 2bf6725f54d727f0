//! Reading a campaign without sending: whether the key is valid, and what the campaign is.
//!
//! Not in the printed reference. The platform's own n8n node uses the call as the test of its credentials, and customers of
//! other brands use it with theirs. Where it is missing, that says nothing about the address that messages go to.

use reqwest::Url;
use serde_json::{Value, json};

use super::answer::{Scope, scope_of};
use super::body::{Body, Verdict};
use crate::outbound::{self, Answered};

/// The last step of the address, in the place of the campaign API's.
const DETAILS: &str = "campaign-details";

/// Words for a campaign that cannot be sent. `Live` is the one word that Serri's reference gives for one that can.
const NOT_LIVE: [&str; 9] =
    ["paused", "draft", "stopped", "completed", "inactive", "disabled", "not live", "deleted", "archived"];

/// What is known of a campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Whether it can be sent; `None` if its status is in words that are not known.
    pub live: Option<bool>,
    /// Its status in the API's own word.
    pub status: Option<String>,
    /// How many parameters its template takes.
    pub params: Option<usize>,
    /// Whether its template has a media.
    pub media: Option<bool>,
}

/// What came of reading a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// This is what it is.
    Found(Details),
    /// The key is right, and there is no such campaign.
    Missing(String),
    /// The account's key is refused, or its plan has ended.
    Account(String),
    /// Campaigns cannot be read at this address.
    Unreadable(String),
    /// No answer, or one that asks to come again later.
    Unreached(String),
}

/// The address at which campaigns are read, beside the one that messages go to.
pub(super) fn address(endpoint: &Url) -> Option<Url> {
    let mut url = endpoint.clone();
    url.path_segments_mut().ok()?.pop_if_empty().pop().push(DETAILS);
    Some(url)
}

/// What is asked, without the key.
pub(super) fn question(name: &str) -> String {
    json!({ "campaignName": name }).to_string()
}

/// What an answer means.
pub(super) fn meaning(answered: &Answered) -> Read {
    let body = Body::of(&answered.body);
    let said = outbound::shortened(&outbound::said(answered.status, &answered.body, body.json()));
    let Some(json) = body.json() else {
        return match answered.status {
            401..=403 if body != Body::Page => Read::Account(said),
            408 | 425 | 429 | 500.. => Read::Unreached(said),
            status => Read::Unreadable(format!("{status}, and {}", body.name())),
        };
    };
    let verdict = Verdict::of(json);
    match (answered.status, scope_of(&said)) {
        (200..=299, _) if !verdict.failed => details(json).map_or(Read::Unreadable(said), Read::Found),
        (401..=403, _) | (_, Some(Scope::Account)) => Read::Account(said),
        (_, Some(Scope::Campaign)) => Read::Missing(said),
        (408 | 425 | 429 | 500.., _) => Read::Unreached(said),
        _ => Read::Unreadable(said),
    }
}

/// The details in an answer. `requestBody`, an example of a call, has been seen at three places.
fn details(json: &Value) -> Option<Details> {
    let campaign = json.get("campaign").or_else(|| json.pointer("/data/campaign"));
    let places = ["/requestBody", "/data/requestBody", "/campaign/requestBody", "/data/campaign/requestBody"];
    let body = places.iter().find_map(|place| json.pointer(place)).filter(|body| body.is_object());
    if campaign.is_none() && body.is_none() {
        return None;
    }
    let status = campaign.and_then(|campaign| campaign.get("status")).and_then(Value::as_str).map(str::trim);
    let live = status.and_then(|status| {
        let status = status.to_lowercase().replace('_', " ");
        if status == "live" { Some(true) } else { NOT_LIVE.contains(&&*status).then_some(false) }
    });
    let params = body.and_then(|body| body.get("templateParams")).and_then(Value::as_array).map(Vec::len);
    let media = body.map(|body| body.get("media").is_some_and(|media| !outbound::is_blank(media)));
    Some(Details { live, status: status.map(ToOwned::to_owned), params, media })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Read {
        meaning(&Answered { status, retry_after: None, body: body.into(), broken: None, cut: false })
    }

    #[test]
    fn campaigns_are_read_beside_the_address_that_messages_go_to() {
        for (endpoint, details) in [
            ("https://x.example/campaign/t1/api/v2", "https://x.example/campaign/t1/api/campaign-details"),
            (
                "https://x.example/campaign/serri-india/api/v2/",
                "https://x.example/campaign/serri-india/api/campaign-details",
            ),
            ("https://x.example/", "https://x.example/campaign-details"),
        ] {
            let url = address(&endpoint.parse().expect("a URL"));
            assert_eq!(url.as_ref().map(Url::as_str), Some(details), "{endpoint}");
        }
    }

    #[test]
    fn what_a_campaign_is_stands_at_any_of_its_places() {
        let body = r#"{"templateParams":["a","b"],"media":{"url":"https://x.example/a.png"}}"#;
        for text in [
            format!(r#"{{"success":true,"requestBody":{body},"campaign":{{"name":"c","status":"LIVE"}}}}"#),
            format!(r#"{{"success":"true","data":{{"requestBody":{body},"campaign":{{"status":"live"}}}}}}"#),
            format!(r#"{{"campaign":{{"status":"Live","requestBody":{body}}}}}"#),
        ] {
            let Read::Found(details) = read(200, &text) else { panic!("{text}: {:?}", read(200, &text)) };
            assert_eq!((details.live, details.params, details.media), (Some(true), Some(2), Some(true)), "{text}");
        }
        let plain = r#"{"success":true,"requestBody":{"templateParams":[],"media":{}},"campaign":{"status":"PAUSED"}}"#;
        let Read::Found(details) = read(200, plain) else { panic!("{plain}") };
        assert_eq!((details.live, details.params, details.media), (Some(false), Some(0), Some(false)));
        let odd = r#"{"success":true,"requestBody":{},"campaign":{"status":"PENDING_REVIEW"}}"#;
        let Read::Found(details) = read(200, odd) else { panic!("{odd}") };
        assert_eq!((details.live, details.params, details.status.as_deref()), (None, None, Some("PENDING_REVIEW")));
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        for (status, body, name) in [
            (401, r#"{"message":"Invalid API key"}"#, "account"),
            (403, "", "account"),
            (400, r#"{"message":"Invalid API key"}"#, "account"),
            (200, r#"{"success":false,"message":"api key not found"}"#, "account"),
            (400, r#"{"message":"No Plan active on assistant!"}"#, "account"),
            (400, r#"{"message":"Campaign does not exist."}"#, "missing"),
            (404, r#"{"message":"Campaign does not exist."}"#, "missing"),
            (200, r#"{"success":"false","message":"Campaign does not exist"}"#, "missing"),
            (404, "<html>Not Found</html>", "unreadable"),
            (404, "Not Found", "unreadable"),
            (404, r#"{"message":"Cannot POST /campaign/t1/api/campaign-details"}"#, "unreadable"),
            (200, "<html>It works!</html>", "unreadable"),
            (200, r#"{"hello":"world"}"#, "unreadable"),
            (200, "", "unreadable"),
            (302, "", "unreadable"),
            (403, "<html>Forbidden</html>", "unreadable"),
            (429, "", "unreached"),
            (503, "<html>down</html>", "unreached"),
            (500, r#"{"message":"Internal"}"#, "unreached"),
        ] {
            let found = match read(status, body) {
                Read::Found(_) => "found",
                Read::Missing(_) => "missing",
                Read::Account(_) => "account",
                Read::Unreadable(_) => "unreadable",
                Read::Unreached(_) => "unreached",
            };
            assert_eq!(found, name, "{status} {body}");
        }
    }
}
