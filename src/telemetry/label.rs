//! A metric's label: it can only be made of a text by masking it.

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

use crate::mask;

/// A label's value, without phone numbers, e-mail addresses and credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Label(String);

impl Label {
    /// As it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: AsRef<str>> From<T> for Label {
    fn from(text: T) -> Self {
        Self(mask::text(text.as_ref()).into_owned())
    }
}

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}
