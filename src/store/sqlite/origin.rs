//! What sends come of.

use crate::clock::Timestamp;

/// The event that sends come of.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub seq: i64,
    pub id: &'a str,
    pub route: &'a str,
    /// When its sends are made.
    pub at: Timestamp,
}
