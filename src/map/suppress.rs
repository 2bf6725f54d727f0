//! A rule that sends nothing: it puts a number on the list of those that must not be messaged, or takes it off.

use super::Scope;
use super::compile::{Compiler, RulePlace};
use super::destination::{Destination, Dialled};
use super::expression::Expression;
use crate::config::diagnostic::Diagnostic;
use crate::config::route::{RuleSpec, SuppressSpec};
use crate::event::{NewSend, Suppression, Unmapped, UnmappedReason};
use crate::phone::Country;

/// Such a rule, ready to be applied.
#[derive(Debug)]
pub struct SuppressRule {
    name: String,
    account: String,
    when: Option<Expression>,
    destination: Destination,
    add: bool,
    version: i64,
}

impl SuppressRule {
    /// Compiles one.
    ///
    /// # Errors
    ///
    /// Every fault, each at its place.
    pub fn compile(
        spec: &RuleSpec,
        suppress: SuppressSpec,
        place: RulePlace<'_>,
        account: &str,
        country: Option<&String>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut c = Compiler { place, diagnostics: Vec::new() };
        for (key, is_there) in [
            ("campaignName", spec.campaign_name.is_some()),
            ("userName", spec.user_name.is_some()),
            ("templateParams", spec.template_params.is_some()),
            ("for_each", spec.for_each.is_some()),
        ] {
            if is_there {
                c.complain(
                    &[key],
                    &format!("a rule that suppresses sends nothing, and has no `{key}`"),
                    "make two rules of it",
                );
            }
        }
        let rule = Self {
            name: spec.name.clone(),
            account: account.to_owned(),
            when: c.condition(&["when"], spec.when.as_ref()),
            destination: c.destination(spec, country),
            add: suppress == SuppressSpec::Add,
            version: super::version::version_of(spec),
        };
        if c.diagnostics.is_empty() { Ok(rule) } else { Err(c.diagnostics) }
    }

    /// The rule's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it makes of an event: a change, nothing, or a send that failed with the reason why it could not.
    pub fn apply(&self, scope: &Scope, of_account: Option<Country>) -> Option<Result<Suppression, NewSend>> {
        let failed = |key: &str, reason: UnmappedReason| {
            let content = Err(Unmapped { rule: self.name.clone(), key: key.to_owned(), reason });
            let (rule, account) = (self.name.clone(), self.account.clone());
            Some(Err(NewSend { rule, account, item: 0, version: self.version, content }))
        };
        if let Some(when) = &self.when {
            match when.eval(scope) {
                Ok(value) if value.is_true() => {}
                Ok(_) => return None,
                Err(error) => return failed("when", error.into()),
            }
        }
        match self.destination.of(scope, of_account) {
            Ok(Dialled { number, .. }) => Some(Ok(Suppression {
                account: self.account.clone(),
                number,
                add: self.add,
                rule: Some(self.name.clone()),
                reason: format!("rule `{}`", self.name),
                since: None,
            })),
            Err((key, reason)) => failed(key, reason),
        }
    }
}
