//! Accounts with the options of their sends, worked out: also of those that no route uses, since sends of theirs may
//! still wait in the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rules::{TestMode, campaigns_of};
use crate::config::Written;
use crate::config::diagnostic::Diagnostic;
use crate::config::relay::AccountSpec;
use crate::map::{SendOptionPlaces, SendOptionRules};

/// An account that was checked.
#[derive(Debug, Clone)]
pub struct CheckedAccount {
    /// As written.
    pub spec: AccountSpec,
    /// Where its sends go instead of to customers.
    pub test_mode: TestMode,
}

/// The accounts, by name.
pub type Accounts = BTreeMap<String, CheckedAccount>;

/// Checks all of them; those with faults are left out.
pub fn check(written: &Written, diagnostics: &mut Vec<Diagnostic>) -> Accounts {
    let mut checked = BTreeMap::new();
    for (name, spec) in &written.relay.value.accounts {
        let places = SendOptionPlaces {
            route: None,
            rule: None,
            relay: &written.relay.node,
            account: name,
            country: Some(spec.default_country),
        };
        match SendOptionRules::compile(&spec.options, places, Arc::new(campaigns_of(written, name))) {
            Ok(option_rules) => {
                checked.insert(
                    name.clone(),
                    CheckedAccount { spec: spec.clone(), test_mode: TestMode::of(&option_rules) },
                );
            }
            Err(more) => diagnostics.extend(more),
        }
    }
    checked
}
