//! Serri behind TLS, as it really is: certificates are checked, and HTTP/2 is spoken where the server offers it.
//!
//! `tests/data/tls` holds an authority of the tests' own (its key was thrown away) and a certificate for `localhost`.

use std::process::Command;
use std::sync::{Arc, Mutex};

use http::Version;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::{Value, json};
use serri_relay::serri::sandbox::PATH;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::asked::{Ask as _, is_over, texts};
use crate::crash::Process;
use crate::world::{ROUTE, Setup, eventually, proven};

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/localhost.pem");
const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/ca.pem");

/// A Serri that speaks TLS; notes the connection and the version of each call.
struct Secure {
    endpoint: String,
    calls: Arc<Mutex<Vec<(usize, Version)>>>,
    _tasks: JoinSet<()>,
}

async fn secure_serri(protocols: &[&str]) -> Secure {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../data/tls/localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../data/tls/localhost.key")).unwrap();
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://localhost:{}{PATH}", listener.local_addr().unwrap().port());
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, noted) = (acceptor.clone(), Arc::clone(&noted));
            connections.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    noted.lock().unwrap().push((number, request.version()));
                    let body = json!({"success": "true", "submitted_message_id": "m-1"}).to_string();
                    std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(body)))
                });
                drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await);
            });
        }
    });
    Secure { endpoint, calls, _tasks: tasks }
}

/// A relay that trusts an authority: the variable is where OpenSSL and rustls-native-certs look for the system's.
fn trusting(setup: &Setup, authority: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serri-relay"));
    command.arg("--config").arg(setup.config()).arg("serve");
    command.env("SSL_CERT_FILE", authority).env_remove("SSL_CERT_DIR");
    command
}

async fn post(process: &Process, numbers: std::ops::Range<u32>) {
    let client = reqwest::Client::new();
    for n in numbers {
        let sent = proven(
            &client,
            &format!("{}/webhooks/hello", process.base),
            json!({"id": n.to_string(), "phone": format!("+9198123{n:05}")}).to_string(),
        )
        .send();
        assert_eq!(sent.await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_spoken_where_it_is_offered_and_one_connection_carries_all() {
    for (offered, spoken) in [(["h2", "http/1.1"].as_slice(), Version::HTTP_2), (&["http/1.1"], Version::HTTP_11)] {
        let serri = secure_serri(offered).await;
        let setup = Setup::new().route("hello", ROUTE);
        setup.write(&serri.endpoint);
        let process = Process::start(&mut trusting(&setup, AUTHORITY));
        let arrived = |count: usize| serri.calls.lock().unwrap().len() >= count;
        // calls that meet before any connection stands may open one each
        post(&process, 0..1).await;
        eventually("the first is delivered", async || arrived(1)).await;
        post(&process, 1..100).await;
        eventually("all are delivered", async || arrived(100)).await;
        let calls = serri.calls.lock().unwrap().clone();
        assert_eq!(calls.len(), 100);
        assert!(calls.iter().all(|(_, version)| *version == spoken), "{calls:?}");
        if spoken == Version::HTTP_2 {
            assert!(calls.iter().all(|(connection, _)| *connection == 0), "{calls:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_prove_who_it_is_gets_no_message() {
    let serri = secure_serri(&["h2", "http/1.1"]).await;
    let setup = Setup::new().route("hello", ROUTE);
    setup.write(&serri.endpoint);
    // the server's own certificate stands for an authority that signed something else
    let process = Process::start(&mut trusting(&setup, CERTIFICATE));
    post(&process, 0..10).await;
    // after some that fail in a row the account is taken to be down: the rest is not tried in vain
    eventually("all wait", async || {
        let waiting: Vec<Value> = process.sends().await.into_iter().filter(|send| !is_over(send)).collect();
        let named = texts(&waiting, "reason").iter().filter(|reason| reason.contains("certificate")).count();
        waiting.len() == 10 && named >= 5
    })
    .await;
    assert!(serri.calls.lock().unwrap().is_empty());
    assert!(process.log.lock().unwrap().contains("certificate"));
}

#[test]
fn a_system_that_trusts_nobody_is_told_what_to_install() {
    let setup = Setup::new().route("hello", ROUTE);
    setup.write("https://serri.example/api");
    let output = trusting(&setup, "/dev/null").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("ca-certificates"), "{said}");
}
