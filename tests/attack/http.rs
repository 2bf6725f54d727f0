//! Calls over plain sockets: an attacker does not keep to what HTTP clients allow.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(40);

/// What came back.
pub struct Answer {
    /// The status; 0: none came.
    pub status: u16,
    pub body: String,
    pub took: Duration,
}

/// The head of a POST.
pub fn head(path: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head + "\r\n"
}

/// Posts a body.
pub fn post(port: u16, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let length = body.len().to_string();
    let headers: Vec<(&str, &str)> = headers.iter().copied().chain([("Content-Length", length.as_str())]).collect();
    raw(port, &[head(path, &headers).as_bytes(), body].concat())
}

/// Asks for something.
pub fn get(port: u16, path: &str, headers: &[(&str, &str)]) -> Answer {
    let head = head(path, headers).replacen("POST", "GET", 1);
    // a test's own Host comes instead of ours
    let given = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
    raw(port, if given { head.replacen("Host: 127.0.0.1\r\n", "", 1) } else { head }.as_bytes())
}

/// Sends bytes and reads the answer.
pub fn raw(port: u16, bytes: &[u8]) -> Answer {
    let watch = Instant::now();
    let text = exchange(port, bytes).unwrap_or_default();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    Answer { status, body, took: watch.elapsed() }
}

fn exchange(port: u16, bytes: &[u8]) -> std::io::Result<String> {
    let mut stream = connect(port)?;
    // one that is refused early is told so before all was sent
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Connects to the relay.
pub fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_secs(5))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
