//! Rules that were changed: what waits of them is mapped again from its events before it goes, so that nothing has to be
//! sent anew by anybody.

use std::sync::Arc;

use super::Deliverer;
use crate::event::remap::{Remapped, RuleVersion, Waiting};
use crate::store::StoreError;

/// How many sends are mapped again at a time.
const CHUNK: usize = 500;

impl Deliverer {
    pub(super) async fn remap(&self) -> Result<(), StoreError> {
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
        let stale = self.store.stale(rules.clone()).await?;
        for ids in stale.chunks(CHUNK) {
            let waiting = self.store.origins(ids.to_vec()).await?;
            let remapped: Vec<Remapped> = waiting.iter().filter_map(|send| self.mapped_again(send)).collect();
            self.store.remap(Arc::new(remapped), self.clock.now()).await?;
        }
        if !stale.is_empty() {
            tracing::info!(
                sends = stale.len(),
                "rules were changed: what waited of them was mapped again from its events"
            );
        }
        let changes = self.store.keep_versions(rules, self.clock.now()).await?;
        self.notices.tell(changes);
        Ok(())
    }

    /// What a send's rule makes of its event now.
    fn mapped_again(&self, send: &Waiting) -> Option<Remapped> {
        let route = self.routes.get(&send.route)?;
        let made = route.map_again(&send.event);
        let mut of_rule: Vec<_> = made.sends.into_iter().filter(|new| new.rule == send.rule).collect();
        let version = route.versions().find(|(rule, _)| *rule == send.rule).map(|(_, version)| version)?;
        // the same person, or the same place among the rule's sends
        let same = |number: &str| number == send.destination;
        let position = of_rule
            .iter()
            .position(|new| {
                new.content.as_ref().is_ok_and(|content| same(&content.destination)) && new.item == send.item
            })
            .or_else(|| {
                of_rule.iter().position(|new| new.content.as_ref().is_ok_and(|content| same(&content.destination)))
            })
            .or_else(|| of_rule.iter().position(|new| new.item == send.item));
        let new = position.map(|position| of_rule.swap_remove(position));
        let (account, content) = match new {
            Some(new) => (Some(new.account), Some(new.content)),
            None => (None, None),
        };
        Some(Remapped { id: send.id, version, account, content })
    }
}
