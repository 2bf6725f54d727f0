//! One process follows another on the same sockets, as a service manager holds them open: no call is refused.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serri_relay::clock::Clock;
use serri_relay::listen;
use serri_relay::serri::sandbox::{PATH, Sandbox};
use socket2::{Domain, Socket, Type};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::asked::texts;
use crate::crash::Process;
use crate::world::{PATIENCE, ROUTE, Setup, eventually, proven};

/// The sockets, held open by the test.
struct Sockets {
    webhooks: TcpListener,
    admin: TcpListener,
}

impl Sockets {
    fn open() -> Self {
        let open = || TcpListener::bind("127.0.0.1:0").unwrap();
        Self { webhooks: open(), admin: open() }
    }

    /// A relay that gets what are its standard input and output as `sd_listen_fds(3)` has it: as descriptors 3 and 4. Those
    /// are the ones that a shell can move.
    fn command(setup: &Setup) -> Command {
        let mut command = Command::new("sh");
        let serve =
            "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" --config \"$1\" serve";
        command.args(["-c", serve, env!("CARGO_BIN_EXE_serri-relay")]).arg(setup.config());
        command
    }

    /// Starts a relay that gets them.
    fn start(&self, setup: &Setup) -> Process {
        let mut command = Self::command(setup);
        let handed = |socket: &TcpListener| Stdio::from(OwnedFd::from(socket.try_clone().unwrap()));
        Process::start_with(&mut command, handed(&self.webhooks), handed(&self.admin))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_replacements_under_load_refuse_no_call_and_lose_and_double_no_send() {
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    let sandbox = Sandbox::new(Clock::system());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}{PATH}", listener.local_addr().unwrap());
    tasks.spawn(listen::serve(listener, sandbox.router(), PATIENCE, stop.clone()));
    // the settings name ports that are not listened on: the sockets are what counts
    let setup = Setup::new().route("hello", ROUTE);
    setup.write(&endpoint);
    let sockets = Sockets::open();
    let url = format!("http://{}/webhooks/hello", sockets.webhooks.local_addr().unwrap());
    let mut process = sockets.start(&setup);
    assert_eq!(process.base, format!("http://{}", sockets.webhooks.local_addr().unwrap()));

    let (is_over, begun, answered) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut senders = JoinSet::new();
    for _ in 0..8 {
        // a connection of its own each, which is kept open between calls
        let (http, url) = (reqwest::Client::new(), url.clone());
        let (is_over, begun, answered) = (Arc::clone(&is_over), Arc::clone(&begun), Arc::clone(&answered));
        senders.spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                let number = begun.fetch_add(1, Ordering::SeqCst);
                let body = format!(r#"{{"id":"{number}","phone":"98{:08}"}}"#, 12_000_000 + number);
                let answer = proven(&http, &url, body).send().await.expect("no call is refused");
                assert_eq!(answer.status(), 200);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    for round in 1..=10 {
        let so_far = answered.load(Ordering::SeqCst);
        eventually("calls are answered", async || answered.load(Ordering::SeqCst) > so_far + 50).await;
        process.signal("TERM");
        let next = sockets.start(&setup);
        let mut code = None;
        eventually("the one before ends", async || {
            code = process.child.try_wait().unwrap();
            code.is_some()
        })
        .await;
        assert_eq!(code.unwrap().code(), Some(0), "round {round}: {}", process.log.lock().unwrap());
        process = next;
    }
    is_over.store(true, Ordering::SeqCst);
    while let Some(ended) = senders.join_next().await {
        ended.expect("every call is taken");
    }
    let count = answered.load(Ordering::SeqCst);
    eventually("all arrive", async || sandbox.messages().len() >= count).await;
    let mut destinations = texts(&sandbox.messages(), "destination");
    destinations.sort();
    destinations.dedup();
    assert_eq!((sandbox.messages().len(), destinations.len()), (count, count));
    stop.cancel();
    tasks.shutdown().await;
}

/// Starts a relay with these as descriptors 3 and 4; what it says as it ends.
fn refused(setup: &Setup, webhooks: OwnedFd, admin: OwnedFd) -> String {
    let mut command = Sockets::command(setup);
    let output = command.stdin(Stdio::from(webhooks)).stdout(Stdio::from(admin)).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_was_handed_over_and_is_not_a_socket_that_listens_is_refused_at_the_start() {
    let setup = Setup::new().route("hello", ROUTE);
    setup.write("http://127.0.0.1:9/");
    let address: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    let listens = || OwnedFd::from(TcpListener::bind(address).unwrap());
    let bound = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&address.into()).unwrap();
        OwnedFd::from(socket)
    };
    let datagrams = || OwnedFd::from(UdpSocket::bind(address).unwrap());
    let local = || OwnedFd::from(UnixListener::bind(setup.dir.path().join("socket")).unwrap());
    let file = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    for (webhooks, admin, said) in [
        (bound(), listens(), "socket 1 of LISTEN_FDS, for webhooks, cannot be used: it does not listen"),
        (listens(), bound(), "socket 2 of LISTEN_FDS, for the admin listener, cannot be used: it does not listen"),
        (
            datagrams(),
            listens(),
            "socket 1 of LISTEN_FDS, for webhooks, cannot be used: fd 3 is not a valid tcp socket",
        ),
        (local(), listens(), "socket 1 of LISTEN_FDS, for webhooks, cannot be used: fd 3 is not a valid tcp socket"),
        (file(), listens(), "socket 1 of LISTEN_FDS, for webhooks, cannot be used: fd 3 is not a socket"),
    ] {
        let heard = refused(&setup, webhooks, admin);
        assert!(heard.contains(said) && heard.contains("hand over a TCP socket that listens"), "{heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_relay_on_the_same_file_without_handed_over_sockets_does_not_wait_for_long() {
    let setup = Setup::new().route("hello", ROUTE);
    setup.write("http://127.0.0.1:9/");
    let _first = Process::serve(&setup);
    let mut second = crate::crash::serving(&setup).stderr(Stdio::piped()).spawn().unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), async {
        eventually("it ends", async || second.try_wait().unwrap().is_some()).await;
    });
    ended.await.expect("soon");
    assert_eq!(second.wait().unwrap().code(), Some(1));
}
