//! The API of a sender whose events leave out whom they are about; it fails as the seed says.

use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use serri_relay::clock::Stopwatch;
use serri_relay::outbound::{Answered, Fetch, Unanswered};

use super::script::Trouble;

/// How long the relay waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

pub struct Senders {
    begin: Stopwatch,
    troubles: Vec<(Range<Duration>, Trouble)>,
    rng: Mutex<fastrand::Rng>,
}

impl Senders {
    pub fn new(seed: u64, troubles: Vec<(Range<Duration>, Trouble)>) -> Self {
        Self { begin: Stopwatch::start(), troubles, rng: Mutex::new(fastrand::Rng::with_seed(seed ^ 0x5eed)) }
    }

    async fn answer(&self, request: reqwest::Request) -> Result<Answered, Unanswered> {
        assert_eq!(request.headers()["authorization"], "Bearer a-token-of-the-sender");
        let of = request.url().query_pairs().find_map(|(name, value)| (name == "of").then(|| value.into_owned()));
        let (wait, chance) = {
            let mut rng = self.rng.lock().unwrap();
            (rng.u64(1..1_500), rng.bool())
        };
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let now = self.begin.elapsed();
        let trouble = self.troubles.iter().find(|(when, _)| when.contains(&now)).map(|(_, trouble)| *trouble);
        let (status, retry_after, body) = match trouble {
            Some(Trouble::Unreached) => return Err(Unanswered::Unreached("connection refused".into())),
            Some(Trouble::Hangs) if chance => {
                tokio::time::sleep(TIMEOUT).await;
                return Err(Unanswered::Lost("no answer in time".into()));
            }
            Some(Trouble::Down) => (503, None, json!({})),
            Some(Trouble::Forbidden) => (401, None, json!({ "error": "the token was taken back" })),
            Some(Trouble::TooFast) => (429, chance.then(|| Duration::from_secs(90)), json!({})),
            _ => (200, None, json!({ "phone": of })),
        };
        Ok(Answered { status, retry_after, body: body.to_string(), broken: None, cut: false })
    }
}

impl Fetch for Senders {
    fn fetch(&self, request: reqwest::Request, _limit: usize) -> BoxFuture<'_, Result<Answered, Unanswered>> {
        Box::pin(self.answer(request))
    }
}
