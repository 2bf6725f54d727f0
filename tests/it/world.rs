//! A world for one test: a relay of its own on free ports, a Serri of its own, and what both say.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use serri_relay::clock::Clock;
use serri_relay::config::diagnostic::Severity;
use serri_relay::config::interpolate::Variables;
use serri_relay::listen;
use serri_relay::relay::{self, Listeners, Reloads, Start};
use serri_relay::route::check::{Checked, Sending, check};
use serri_relay::route::load::Origin;
use serri_relay::serri::sandbox::{PATH, Sandbox};
use serri_relay::store::{self, Engine};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::sqlite;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A route that lets a test say what it wants: bearer `s3cret-for-tests`, one campaign named by the event.
pub const ROUTE: &str = r#"
source: generic
auth: bearer
secret: s3cret-for-tests
sends:
  - name: welcome
    when: not event.skip
    campaignName: "{{ event.campaign | default('welcome') }}"
    destination: "{{ contact.phone }}"
    userName: "{{ contact.name | default('there') }}"
    templateParams: ["{{ contact.first_name | default('there') }}"]
"#;

/// A configuration directory being written.
pub struct Setup {
    pub dir: TempDir,
    settings: Vec<String>,
    accounts: Vec<String>,
    lists: String,
    may_have_faults: bool,
}

/// A relay with one route that tries again, and probes, soon.
pub fn quick() -> Setup {
    Setup::new()
        .route("hello", ROUTE)
        .set("delivery.retry.initial=10ms")
        .set("delivery.retry.max=50ms")
        .set("delivery.hold_probe.initial=30ms")
        .set("delivery.hold_probe.max=60ms")
}

/// What Serri says when it takes a message.
pub fn ok() -> Response {
    r#"{"success":"true","submitted_message_id":"m-1"}"#.into_response()
}

impl Setup {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("config/routes")).unwrap();
        Self::in_dir(dir)
    }

    /// The directory of an earlier world, store and all.
    pub fn in_dir(dir: TempDir) -> Self {
        Self {
            dir,
            settings: Vec::new(),
            accounts: vec!["default".into()],
            lists: String::new(),
            may_have_faults: false,
        }
    }

    /// One more account at the test's Serri.
    pub fn account(mut self, name: &str) -> Self {
        self.accounts.push(name.to_owned());
        self
    }

    /// More of relay.yaml: `campaigns:`, `alerts:`.
    pub fn lists(mut self, text: &str) -> Self {
        self.lists.push_str(text);
        self
    }

    pub fn route(self, name: &str, text: &str) -> Self {
        self.file(&format!("routes/{name}.yaml"), text)
    }

    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.config().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// A setting as in an environment variable: `delivery.concurrency=1`.
    pub fn set(mut self, pair: &str) -> Self {
        self.settings.push(pair.to_owned());
        self
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    /// Writes relay.yaml: free ports, a store in the directory, this endpoint.
    pub fn write(&self, endpoint: &str) {
        let account =
            |name: &String| format!("{name}: {{ endpoint: '{endpoint}', api_key: key-of-the-test, rate: unlimited }}");
        let accounts = self.accounts.iter().map(account).collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "server: {{ listen: '127.0.0.1:0' }}\nadmin: {{ listen: '127.0.0.1:0' }}\nstore: {{ url: 'sqlite:{}' }}\naccounts: {{ {accounts} }}\n{lists}\n",
            self.database().display(),
            lists = self.lists,
        );
        let mut tree = serde_json::Map::new();
        for pair in &self.settings {
            let (path, value) = pair.split_once('=').unwrap();
            let mut at = &mut tree;
            let steps: Vec<&str> = path.split('.').collect();
            for step in &steps[..steps.len() - 1] {
                at = at.entry(*step).or_insert_with(|| Value::Object(serde_json::Map::new())).as_object_mut().unwrap();
            }
            at.insert(steps[steps.len() - 1].to_owned(), Value::from(value));
        }
        if !tree.is_empty() {
            // settings of a test go over those above, as variables do
            text = merge(&text, &Value::Object(tree));
        }
        std::fs::write(self.config().join("relay.yaml"), text).unwrap();
    }

    pub fn database(&self) -> PathBuf {
        self.dir.path().join("relay.db")
    }

    /// The store of a relay that has stopped.
    pub fn store(&self) -> Arc<dyn Engine> {
        store::open(&format!("sqlite:{}", self.database().display())).unwrap()
    }

    /// None of these texts is anywhere in the store: neither in its rows nor in the bytes of its files.
    pub fn assert_unseen(&self, texts: &[&str]) {
        sqlite::assert_no_row(&self.database(), texts);
        assert_unseen(self.dir.path(), texts);
    }

    /// Where its configuration is read from.
    pub fn origin(&self) -> Origin {
        Origin { dir: self.config(), variables: Variables::default(), sending: Sending::AsConfigured }
    }

    /// What starts a relay of it, on free ports.
    pub async fn ready(&self) -> Start {
        if !self.may_have_faults {
            self.checked();
        }
        let origin = self.origin();
        let loaded = origin.load(None).unwrap();
        let listeners = Listeners::bind(&loaded.checked.written.relay.value).await.unwrap();
        let (secrets, reloads) = (Arc::default(), Reloads::new());
        Start { loaded, origin, listeners, clock: Clock::system(), secrets, reloads }
    }

    pub fn checked(&self) -> Checked {
        let (checked, diagnostics) = check(&self.config(), &Variables::default());
        let errors: Vec<String> = diagnostics
            .iter()
            .filter(|f| f.severity == Severity::Error)
            .map(serri_relay::config::diagnostic::Diagnostic::one_line)
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
        checked.unwrap()
    }
}

