//! Why a relay does not run.

use std::net::SocketAddr;

use thiserror::Error;

use super::parts::PartEnded;
use crate::outbound::ClientError;
use crate::store::OpenError;

/// Why a relay cannot start, or ended although nobody told it to.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address is taken or not ours.
    #[error(
        "cannot listen on {0}: {1}; is another relay running? server.listen and admin.listen in relay.yaml say where"
    )]
    Listen(String, std::io::Error),
    /// What the service manager handed over cannot be used.
    #[error(
        "socket {position} of LISTEN_FDS, for {used_for}, cannot be used: {reason}; hand over a TCP socket that listens (a socket unit with ListenStream=ADDRESS:PORT), or none, and server.listen and admin.listen in relay.yaml say where to listen"
    )]
    HandedOver {
        /// Which, from 1.
        position: usize,
        /// What it would have been used for.
        used_for: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Deliveries have threads of their own.
    #[error("cannot start threads for deliveries: {0}; raise the limit of processes (ulimit -u, pids_limit)")]
    Threads(std::io::Error),
    /// The HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An account that had a key has none.
    #[error(
        "account `{0}` had an API key before and has none now: its messages would go to the sandbox and reach nobody; set accounts.NAME.api_key (SERRI_API_KEY) again, or start with `serve --sandbox` if that is what you want"
    )]
    KeyLost(String),
    /// Anybody could do anything.
    #[error(
        "the admin listener can be reached from outside, at {0}, and has no token; set SERRI_RELAY_ADMIN_TOKEN (openssl rand -hex 24), or hand over a socket on 127.0.0.1"
    )]
    WithoutToken(SocketAddr),
    /// A part of it ended before it was told to stop.
    #[error(transparent)]
    Part(#[from] PartEnded),
}
