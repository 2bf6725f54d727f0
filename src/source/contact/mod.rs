//! Whom an event is about: by the paths that its source knows, and where these lead to nothing, by the names of fields.

mod candidates;
mod fields;
mod names;
mod value;
mod words;

use std::cell::OnceCell;
use std::fmt;

use minijinja::Value;

use super::compiler::Compiler;
use crate::config::contact::{ContactPart, ContactSpec};
use crate::event::Contact;
use crate::fold::fold;
use crate::map::expression::Expression;
use crate::map::{Scope, first_name, without_placeholders, without_titles};
use crate::phone::Country;
use candidates::Candidate;
use fields::{Field, Titles};
use value::{comparable, text_of};

/// The parts that are names.
const NAMES: [ContactPart; 3] = [ContactPart::Name, ContactPart::FirstName, ContactPart::LastName];

/// Where a source's events say whom they are about.
#[derive(Debug)]
pub struct ContactRules {
    paths: [Vec<Expression>; ContactPart::ALL.len()],
    /// For each path of a phone the object that it stands in, where the path says it.
    phone_objects: Vec<Option<Expression>>,
    /// What a route itself says where to find: it is not looked for by name.
    settled: Vec<ContactPart>,
    fields: Vec<Expression>,
    titles: Option<Expression>,
}

/// Several values of an event may be what is looked for, and differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguity {
    /// What is looked for.
    pub part: ContactPart,
    /// Where the value stands that is taken.
    pub taken: String,
    /// Where the others stand.
    pub others: Vec<String>,
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, others) = (self.part.key(), self.others.join("`, `"));
        write!(
            f,
            "contact.{key} is taken from `{}`; `{others}` would do as well, and differ (to choose, in the route: contact: {{ {key}: ... }})",
            self.taken
        )
    }
}

/// The number of an event, as it was sent.
#[derive(Debug, Default)]
struct Number {
    text: String,
    /// What the field is called.
    name: String,
    /// The path of the object that it stands in, and that object, where a path led to it.
    within: Option<String>,
    object: Option<Value>,
    /// The form that it stands in, where its name led to it.
    form: Option<usize>,
}

impl ContactRules {
    /// Compiles what a source, or a route over it, says.
    pub fn compile(spec: &ContactSpec, c: &mut Compiler<'_>) -> Self {
        let paths = ContactPart::ALL.map(|part| c.several(&["contact", part.key()], spec.paths(part)));
        let phones = paths.get(ContactPart::Phone as usize).into_iter().flatten();
        Self {
            phone_objects: phones.map(|path| Expression::compile(names::object_of_path(&path.source)?).ok()).collect(),
            paths,
            settled: spec.settled.clone(),
            fields: c.several(&["contact", "fields"], spec.fields.as_ref()),
            titles: c.one(&["contact", "titles"], spec.titles.as_ref()),
        }
    }

    /// Whom an event is about.
    pub fn find(&self, scope: &Scope) -> Contact {
        let by_name = OnceCell::new();
        let candidates = || -> &Vec<Candidate> { by_name.get_or_init(|| self.by_name(scope)) };
        let number = self.number(candidates, scope);
        let home = self.home(scope, &candidates);
        let named = |part: ContactPart| {
            let mut found = candidates().iter().filter(|candidate| candidate.part == part);
            match part {
                _ if self.settled.contains(&part) => None,
                ContactPart::CallingCode => candidates::code_of(candidates(), &number.name, &number.text),
                _ => found.find(|candidate| self.is_at(home, part, Some(candidate.form))),
            }
        };
        let own_names = self.names_beside(&number, scope);
        let [phone, name, first_name, last_name, email, country, calling_code, state] = ContactPart::ALL.map(|part| {
            let is_known = |text: &String| part != ContactPart::Country || Country::named(text).is_some();
            let texts = || self.by_path_at(home, part, scope).map(|(_, text)| text);
            let by_path = || texts().find(is_known).or_else(|| texts().next());
            let anywhere = || by_path().or_else(|| named(part).map(|candidate| candidate.text.clone()));
            let found = match part {
                ContactPart::Phone => Some(number.text.clone()),
                _ => match own_names.iter().find(|(own, _)| *own == part) {
                    Some((_, text)) => text.clone(),
                    None => anywhere(),
                },
            };
            let found = found.unwrap_or_default();
            match part {
                // a space before a number may have been a plus: see `phone`
                ContactPart::Phone => found.trim_end().to_owned(),
                ContactPart::Name | ContactPart::FirstName | ContactPart::LastName => {
                    without_placeholders(found.trim()).into_owned()
                }
                ContactPart::Email | ContactPart::Country | ContactPart::CallingCode | ContactPart::State => {
                    found.trim().to_owned()
                }
            }
        });
        let by_path = |part: ContactPart| self.by_path_at(home, part, scope).next().is_some();
        let halves_by_path = by_path(ContactPart::FirstName) || by_path(ContactPart::LastName);
        let is_half = !(by_path(ContactPart::Name) && halves_by_path);
        let letters = |country: Option<Country>| country.map(|country| country.to_string()).unwrap_or_default();
        let of_state = letters(Country::of_state(&state));
        let country = [country, calling_code.clone(), of_state].into_iter().find(|text| !text.is_empty());
        let country = country.unwrap_or_default();
        let beside = self.country_beside(&number, candidates, scope);
        // a calling code is one of the number, whatever country its owner lives in
        let of_number = [letters(beside), letters(Country::of_calling_code(&calling_code)), country.clone()];
        let number_country = of_number.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let mut contact = Contact { phone, name, first_name, last_name, email, country, number_country };
        complete_names(&mut contact, is_half);
        contact
    }

