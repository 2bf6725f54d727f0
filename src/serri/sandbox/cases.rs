//! The reserved campaign names and numbers, and what comes of each.

/// What the sandbox does for a reserved name or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Answer(u16, &'static str),
    TooFast,
    Hang,
    Reset,
    FailsOnce,
}

/// A reserved campaign name, the number that does the same, and what comes of them.
#[derive(Debug)]
pub struct Case {
    /// The campaign's name.
    pub campaign: &'static str,
    /// The number, where one does the same.
    pub number: Option<&'static str>,
    /// What happens.
    pub about: &'static str,
    pub(super) behaviour: Behaviour,
}

const NO_CREDITS: &str = r#"{"message":"Insufficient WhatsApp Conversation Credits (WCC)!","name":"ERR402","errorCode":402,"errorMessage":"Insufficient WhatsApp Conversation Credits (WCC)!"}"#;
const NO_PLAN: &str = r#"{"message":"No Plan active on assistant!","name":"ERR400","errorCode":400,"errorMessage":"No Plan active on assistant!","aisTraceId":"00000000-0000-4000-8000-000000000000"}"#;
const INVALID_NUMBER: &str = r#"{"message":"Invalid Number"}"#;
const WRONG_COUNT: &str = r#"{"message":"Template params does not match the campaign"}"#;

/// All reserved names and numbers.
pub const CASES: &[Case] = &[
    Case {
        campaign: "sandbox_out_of_credits",
        number: Some("+919000000402"),
        about: "402: the account ran out of credits",
        behaviour: Behaviour::Answer(402, NO_CREDITS),
    },
    Case {
        campaign: "sandbox_plan_lapsed",
        number: Some("+919000000410"),
        about: "400: the account's plan lapsed",
        behaviour: Behaviour::Answer(400, NO_PLAN),
    },
    Case {
        campaign: "sandbox_bad_key",
        number: Some("+919000000401"),
        about: "401: the key is refused",
        behaviour: Behaviour::Answer(401, r#"{"message":"Invalid API key"}"#),
    },
    Case {
        campaign: "sandbox_missing",
        number: None,
        about: "400: there is no such campaign",
        behaviour: Behaviour::Answer(400, r#"{"message":"Campaign does not exist."}"#),
    },
    Case {
        campaign: "sandbox_not_live",
        number: None,
        about: "400: the campaign is paused",
        behaviour: Behaviour::Answer(400, "Campaign is Not Live"),
    },
    Case {
        campaign: "sandbox_wrong_count",
        number: None,
        about: "400: wrong number of templateParams",
        behaviour: Behaviour::Answer(400, WRONG_COUNT),
    },
    Case {
        campaign: "sandbox_invalid_number",
        number: Some("+919000000400"),
        about: "400: the number is not on WhatsApp",
        behaviour: Behaviour::Answer(400, INVALID_NUMBER),
    },
    Case {
        campaign: "sandbox_too_fast",
        number: Some("+919000000429"),
        about: "429 with Retry-After: 2, once for each number; then it is taken",
        behaviour: Behaviour::TooFast,
    },
    Case {
        campaign: "sandbox_down",
        number: Some("+919000000503"),
        about: "503 with an empty body",
        behaviour: Behaviour::Answer(503, ""),
    },
    Case {
        campaign: "sandbox_bad_gateway",
        number: Some("+919000000502"),
        about: "502 with an HTML page",
        behaviour: Behaviour::Answer(502, "<html><body><h1>502 Bad Gateway</h1></body></html>"),
    },
    Case {
        campaign: "sandbox_flaky",
        number: Some("+919000000500"),
        about: "503 once for each number; then it is taken",
        behaviour: Behaviour::FailsOnce,
    },
    Case {
        campaign: "sandbox_hang",
        number: Some("+919000000408"),
        about: "no answer for two minutes",
        behaviour: Behaviour::Hang,
    },
    Case {
        campaign: "sandbox_reset",
        number: Some("+919000000499"),
        about: "the connection is reset instead of an answer",
        behaviour: Behaviour::Reset,
    },
    Case {
        campaign: "sandbox_error_in_200",
        number: Some("+919000000200"),
        about: "200, and the body says that it failed",
        behaviour: Behaviour::Answer(200, r#"{"success":"false","message":"Invalid Number"}"#),
    },
    Case {
        campaign: "sandbox_not_found",
        number: Some("+919000000404"),
        about: "404: nothing takes messages at this address",
        behaviour: Behaviour::Answer(404, "Not Found"),
    },
    Case {
        campaign: "sandbox_web_page",
        number: Some("+919000000201"),
        about: "200 with a web page",
        behaviour: Behaviour::Answer(200, "<html><body><h1>It works!</h1></body></html>"),
    },
    Case {
        campaign: "sandbox_redirect",
        number: Some("+919000000308"),
        about: "308: a redirect",
        behaviour: Behaviour::Answer(308, ""),
    },
    Case {
        campaign: "sandbox_silent",
        number: Some("+919000000204"),
        about: "204 with nothing",
        behaviour: Behaviour::Answer(204, ""),
    },
    Case {
        campaign: "sandbox_unconfirmed",
        number: Some("+919000000202"),
        about: "200, and the body does not say that the message was taken",
        behaviour: Behaviour::Answer(200, r#"{"hello":"world"}"#),
    },
    Case {
        campaign: "sandbox_unknown",
        number: Some("+919000000422"),
        about: "400 in words that are not known",
        behaviour: Behaviour::Answer(400, r#"{"message":"The sender may not do this"}"#),
    },
    Case {
        campaign: "sandbox_unknown_in_200",
        number: Some("+919000000203"),
        about: "200, and the body says that it failed in words that are not known",
        behaviour: Behaviour::Answer(200, r#"{"success":false,"message":"The sender may not do this"}"#),
    },
];
