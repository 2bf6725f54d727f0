//! The rules of a route: those that send, those that suppress, and what later events mean for what waits.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::contact::ContactSpec;
use crate::config::diagnostic::Diagnostic;
use crate::config::route::{RouteFile, RuleSpec};
use crate::config::send_options::{CampaignSpec, SendOptionsSpec};
use crate::config::{File, Written};
use crate::event::{Cancel, Made};
use crate::map::expression::Expression;
use crate::map::{Allowance, Rule, RuleContext, RulePlace, Scope, SendOptionPlaces, SendOptionRules, SuppressRule};

/// The rules, compiled.
#[derive(Debug, Default)]
pub struct Rules {
    sends: Vec<Rule>,
    suppressions: Vec<SuppressRule>,
    /// The options of the whole route.
    option_rules: Option<SendOptionRules>,
    test_mode: TestMode,
    /// Where the source's events, or the route's, say whom they are about.
    contact: Option<ContactSpec>,
    account: String,
    watchers: Arc<Vec<Watcher>>,
}

/// Where a route's sends go instead of to customers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestMode {
    /// To this number.
    pub redirect_to: Option<String>,
    /// Nowhere.
    pub dry_run: bool,
}

impl TestMode {
    /// As the options say.
    pub fn of(option_rules: &SendOptionRules) -> Self {
        Self { redirect_to: option_rules.redirect_to().map(ToOwned::to_owned), dry_run: option_rules.is_dry_run() }
    }
}

/// A rule whose waiting sends later events can cancel.
#[derive(Debug, Clone)]
pub struct Watcher {
    account: String,
    route: String,
    rule: String,
    on: Arc<Expression>,
}

impl Rules {
    /// Compiles the rules of a route whose sends are kept under an account's label.
    pub fn compile(file: &File<RouteFile>, label: &str, written: &Written, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let spec = &file.value;
        let account = spec.account.as_deref().unwrap_or("default");
        let far = written.relay.value.accounts.get(account).map(|account| account.options.clone()).unwrap_or_default();
        let of_route = spec.options.over(&far);
        let country = written.relay.value.accounts.get(account).map(|account| account.default_country);
        let places =
            SendOptionPlaces { route: Some(&file.node), rule: None, relay: &written.relay.node, account, country };
        let campaigns = Arc::new(campaigns_of(written, account));
        let contact = super::profile_spec_of(spec, written).and_then(|profile_spec| profile_spec.contact);
        let mut rules = Self { account: label.to_owned(), contact, ..Self::default() };
        match SendOptionRules::compile(&of_route, places, Arc::clone(&campaigns)) {
            Ok(option_rules) => {
                rules.test_mode = TestMode::of(&option_rules);
                rules.option_rules = Some(option_rules);
            }
            Err(more) => {
                // the same faults again for each rule would tell nothing new
                diagnostics.extend(more);
                return rules;
            }
        }
        for (index, spec) in file.value.sends.iter().enumerate() {
            if rules.names().any(|name| name == spec.name) {
                let place = file.node.place_of(&["sends", &index.to_string(), "name"]);
                diagnostics.push(
                    Diagnostic::at(place, format!("there are two rules named `{}`", spec.name))
                        .hint("give each its own name: logs and reports tell them apart by it"),
                );
            }
            let places = SendOptionPlaces { rule: Some(index), ..places };
            if let Err(more) = rules.add(spec, (file, places), &of_route, &campaigns) {
                diagnostics.extend(more);
            }
        }
        rules
    }

