//! Rules that were changed: what waits of them is mapped again from its events before it goes, so that nothing has to be
//! sent anew by anybody.

use std::sync::Arc;

use super::Deliverer;
use crate::event::remap::{Origin, Remapped, RuleVersion};
use crate::store::StoreError;

/// How many sends are mapped again at a time.
const CHUNK: usize = 500;

/// What may still come that older rules made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Calls and deliveries that were begun under older rules are still under way.
    First,
    /// Nothing any more.
    Last,
}

impl Deliverer {
    /// Maps again what waits of changed rules.
    pub(super) async fn remap(&self, pass: Pass) -> Result<(), StoreError> {
        let rules: Vec<RuleVersion> = self
            .routes
            .values()
            .flat_map(|route| {
                let version = |(rule, version): (&str, i64)| RuleVersion {
                    route: route.name.clone(),
                    rule: rule.to_owned(),
                    version,
                };
                route.versions().map(version)
            })
            .collect();
        if pass == Pass::First {
            self.store.change_versions(rules.clone()).await?;
        }
        let stale = self.store.stale(rules.clone()).await?;
        for ids in stale.chunks(CHUNK) {
            let origins = self.store.origins(ids.to_vec()).await?;
            let remapped: Vec<Remapped> = origins.iter().flat_map(|origin| self.mapped_again(origin)).collect();
            self.store.remap(Arc::new(remapped), self.clock.now()).await?;
        }
        if !stale.is_empty() {
            tracing::info!(
                sends = stale.len(),
                "rules were changed: what waited of them was mapped again from its events"
            );
        }
        if pass == Pass::First {
            return Ok(());
        }
        let changes = self.store.keep_versions(rules, self.clock.now()).await?;
        self.notifications.tell(changes);
        Ok(())
    }

    /// What an event's rules make now of its sends that wait. Those whose route or rule is gone stay as they are.
    fn mapped_again(&self, origin: &Origin) -> Vec<Remapped> {
        let Some(route) = self.routes.get(&origin.route) else { return Vec::new() };
        let new = route.map_again(&origin.event).sends;
        let exists = |rule: &str| route.versions().any(|(known, _)| known == rule);
        let pairs = origin.pairs(&new);
        let remapped = pairs.into_iter().filter(|(send, _)| exists(&send.rule));
        remapped
            .map(|(send, position)| Remapped {
                id: send.id,
                new: position.and_then(|position| new.get(position)).cloned(),
            })
            .collect()
    }
}
