//! How many sends may be made of one event, and how large: counted as they are made, so that what is too much is never
//! built.

use crate::event::NewSend;

/// What may still be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// How many sends.
    pub sends: usize,
    /// How many bytes of payloads, and of reasons why there is none.
    pub bytes: usize,
}

impl Allowance {
    /// Counts a send; false if it is too much.
    pub fn take(&mut self, send: &NewSend) -> bool {
        let (sends, bytes) = (self.sends.checked_sub(1), self.bytes.checked_sub(send.bytes()));
        let (Some(sends), Some(bytes)) = (sends, bytes) else { return false };
        *self = Self { sends, bytes };
        true
    }
}
