//! The embedded store: one SQLite file, one process. SQL stands in this module and nowhere else.
//!
//! One thread writes ([`writer`]): what is asked for meanwhile shares a transaction ([`inbox`], [`transaction`]). People read
//! on connections of their own ([`reader`]). A claim ([`claim`]) and an append ([`append`]) gather the facts and write down
//! what the gate decides.

mod act;
mod append;
mod archive;
mod barrier;
mod claim;
mod direct;
mod engine;
mod errors;
mod file;
mod health;
mod holds;
mod inbox;
mod insert;
mod job;
mod keys;
mod lanes;
mod location;
mod lock;
mod lookups;
mod lost;
mod memory;
mod notices;
mod origin;
mod passing;
mod people;
mod probe;
mod reader;
mod refusals;
mod remap;
mod requests;
mod schema;
mod settle;
mod states;
mod transaction;
mod turns;
mod turnstile;
mod watch;
mod writer;

pub use engine::SqliteStore;
pub use memory::MemoryStore;
pub use reader::learned;
