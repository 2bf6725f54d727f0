//! `dates:` as written: how the dates in events are meant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How dates are written: the order alone, or the zone as well.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum DatesSpec {
    /// The order of day, month and year.
    Order(OrderSpec),
    /// The order, the zone, or both.
    Details(DatesDetails),
}

/// How dates are written.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct DatesDetails {
    /// The order of day, month and year.
    #[serde(default)]
    pub order: Option<OrderSpec>,
    /// The time zone of those that say none, as `Asia/Kolkata`.
    #[serde(default)]
    pub zone: Option<String>,
}

/// The order of day, month and year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderSpec {
    /// `26/11/2026`.
    Dmy,
    /// `11/26/2026`.
    Mdy,
    /// `2026/11/26`, `26/11/26`.
    Ymd,
}

impl DatesSpec {
    /// Both, as far as they are said.
    pub fn details(&self) -> DatesDetails {
        match self {
            Self::Order(order) => DatesDetails { order: Some(*order), zone: None },
            Self::Details(details) => details.clone(),
        }
    }

    /// These, and where they say nothing, what `base` says.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let (own, base) = (self.details(), base.details());
        Self::Details(DatesDetails { order: own.order.or(base.order), zone: own.zone.or(base.zone) })
    }
}
