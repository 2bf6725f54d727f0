//! The sockets that a relay listens on: its own, or such as one process hands on to the next.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use listenfd::ListenFd;
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::error::StartError;
use crate::clock::Stopwatch;
use crate::config::address::{ListenAddress, StoreUrl};
use crate::config::relay::RelayFile;
use crate::store::{self, Engine, OpenError};

/// How long a relay that another one follows lets its senders' connections end with an answer: a connection that is closed
/// while a request is on its way costs that request.
pub const FAREWELL: Duration = Duration::from_secs(1);

/// How long the process before this one may take to end: longer than any `server.shutdown_grace` that a sender would wait for.
const HANDOVER: Duration = Duration::from_secs(120);

/// How long until it is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// The sockets a relay listens on.
#[derive(Debug)]
pub struct Listeners {
    /// For webhooks.
    pub webhooks: TcpListener,
    /// For whoever runs it.
    pub admin: TcpListener,
    /// Whether another process goes on with that for webhooks after this one.
    pub is_handed_over: bool,
}

impl Listeners {
    /// Listens where the settings say, or takes sockets that the service manager holds open (socket activation, `sd_listen_fds`):
    /// the first for webhooks, the second for the admin listener. What connects while one process follows another waits in them.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] if an address is taken, [`StartError::HandedOver`] if what was handed over is not a TCP socket
    /// that listens.
    pub async fn bind(settings: &RelayFile) -> Result<Self, StartError> {
        let mut handed = ListenFd::from_env();
        let webhooks = handed_over(&mut handed, 0, "webhooks")?;
        let admin = handed_over(&mut handed, 1, "the admin listener")?;
        let is_handed_over = webhooks.is_some();
        let bind = async |handed: Option<TcpListener>, ListenAddress(address): ListenAddress| match handed {
            Some(listener) => Ok(listener),
            None => TcpListener::bind(address).await.map_err(|error| StartError::Listen(address.to_string(), error)),
        };
        Ok(Self {
            webhooks: bind(webhooks, settings.server.listen).await?,
            admin: bind(admin, settings.admin.listen).await?,
            is_handed_over,
        })
    }
}

impl Listeners {
    /// Opens the store. The process before this one may still have it, where the sockets are handed on. `None` if this one is
    /// told to stop while it waits.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if it cannot be opened, or nobody lets go of it.
    pub async fn open_store(
        &self,
        url: &StoreUrl,
        stop: &CancellationToken,
    ) -> Result<Option<Arc<dyn Engine>>, OpenError> {
        let (watch, mut is_told) = (Stopwatch::start(), false);
        loop {
            match store::open(url.as_str()) {
                Err(OpenError::InUse(path)) if self.is_handed_over && watch.elapsed() < HANDOVER => {
                    if !std::mem::replace(&mut is_told, true) {
                        let store = path.display().to_string();
                        tracing::info!(store, "the process before this one still works on the store; this one waits");
                    }
                    if tokio::time::timeout(PAUSE, stop.cancelled()).await.is_ok() {
                        return Ok(None);
                    }
                }
                opened => return opened.map(Some),
            }
        }
    }
}

/// A socket that was handed over. One that is bound and does not listen would fail at each call.
fn handed_over(
    handed: &mut ListenFd,
    position: usize,
    used_for: &'static str,
) -> Result<Option<TcpListener>, StartError> {
    let unusable = |reason: String| StartError::HandedOver { position: position + 1, used_for, reason };
    let failed = |error: io::Error| unusable(error.to_string());
    let Some(listener) = handed.take_tcp_listener(position).map_err(failed)? else { return Ok(None) };
    if !SockRef::from(&listener).is_listener().map_err(failed)? {
        return Err(unusable("it does not listen".to_owned()));
    }
    listener.set_nonblocking(true).map_err(failed)?;
    TcpListener::from_std(listener).map(Some).map_err(failed)
}
