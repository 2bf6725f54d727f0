//! The embedded store: one SQLite file, one process. SQL stands in this module and nowhere else.
//!
//! One thread writes ([`writer`]): what is asked for meanwhile shares a transaction ([`inbox`], [`transaction`]). People read
//! on connections of their own ([`reader`]). A claim ([`claim`]) and an append ([`append`]) gather the facts and write down
//! what the gate decides.

mod act;
mod append;
mod audit;
mod backlog;
mod barrier;
mod cancellation;
mod claim;
mod counts;
mod engine;
mod erasure;
mod errors;
mod facts;
mod fast_path;
mod file;
mod frequency;
mod hashed_suppressions;
mod health;
mod holds;
mod inbox;
mod insert;
mod job;
mod keys;
mod leases;
mod location;
mod lock;
mod lookups;
mod memory;
mod notifications;
mod origin;
mod outside;
mod probe;
mod queries;
mod reader;
mod ready;
mod recipient_order;
mod refusals;
mod remap;
mod requests;
mod route_alerts;
mod retention;
mod savepoint;
mod schema;
mod settle;
mod states;

mod suppression;
mod timers;
mod transaction;
mod transitions;
mod turnstile;
mod uncounted;
mod watch;
mod writer;

pub use engine::SqliteStore;
pub use memory::{CommitOrder, MemoryStore};
pub use outside::Outside;
pub use reader::learned;
