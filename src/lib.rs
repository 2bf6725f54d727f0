//! serri-relay turns the webhooks of CRMs, shops and forms into WhatsApp campaign sends through Serri, and loses none.
//!
//! The modules stand in the order in which an event meets them; what they share comes first. Which may use which is
//! written down in `tests/it/layers.rs`, which fails when one reaches up.

// what everything shares
pub mod clock;
pub mod hours;
pub mod fold;
pub mod cell;
pub mod phone;
pub mod secret;
pub mod mask;
pub mod moment;
pub mod event;
pub mod config;
pub mod telemetry;
pub mod bulkhead;
pub mod listen;
pub mod outbound;

// the way of an event: receive -> authenticate -> decode -> map -> store -> deliver
pub mod call;
pub mod handshake;
pub mod body;
pub mod authenticate;
pub mod decode;
pub mod serri;
pub mod map;
pub mod source;
pub mod route;
pub mod store;
pub mod receive;
pub mod alert;
pub mod deliver;
pub mod retention;

// around it
pub mod admin;
pub mod relay;
pub mod cli;