    fn add(
        &mut self,
        spec: &RuleSpec,
        (file, places): (&File<RouteFile>, SendOptionPlaces<'_>),
        of_route: &SendOptionsSpec,
        campaigns: &Arc<Vec<CampaignSpec>>,
    ) -> Result<(), Vec<Diagnostic>> {
        let place = RulePlace { file: &file.node, index: places.rule.unwrap_or(0), country: places.country };
        let country = file.value.default_country.as_ref();
        if let Some(suppress) = spec.suppress {
            let rule = SuppressRule::compile(spec, suppress, place, &self.account, country)?;
            self.suppressions.push(rule);
            return Ok(());
        }
        let option_rules = SendOptionRules::compile(&spec.options.over(of_route), places, Arc::clone(campaigns))?;
        let rule = Rule::compile(spec, place, &self.account, country, option_rules)?;
        let rule = rule.within(&(&self.contact, places.country));
        self.sends.push(match &file.value.account {
            Some(account) => rule.within(account),
            None => rule,
        });
        Ok(())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.sends.iter().map(Rule::name).chain(self.suppressions.iter().map(SuppressRule::name))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.suppressions.is_empty()
    }

    /// The rules that send, with what tells whether they were changed.
    pub fn versions(&self) -> impl Iterator<Item = (&str, i64)> {
        self.sends.iter().map(|rule| (rule.name(), rule.version()))
    }

    /// The rules that send.
    pub fn sends(&self) -> impl Iterator<Item = &Rule> {
        self.sends.iter()
    }

    /// Where the route's sends go instead of to customers.
    pub fn test_mode(&self) -> &TestMode {
        &self.test_mode
    }

    /// The rules whose waiting sends later events can cancel.
    pub fn watchers(&self, route: &str) -> Vec<Watcher> {
        let watcher = |rule: &Rule| {
            let on = rule.option_rules().cancel_on()?;
            let (account, route, rule) = (rule.account().to_owned(), route.to_owned(), rule.name().to_owned());
            Some(Watcher { account, route, rule, on })
        };
        self.sends.iter().filter_map(watcher).collect()
    }

    /// Lets the route's events cancel what waits by these.
    pub fn watch(&mut self, watchers: &Arc<Vec<Watcher>>) {
        self.watchers = Arc::clone(watchers);
    }

    /// What the rules make of an event, no more than is allowed.
    pub fn apply(&self, scope: &Scope, context: RuleContext, mut allowance: Allowance) -> Made {
        // with the source's steps: what is not wanted any more must not go because rules, or other events, used theirs up
        let mut made = Made { cancels: self.cancels(scope), ..Made::default() };
        let scope = &scope.for_rules();
        // a number that must not be messaged any more comes before messages
        for rule in &self.suppressions {
            match rule.apply(scope, context.country) {
                Some(Ok(change)) => made.suppressions.push(change),
                Some(Err(failed)) => made.sends.push(failed),
                None => {}
            }
            if scope.lacked_steps() {
                return made;
            }
        }
        for rule in &self.sends {
            made.sends.extend(rule.apply(scope, context, &mut allowance));
            // without steps the other rules would fail alike: one failed send says why
            if scope.lacked_steps() {
                break;
            }
        }
        made
    }

    /// What waits about the same as this event and is not wanted any more.
    fn cancels(&self, scope: &Scope) -> Vec<Cancel> {
        let mut watchers = self.watchers.iter().filter(|watcher| watcher.account == self.account).peekable();
        if watchers.peek().is_none() {
            return Vec::new();
        }
        let options = self.sends.iter().map(Rule::option_rules).chain(&self.option_rules);
        let keys: BTreeSet<String> = options.filter_map(|option_rules| option_rules.key(scope)).collect();
        if keys.is_empty() {
            return Vec::new();
        }
        let wanted = watchers.filter(|watcher| watcher.on.eval(scope).is_ok_and(|value| value.is_true()));
        let cancel = |watcher: &Watcher, key: &String| Cancel {
            account: watcher.account.clone(),
            key: key.clone(),
            route: watcher.route.clone(),
            rule: watcher.rule.clone(),
        };
        wanted.flat_map(|watcher| keys.iter().map(move |key| cancel(watcher, key))).collect()
    }
}

/// What is known of an account's campaigns.
pub fn campaigns_of(written: &Written, account: &str) -> Vec<CampaignSpec> {
    let of = |campaign: &&CampaignSpec| campaign.account.as_deref().unwrap_or("default") == account;
    written.relay.value.campaigns.iter().filter(of).cloned().collect()
}
