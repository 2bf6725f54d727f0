//! Who is told that an account or a campaign is on hold: each once, in their own time, and over restarts.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Path;
use axum::response::IntoResponse as _;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::asked::Ask as _;
use crate::world::{ROUTE, Served, Setup, World, eventually, scripted, serve};

/// What somebody was told.
#[derive(Debug, Clone)]
pub struct Heard {
    by: String,
    id: Option<String>,
    signature: Option<String>,
    pub body: Value,
}

/// Those who want to know: some may refuse, some never answer.
#[derive(Default)]
pub struct Ops {
    heard: Mutex<Vec<Heard>>,
    refuse: Mutex<BTreeSet<&'static str>>,
    hang: Mutex<BTreeSet<&'static str>>,
}

impl Ops {
    pub async fn serve(self: &Arc<Self>) -> Served {
        let ops = Arc::clone(self);
        let hear = move |Path(by): Path<String>, headers: HeaderMap, body: String| {
            let ops = Arc::clone(&ops);
            async move {
                let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
                let (id, signature) = (header("webhook-id"), header("webhook-signature"));
                let body = serde_json::from_str(&body).unwrap();
                ops.heard.lock().unwrap().push(Heard { by: by.clone(), id, signature, body });
                if ops.hang.lock().unwrap().contains(by.as_str()) {
                    std::future::pending::<()>().await;
                }
                let refuses = ops.refuse.lock().unwrap().contains(by.as_str());
                if refuses { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
            }
        };
        serve(Router::new().route("/{by}", post(hear))).await
    }

    pub fn by(&self, by: &str) -> Vec<Heard> {
        self.heard.lock().unwrap().iter().filter(|heard| heard.by == by).cloned().collect()
    }

    /// What a channel of Slack was told.
    fn texts(&self, by: &str) -> Vec<String> {
        self.by(by).iter().map(|heard| heard.body["text"].as_str().unwrap().to_owned()).collect()
    }

    pub fn kinds(&self, by: &str) -> Vec<String> {
        self.by(by).iter().map(|heard| heard.body["type"].as_str().unwrap_or("").to_owned()).collect()
    }
}

async fn hold(world: &World, account: &str) {
    let (status, _) = world.admin("POST", "/holds", Some(json!({ "account": account }))).await;
    assert_eq!(status, 200);
}

/// Waits until what both accepted so far is on disk. Each is notified of one thing after the other, so that once they hear of
/// one more hold, what came before it is written down. Of that hold they may hear again after a restart.
async fn until_written_down(world: &World, ops: &Ops) {
    hold(world, "other").await;
    let knows = |by: &&str| ops.by(by).iter().any(|heard| heard.body.to_string().contains("other"));
    eventually("both hear of another hold", async || ["hook", "slack"].iter().all(knows)).await;
}

async fn lift(world: &World, account: &str) {
    let (status, _) = world.admin("POST", "/holds/lift", Some(json!({ "account": account }))).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn each_is_told_once_reminded_and_told_of_the_end() {
    let ops = Arc::new(Ops::default());
    let served = ops.serve().await;
    let lists = format!(
        "alerts:\n- {{ webhook: '{0}/hook', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw }}\n- {{ slack: '{0}/slack' }}\n- {{ campaign: relay_alert, account: ops, to: '+919812345679' }}\n- {{ campaign: relay_alert, account: default, to: '+919812345679' }}",
        served.base
    );
    let setup = Setup::new().route("hello", &format!("account: default{ROUTE}")).account("ops").lists(&lists);
    let setup = setup.set(&format!("accounts.ops.endpoint={}/ops", served.base)).set("delivery.remind=500ms");
    let world = World::start(setup).await;
    hold(&world, "default").await;
    let events: Vec<Value> =
        (0..40).map(|n| json!({"id": format!("e{n}"), "phone": format!("98123456{n:02}")})).collect();
    world.post("hello", &Value::from(events).to_string()).await;
    eventually("each is told", async || ["hook", "slack", "ops"].iter().all(|by| !ops.by(by).is_empty())).await;
    let first = ops.by("hook").remove(0);
    assert!(first.signature.unwrap().starts_with("v1,"));
    assert_eq!((&first.body["type"], &first.body["data"]["account"]), (&json!("hold.began"), &json!("default")));
    assert!(ops.by("slack")[0].body["text"].as_str().unwrap().contains("is on hold"));
    assert_eq!(ops.by("ops")[0].body["destination"], "+919812345679");
    eventually("each is reminded", async || ["hook", "slack", "ops"].iter().all(|by| ops.by(by).len() > 1)).await;
    lift(&world, "default").await;
    eventually("each is told of the end", async || ops.kinds("hook").contains(&"hold.ended".to_owned())).await;
    let kinds = ops.kinds("hook");
    assert_eq!(kinds.iter().filter(|kind| *kind == "hold.began").count(), 1, "{kinds:?}");
    let ended = ops.by("hook").into_iter().find(|heard| heard.body["type"] == "hold.ended").unwrap();
    assert_eq!(ended.body["data"]["waiting"], 40);
    world.delivered(40).await;
    assert!(
        !world.sandbox.messages().iter().any(|message| message["campaignName"] == "relay_alert"),
        "what is on hold tells nobody"
    );
    world.stop().await;
}

#[tokio::test]
async fn who_never_answers_keeps_nobody_else_waiting() {
    let ops = Arc::new(Ops::default());
    ops.hang.lock().unwrap().insert("slack");
    let served = ops.serve().await;
    let lists = format!("alerts: [{{ slack: '{0}/slack' }}, {{ webhook: '{0}/hook' }}]", served.base);
    let setup = Setup::new()
        .route("hello", &format!("account: default{ROUTE}"))
        .account("other")
        .lists(&lists)
        .set("delivery.timeout=1h");
    let world = World::start(setup).await;
    hold(&world, "default").await;
    eventually("it hangs", async || ops.by("slack").len() == 1).await;
    hold(&world, "other").await;
    lift(&world, "default").await;
    eventually("the other hears all", async || ops.by("hook").len() == 3).await;
    assert_eq!(ops.by("slack").len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_restart_loses_nothing_that_is_to_be_told_and_repeats_nothing_that_was() {
    let ops = Arc::new(Ops::default());
    ops.refuse.lock().unwrap().insert("slack");
    let served = ops.serve().await;
    let lists = format!("alerts: [{{ slack: '{0}/slack' }}, {{ webhook: '{0}/hook' }}]", served.base);
    let setup = Setup::new().route("hello", &format!("account: default{ROUTE}")).account("other").lists(&lists);
    let world = World::start(setup).await;
    hold(&world, "default").await;
    lift(&world, "default").await;
    eventually("one knows, one refuses", async || ops.by("hook").len() == 2 && ops.by("slack").len() == 2).await;
    until_written_down(&world, &ops).await;
    let setup = world.stop().await;
    let refused = ops.by("slack").len();
    ops.refuse.lock().unwrap().clear();
    let world = World::start(setup).await;
    eventually("the other is told again", async || ops.by("slack").len() == refused + 3).await;
    let texts = ops.texts("slack");
    assert_eq!(texts[..2], texts[refused..refused + 2], "the same, in the same order");
    hold(&world, "default").await;
    let ids = || ops.by("hook").into_iter().map(|heard| heard.id).collect::<Vec<_>>();
    eventually("what is new is told", async || ids().into_iter().collect::<BTreeSet<_>>().len() == 4).await;
    for known in &ids()[..2] {
        assert_eq!(ids().iter().filter(|id| *id == known).count(), 1, "it is not repeated: {:?}", ids());
    }
    world.stop().await;
}

#[tokio::test]
async fn an_account_that_cannot_be_reached_for_a_while_is_told_once_also_over_a_restart_and_so_is_its_end() {
    let ops = Arc::new(Ops::default());
    let served = ops.serve().await;
    let down = Arc::new(AtomicBool::new(true));
    let far = {
        let down = Arc::clone(&down);
        scripted(move |_| {
            let down = down.load(Ordering::SeqCst);
            async move {
                let taken = json!({"success": "true", "submitted_message_id": "m"}).to_string();
                if down { StatusCode::SERVICE_UNAVAILABLE.into_response() } else { taken.into_response() }
            }
        })
    };
    let lists = format!("alerts: [{{ webhook: '{0}/hook' }}, {{ slack: '{0}/slack' }}]", served.base);
    let setup = Setup::new().route("hello", &format!("account: default{ROUTE}")).account("other").lists(&lists);
    let setup = setup.set("delivery.unreachable_after=300ms");
    let setup = setup.set("delivery.retry.initial=10ms").set("delivery.retry.max=50ms");
    let world = World::start_against(setup, far).await;
    let events: Vec<Value> =
        (0..8).map(|n| json!({"id": format!("e{n}"), "phone": format!("98123456{n:02}")})).collect();
    world.post("hello", &Value::from(events).to_string()).await;
    eventually("it is told", async || ops.kinds("hook") == ["outage.began"] && ops.by("slack").len() == 1).await;
    let began = ops.by("hook").remove(0);
    assert_eq!(began.body["data"]["account"], "default");
    assert!(began.body["data"]["waiting"].as_u64().unwrap() >= 7, "one may be under way: {began:?}");
    assert!(ops.by("slack")[0].body["text"].as_str().unwrap().contains("cannot be reached"));
    until_written_down(&world, &ops).await;
    let world = world.restart().await;
    eventually("it is seen again that it is down", async || world.metrics().await.contains("turn=\"unreachable\""))
        .await;
    down.store(false, Ordering::SeqCst);
    let of_outages = |told: Vec<String>| told.into_iter().filter(|told| !told.contains("hold")).collect::<Vec<_>>();
    eventually("its end is told", async || of_outages(ops.kinds("hook")) == ["outage.began", "outage.ended"]).await;
    eventually("to each", async || of_outages(ops.texts("slack")).len() == 2).await;
    world.stop().await;
}

#[tokio::test]
async fn a_send_that_nobody_knows_about_is_told_with_what_to_do() {
    let ops = Arc::new(Ops::default());
    let served = ops.serve().await;
    let lists = format!("alerts: [{{ webhook: '{0}/hook' }}, {{ slack: '{0}/slack' }}]", served.base);
    let setup = Setup::new().route("hello", ROUTE).lists(&lists);
    let setup = setup.set("delivery.on_uncertain=hold").set("delivery.timeout=200ms");
    let world = World::start_against(setup, scripted(|_| std::future::pending())).await;
    for n in 0..3 {
        world.post("hello", &json!({"id": format!("e{n}"), "phone": format!("98123456{n:02}")}).to_string()).await;
    }
    eventually("it is told", async || ops.kinds("hook") == ["sends.uncertain"] && ops.by("slack").len() == 1).await;
    assert!(ops.by("slack")[0].body["text"].as_str().unwrap().contains("sends list --state uncertain"));
    world.until_sends("state=uncertain", 3).await;
    assert_eq!(ops.by("hook").len(), 1, "the others are gathered");
    world.stop().await;
}
