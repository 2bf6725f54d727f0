//! The Serri campaign API, all of it: what is sent, what its answers mean, and a sandbox that gives them.
//!
//! It knows nothing of routes, events or schedules. Where an answer's text has to be read, it is read here and nowhere
//! else.

pub mod answer;
mod body;
pub mod campaign;
pub mod client;
mod endpoint;
pub mod payload;
mod refusal;
pub mod shape;
pub mod sandbox;

pub use answer::Answer;
pub use client::{Caller, Client, Exchange};
pub use endpoint::Endpoint;
