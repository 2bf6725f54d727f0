//! Which sends or events a command means, and which part of a list.

use clap::Args;
use serde_json::{Value, json};

use super::moment::Moment;
use crate::cli::complain;

/// What is asked of the API: parameters with their values.
pub type Pairs = Vec<(&'static str, String)>;

/// Which sends or events.
#[derive(Debug, Clone, Default, Args)]
pub struct Which {
    /// That came by this route.
    #[arg(long)]
    route: Option<String>,
    /// That this rule made.
    #[arg(long)]
    rule: Option<String>,
    /// Of this campaign.
    #[arg(long)]
    campaign: Option<String>,
    /// Of this account.
    #[arg(long)]
    account: Option<String>,
    /// In this state: waiting, sending, sent, failed, uncertain, expired, suppressed, cancelled, duplicate; events also
    /// unmapped (a rule failed) or undecodable.
    #[arg(long)]
    state: Option<String>,
    /// To this number; events also that hold it, however it is written there.
    #[arg(long)]
    number: Option<String>,
    /// Of the event with this id.
    #[arg(long)]
    event: Option<String>,
    /// Made since this moment: today, yesterday, 30m, 24h, 7d, 2026-11-25, 2026-11-25T09:00, 2026-11-25T09:00:00+05:30.
    #[arg(long, value_name = "WHEN")]
    since: Option<Moment>,
    /// Made before this moment.
    #[arg(long, value_name = "WHEN")]
    until: Option<Moment>,
}

impl Which {
    /// As the API takes it.
    pub fn pairs(&self) -> Pairs {
        let moment = |moment: Option<Moment>| moment.map(Moment::written);
        let all = [
            ("route", self.route.clone()),
            ("rule", self.rule.clone()),
            ("campaign", self.campaign.clone()),
            ("account", self.account.clone()),
            ("state", self.state.clone()),
            ("number", self.number.clone()),
            ("event", self.event.clone()),
            ("since", moment(self.since)),
            ("until", moment(self.until)),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

/// Which events.
#[derive(Debug, Clone, Default, Args)]
pub struct WhichEvents {
    #[command(flatten)]
    which: Which,
    /// That hold this text, in whatever case.
    #[arg(long)]
    text: Option<String>,
}

impl WhichEvents {
    /// As the API takes it.
    pub fn pairs(&self) -> Pairs {
        let text = self.text.clone().map(|text| ("text", text));
        self.which.pairs().into_iter().chain(text).collect()
    }
}

/// The same for a body of the API; `None` if nothing is asked for.
pub fn filter(pairs: Pairs) -> Option<Value> {
    let map = pairs.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect();
    Some(Value::Object(map)).filter(|filter| filter != &json!({}))
}

/// Whether it is said which ones are meant, and in one way: by what names them, or by a filter. If not, says so.
pub fn is_said<T>(ids: &[T], filter: Option<&Value>) -> bool {
    let wrong = match (ids.is_empty(), filter) {
        (true, None) => {
            "say which: name them, or narrow them down with --route, --state, --since and others (see --help)"
        }
        (false, Some(_)) => "say which either by naming them or by --route, --state, --since and others, not both ways",
        _ => return true,
    };
    complain(&format!("error: {wrong}"));
    false
}

/// The part of a list.
#[derive(Debug, Clone, Args)]
pub struct Paging {
    /// How many, newest first; 50 if left out, and with --csv all.
    #[arg(long)]
    pub limit: Option<usize>,
    /// Where the last page ended.
    #[arg(long)]
    pub cursor: Option<String>,
    /// Print CSV with all that is known of each.
    #[arg(long)]
    pub csv: bool,
}
