//! The tests from outside: a real relay, real HTTP, a real file; the sandbox stands for Serri.

#![allow(
    clippy::too_many_lines,
    clippy::type_complexity,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "a table of vectors is long"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod addresses;
mod alerts;
mod answers;
mod asked;
mod authenticate;
mod budget;
mod bulk;
mod by_hand;
mod campaigns;
mod carts;
mod cli;
mod clients;
mod commands;
mod concealed;
mod container;
mod countries;
mod counts;
mod crash;
mod deliver;
mod dates;
mod decided;
mod docs;
mod enrich;
mod field;
mod field_names;
mod forget;
mod handover;
mod holds;
mod hostile;
mod hubspot;
mod ids;
mod intake;
mod keys;
mod layers;
mod log_lines;
mod map;
mod mistakes;
mod numbers;
mod operate;
mod parts;
mod phone;
mod proxy;
mod receive;
mod recipes;
mod refused_calls;
mod reload;
mod references;
mod replaced;
mod retention;
mod secrets;
mod simulation;
mod sources;
mod sqlite;
mod store;
mod test_events;
mod tls;
mod values;
mod vectors;
mod vendors;
mod send_options;
mod world;
