//! Proxies from the environment or the settings: what goes through them, and that nothing does that stays on this computer.

use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use serde_json::json;
use serri_relay::serri::sandbox::PATH;

use crate::crash::Process;
use crate::world::{ROUTE, Served, Setup, eventually, proven, serve};

const VARIABLES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// A proxy that notes what it is asked for, and answers as Serri does.
async fn proxy() -> (Served, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let router = Router::new().fallback(move |request: Request| {
        noted.lock().unwrap().push(request.uri().to_string());
        std::future::ready(json!({"success": "true", "submitted_message_id": "m-1"}).to_string())
    });
    (serve(router).await, asked)
}

/// The binary in an environment that names a proxy for everything.
fn command(setup: &Setup, proxy: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serri-relay"));
    command.arg("--config").arg(setup.config());
    for name in VARIABLES {
        command.env(name, proxy);
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    command
}

#[tokio::test]
async fn nothing_that_stays_on_this_computer_goes_through_a_proxy() {
    let (proxy, asked) = proxy().await;
    let told = Arc::new(Mutex::new(0));
    let count = Arc::clone(&told);
    let ops = serve(Router::new().fallback(move || {
        *count.lock().unwrap() += 1;
        std::future::ready("ok")
    }))
    .await;
    for setting in ["environment", &proxy.base] {
        let alerts = format!("alerts: [{{ webhook: '{}/alert' }}]", ops.base);
        let setup = Setup::new()
            .route("hello", ROUTE)
            .lists(&alerts)
            .set(&format!("delivery.proxy={setting}"))
            .set("admin.token=t0ken")
            // the in-process sandbox
            .set("accounts.default.api_key=");
        setup.write("https://backend.serri.com/campaign/t1/api/v2");
        let process = Process::start(command(&setup, &proxy.base).arg("serve"));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let before = *told.lock().unwrap();
        for (id, number) in [("1", "9812345670"), ("2", "+919000000402")] {
            let body = format!(r#"{{"id":"{id}","phone":"{number}"}}"#);
            proven(&http, &format!("{}/webhooks/hello", process.base), body).send().await.unwrap();
        }
        eventually("both are tried", async || process.log.lock().unwrap().matches("delivery attempted").count() >= 2)
            .await;
        eventually("the hold is told", async || *told.lock().unwrap() > before).await;
        for arguments in [
            vec!["sends", "list", "--admin", &process.admin],
            vec!["health", "--url", &process.base],
            vec!["post", "hello", "lead", "--url", &process.base],
        ] {
            let output = command(&setup, &proxy.base).args(&arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!(*asked.lock().unwrap(), Vec::<String>::new(), "delivery.proxy: {setting}");
    }
}

#[tokio::test]
async fn calls_to_other_computers_go_through_the_proxy_that_is_wanted() {
    let (of_environment, through_environment) = proxy().await;
    let (of_settings, through_settings) = proxy().await;
    let endpoint = format!("http://serri.invalid{PATH}");
    for (setting, environment, settings) in [("environment", 1, 0), ("none", 0, 0), (&*of_settings.base, 0, 1)] {
        let setup = Setup::new().route("hello", ROUTE).set(&format!("delivery.proxy={setting}"));
        setup.write(&endpoint);
        let process = Process::start(command(&setup, &of_environment.base).arg("serve"));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = r#"{"id":"1","phone":"9812345670"}"#.to_owned();
        proven(&http, &format!("{}/webhooks/hello", process.base), body).send().await.unwrap();
        eventually("it is tried", async || process.log.lock().unwrap().contains("delivery attempted")).await;
        for (asked, count) in [(&through_environment, environment), (&through_settings, settings)] {
            assert_eq!(*asked.lock().unwrap(), vec![endpoint.clone(); count], "delivery.proxy: {setting}");
            asked.lock().unwrap().clear();
        }
    }
}

#[test]
fn what_is_not_a_proxy_is_a_fault_that_does_not_show_its_password() {
    for wrong in ["proxy.example.com:3128", "socks5://user:hunter2@proxy:1", "systemwide"] {
        let setup = Setup::new().route("hello", ROUTE).set(&format!("delivery.proxy={wrong}"));
        setup.write("http://127.0.0.1:9/");
        let output = crate::cli::relay(&setup.config(), &["check"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains("this is not a proxy"), "{wrong}: {said}");
    }
}