fn merge(text: &str, over: &Value) -> String {
    fn lay(base: &mut Value, over: &Value) {
        match (base, over) {
            (Value::Object(base), Value::Object(over)) => {
                for (key, value) in over {
                    lay(base.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
            (base, over) => *base = over.clone(),
        }
    }
    let mut base: Value = serde_saphyr::from_str(text).unwrap();
    lay(&mut base, over);
    // JSON is YAML
    base.to_string()
}

/// None of these texts is in any file of a directory.
pub fn assert_unseen(dir: &Path, texts: &[&str]) {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.is_file()) {
        let bytes = std::fs::read(&path).unwrap();
        for text in texts {
            let found = bytes.windows(text.len()).position(|part| part == text.as_bytes());
            let around = found.and_then(|at| bytes.get(at.saturating_sub(40)..(at + 60).min(bytes.len())));
            let around = around.map(String::from_utf8_lossy);
            assert!(around.is_none(), "{text} at {found:?} of {}: {around:?}", path.display());
        }
    }
}

/// A running relay with its Serri.
pub struct World {
    pub setup: Setup,
    pub sandbox: Sandbox,
    pub http: reqwest::Client,
    pub base: String,
    pub admin: String,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    relay: JoinSet<()>,
}

impl World {
    /// A relay with [`ROUTE`] as `hello`.
    pub async fn hello() -> Self {
        Self::start(Setup::new().route("hello", ROUTE)).await
    }

    /// A relay that delivers to a sandbox.
    pub async fn start(setup: Setup) -> Self {
        let sandbox = Sandbox::new(Clock::system());
        let router = sandbox.router();
        Self::start_with(setup, sandbox, router).await
    }

    /// A relay that delivers to a Serri of the test's own.
    pub async fn start_against(setup: Setup, serri: Router) -> Self {
        Self::start_with(setup, Sandbox::new(Clock::system()), serri).await
    }

    /// A relay that delivers to a Serri that is served elsewhere.
    pub async fn start_towards(setup: Setup, endpoint: &str) -> Self {
        Self::start_served(setup, Sandbox::new(Clock::system()), endpoint, JoinSet::new()).await
    }

    /// A relay of which a route has faults.
    pub async fn start_with_faults(mut setup: Setup) -> Self {
        setup.may_have_faults = true;
        Self::start(setup).await
    }

    async fn start_with(setup: Setup, sandbox: Sandbox, serri: Router) -> Self {
        let mut tasks = JoinSet::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}{PATH}", listener.local_addr().unwrap());
        tasks.spawn(listen::serve(listener, serri, PATIENCE, CancellationToken::new()));
        Self::start_served(setup, sandbox, &endpoint, tasks).await
    }

    async fn start_served(setup: Setup, sandbox: Sandbox, endpoint: &str, tasks: JoinSet<()>) -> Self {
        setup.write(endpoint);
        let mut world = Self {
            setup,
            sandbox,
            http: reqwest::Client::new(),
            base: String::new(),
            admin: String::new(),
            stop: CancellationToken::new(),
            tasks,
            relay: JoinSet::new(),
        };
        world.launch().await;
        world
    }

    async fn launch(&mut self) {
        let start = self.setup.ready().await;
        let listeners = &start.listeners;
        self.base = format!("http://{}", listeners.webhooks.local_addr().unwrap());
        self.admin = format!("http://{}", listeners.admin.local_addr().unwrap());
        let stop = self.stop.child_token();
        self.relay.spawn(async move {
            relay::serve(start, stop).await.expect("started");
        });
        eventually("the relay is ready", async || self.http.get(format!("{}/healthz", self.base)).send().await.is_ok())
            .await;
    }

    /// Posts JSON with the test route's secret.
    pub async fn post(&self, route: &str, body: &str) -> (u16, Value) {
        self.call(proven(&self.http, &self.url(route), body.to_owned())).await
    }

    pub async fn call(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub fn url(&self, route: &str) -> String {
        format!("{}/webhooks/{route}", self.base)
    }

    /// Waits until so many messages reached the sandbox.
    pub async fn delivered(&self, count: usize) -> Vec<Value> {
        eventually(&format!("{count} messages arrive"), async || self.sandbox.messages().len() >= count).await;
        self.sandbox.messages()
    }

    /// Asks the admin API.
    pub async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/api/v1{path}", self.admin);
        let request = self.http.request(method.parse().unwrap(), url);
        self.call(match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        })
        .await
    }

    /// What is counted.
    pub async fn metrics(&self) -> String {
        self.http.get(format!("{}/metrics", self.admin)).send().await.unwrap().text().await.unwrap()
    }

    /// Stops the relay in order, and starts it again against the same Serri.
    pub async fn restart(mut self) -> Self {
        self.stop.cancel();
        while let Some(ended) = self.relay.join_next().await {
            ended.expect("the relay ends well");
        }
        self.stop = CancellationToken::new();
        self.launch().await;
        self
    }

    /// Stops the relay in order.
    pub async fn stop(mut self) -> Setup {
        self.stop.cancel();
        while let Some(ended) = self.relay.join_next().await {
            ended.expect("the relay ends well");
        }
        self.tasks.shutdown().await;
        self.setup
    }
}

/// A server of the test's own, for as long as it is held.
pub struct Served {
    pub base: String,
    _tasks: JoinSet<()>,
}

pub async fn serve(router: Router) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(listen::serve(listener, router, PATIENCE, CancellationToken::new()));
    Served { base, _tasks: tasks }
}

/// A call with JSON and the test route's secret.
pub fn proven(http: &reqwest::Client, url: &str, body: String) -> reqwest::RequestBuilder {
    http.post(url).bearer_auth("s3cret-for-tests").header("content-type", "application/json").body(body)
}

/// Waits until something holds; fails, naming it, if it never does.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            ticks.tick().await;
            if holds().await {
                return;
            }
        }
    });
    assert!(waited.await.is_ok(), "never: {what}");
}

/// A Serri that answers by a function of the call.
pub fn scripted<F, R>(answer: F) -> Router
where
    F: Fn(Value) -> R + Send + Sync + 'static,
    R: Future<Output = axum::response::Response> + Send,
{
    let answer = Arc::new(answer);
    let call = move |body: String| {
        let answer = Arc::clone(&answer);
        async move { answer(serde_json::from_str(&body).unwrap_or(Value::Null)).await }
    };
    Router::new().route(PATH, axum::routing::post(call))
}