    /// Where the number stands, if a name stands there as well: one that stands elsewhere is that of the form, or of a company.
    fn home<'c>(&self, scope: &Scope, candidates: &impl Fn() -> &'c Vec<Candidate>) -> Option<usize> {
        if self.fields.is_empty() {
            return None;
        }
        let home = match self.by_path(ContactPart::Phone, scope).next() {
            Some((path, _)) => self.form_of(path)?,
            None => candidates().iter().find(|found| found.part == ContactPart::Phone)?.form,
        };
        let has_path =
            |part: &ContactPart| self.by_path(*part, scope).any(|(path, _)| self.form_of(path) == Some(home));
        let is_name = |found: &Candidate| NAMES.contains(&found.part) && found.form == home;
        (NAMES.iter().any(has_path) || candidates().iter().any(is_name)).then_some(home)
    }

    /// In which of the places where fields are looked for a path ends: `event.data.phone` in `event.data`.
    fn form_of(&self, path: &str) -> Option<usize> {
        let end = path.rfind(['.', '[']).unwrap_or(0);
        self.fields.iter().position(|form| path.get(..end) == Some(form.source.as_str()))
    }

    /// Whether a part may stand in this place; what a route says itself may stand anywhere.
    fn is_at(&self, home: Option<usize>, part: ContactPart, form: Option<usize>) -> bool {
        home.is_none() || form == home || !NAMES.contains(&part) || self.settled.contains(&part)
    }

    /// The values at the paths of a part, with their paths: names only where they may stand.
    fn by_path_at<'s>(
        &'s self,
        home: Option<usize>,
        part: ContactPart,
        scope: &'s Scope,
    ) -> impl Iterator<Item = (&'s str, String)> {
        self.by_path(part, scope).filter(move |(path, _)| self.is_at(home, part, self.form_of(path)))
    }

    /// The number that is taken, and where it stands.
    fn number<'c>(&self, candidates: impl Fn() -> &'c Vec<Candidate>, scope: &Scope) -> Number {
        let paths = self.paths.get(ContactPart::Phone as usize).into_iter().flatten().zip(&self.phone_objects);
        let mut by_path = paths.filter_map(|(path, object)| {
            let text = text_of(ContactPart::Phone, &path.eval(scope).ok()?, scope)?;
            let name = names::last_of_path(&path.source).to_owned();
            let within = object.as_ref().map(|object| object.source.clone());
            let object = object.as_ref().and_then(|object| object.eval(scope).ok());
            Some(Number { text, name, within, object, form: None })
        });
        let by_name = || {
            let phone = candidates().iter().find(|candidate| candidate.part == ContactPart::Phone)?;
            let (text, name) = (phone.text.clone(), phone.name.clone());
            Some(Number { text, name, within: None, object: None, form: Some(phone.form) })
        };
        let is_settled = self.settled.contains(&ContactPart::Phone);
        by_path.next().or_else(|| by_name().filter(|_| !is_settled)).unwrap_or_default()
    }

    /// The country that is named in the object that the number stands in: it goes before any other of the event, which may be that of
    /// another address.
    fn country_beside<'c>(
        &self,
        number: &Number,
        candidates: impl Fn() -> &'c Vec<Candidate>,
        scope: &Scope,
    ) -> Option<Country> {
        if self.settled.contains(&ContactPart::Country) || number.text.is_empty() {
            return None;
        }
        let of_object = |object: &Value| candidates::of_object(object, scope);
        let beside = match (&number.object, number.form) {
            (Some(object), _) => of_object(object),
            (None, Some(form)) => candidates().iter().filter(|candidate| candidate.form == form).cloned().collect(),
            (None, None) => return None,
        };
        let of_part = |part: ContactPart| beside.iter().filter(move |candidate| candidate.part == part);
        let code = candidates::code_of(&beside, &number.name, &number.text)
            .filter(|_| !self.settled.contains(&ContactPart::CallingCode));
        let of_code = || Country::of_calling_code(&code?.text);
        let of_country = || of_part(ContactPart::Country).find_map(|candidate| Country::named(&candidate.text));
        let of_state = || of_part(ContactPart::State).find_map(|candidate| Country::of_state(&candidate.text));
        of_code().or_else(of_country).or_else(of_state)
    }

    /// Where a source finds names in the object that the number stands in, nobody else's name is taken: a parcel's number goes with the
    /// name on the parcel.
    fn names_beside(&self, number: &Number, scope: &Scope) -> Vec<(ContactPart, Option<String>)> {
        let Some(within) = number.within.as_ref().filter(|within| within.contains('.')) else { return Vec::new() };
        let is_own = |path: &str| path.strip_prefix(within.as_str()).is_some_and(|rest| rest.starts_with(['.', '[']));
        let own = |part: ContactPart| self.by_path(part, scope).find(|(path, _)| is_own(path)).map(|(_, text)| text);
        let parts = [ContactPart::Name, ContactPart::FirstName, ContactPart::LastName].map(|part| (part, own(part)));
        if parts.iter().any(|(_, text)| text.is_some()) { parts.to_vec() } else { Vec::new() }
    }

    /// What may be meant otherwise than it is taken: values that differ, of which the first is taken.
    pub fn ambiguities(&self, scope: &Scope) -> Vec<Ambiguity> {
        let by_name = self.by_name(scope);
        let home = self.home(scope, &|| &by_name);
        let of_part = |part: ContactPart| {
            // where a source has several paths, another name (of a bill, of a parcel) is as it should be; another number is not
            let paths = if part == ContactPart::Phone { usize::MAX } else { 1 };
            let mut found: Vec<(String, String)> =
                self.by_path_at(home, part, scope).take(paths).map(|(path, text)| (path.to_owned(), text)).collect();
            let may_be_named = found.is_empty() || part == ContactPart::Phone;
            if may_be_named && !self.settled.contains(&part) {
                let named = by_name.iter().filter(|found| found.part == part);
                let named = named.filter(|found| self.is_at(home, part, Some(found.form)));
                found.extend(named.map(|candidate| (candidate.name.clone(), candidate.text.clone())));
            }
            let mut found = found.into_iter();
            let (taken, text) = found.next()?;
            let differs = |(_, other): &(String, String)| comparable(part, other) != comparable(part, &text);
            let mut others: Vec<(String, String)> = found.filter(differs).collect();
            // a field that a path leads to is found by its name as well
            others.dedup_by(|one, other| one.1 == other.1);
            let others: Vec<String> = others.into_iter().map(|(name, _)| name).collect();
            (!others.is_empty()).then_some(Ambiguity { part, taken, others })
        };
        // the code of another number differs from that of the number that is taken, as it should
        let parts = ContactPart::ALL.into_iter().filter(|part| *part != ContactPart::CallingCode);
        parts.filter_map(of_part).collect()
    }

    /// The values at the paths of a part, with their paths.
    fn by_path<'s>(&'s self, part: ContactPart, scope: &'s Scope) -> impl Iterator<Item = (&'s str, String)> {
        let paths = self.paths.get(part as usize).into_iter().flatten();
        paths.filter_map(move |path| Some((path.source.as_str(), text_of(part, &path.eval(scope).ok()?, scope)?)))
    }

    /// The values of fields whose names or types say what they hold, the first to be taken first: those of one form, then those of
    /// the next.
    fn by_name(&self, scope: &Scope) -> Vec<Candidate> {
        if self.fields.is_empty() {
            return Vec::new();
        }
        let titles = self.titles.as_ref().and_then(|titles| titles.eval(scope).ok());
        let titles = titles.map(|list| Titles::of(&list)).unwrap_or_default();
        let forms = self.fields.iter().map(|form| form.eval(scope).unwrap_or_default());
        let forms: Vec<Vec<Field>> = forms.map(|form| fields::of(&form, &titles, candidates::FIELDS_LIMIT)).collect();
        candidates::of_forms(&forms, scope)
    }
}

/// The whole name and the given name, as far as the one follows from the other. A field called `Name` may hold only the half
/// that another does not (`Name` and `Vorname`, `Nombre` and `Apellidos`); both halves are a name without it.
fn complete_names(contact: &mut Contact, may_be_half: bool) {
    let Contact { name, first_name: first, last_name: last, .. } = contact;
    let holds = |part: &str| fold(name).contains(&fold(part));
    let is_word = |part: &str| part.chars().filter(|c| c.is_alphabetic()).count() > 1;
    let (has_first, has_last) = (is_word(first), is_word(last));
    let is_half = !name.trim().contains(char::is_whitespace);
    if name.is_empty() || (is_half && has_first && has_last && !holds(first) && !holds(last)) {
        *name = format!("{first} {last}").trim().to_owned();
    } else if is_half && may_be_half {
        let (before, after) = (has_first && !holds(first), has_last && !holds(last));
        if before {
            *name = format!("{first} {name}");
        } else if after {
            *name = format!("{name} {last}");
        }
    }
    // a salutation that a form asks for beside the name
    if without_titles(first).is_empty() {
        first_name(name).clone_into(first);
    }
}
