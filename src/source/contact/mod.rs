//! Whom an event is about: by the paths that its source knows, and where these lead to nothing, by the names of fields.

mod fields;
mod names;
mod value;
mod words;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt;

use super::compiler::Compiler;
use crate::config::contact::{ContactPart, ContactSpec};
use crate::event::Contact;
use crate::fold::fold;
use crate::map::expression::Expression;
use crate::map::{Scope, first_name, without_placeholders, without_titles};
use crate::phone::Country;
use fields::{Field, Titles};
use names::Rank;
use value::{comparable, may_be, text_of};

/// How many fields of an event are looked at.
const FIELDS_LIMIT: usize = 1_000;

/// The parts that are names.
const NAMES: [ContactPart; 3] = [ContactPart::Name, ContactPart::FirstName, ContactPart::LastName];

/// Where a source's events say whom they are about.
#[derive(Debug)]
pub struct ContactRules {
    paths: [Vec<Expression>; ContactPart::ALL.len()],
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

/// A value that may be what is looked for.
#[derive(Debug)]
struct Candidate {
    part: ContactPart,
    rank: Rank,
    /// Which of the places it stands in where fields are looked for.
    form: usize,
    name: String,
    text: String,
}

impl ContactRules {
    /// Compiles what a source, or a route over it, says.
    pub fn compile(spec: &ContactSpec, c: &mut Compiler<'_>) -> Self {
        Self {
            paths: ContactPart::ALL.map(|part| c.several(&["contact", part.key()], spec.paths(part))),
            settled: spec.settled.clone(),
            fields: c.several(&["contact", "fields"], spec.fields.as_ref()),
            titles: c.one(&["contact", "titles"], spec.titles.as_ref()),
        }
    }

    /// Whom an event is about.
    pub fn find(&self, scope: &Scope) -> Contact {
        let by_name = OnceCell::new();
        let candidates = || by_name.get_or_init(|| self.by_name(scope));
        let home = self.home(scope, &candidates);
        let named = |part: ContactPart| {
            let mut found = candidates().iter().filter(|found| found.part == part);
            match part {
                _ if self.settled.contains(&part) => None,
                ContactPart::CallingCode => self.code_beside_number(candidates(), scope),
                _ => found.find(|found| self.is_at(home, part, Some(found.form))),
            }
        };
        let [phone, name, first_name, last_name, email, country, calling_code, state] = ContactPart::ALL.map(|part| {
            let is_known = |text: &String| part != ContactPart::Country || Country::named(text).is_some();
            let texts = || self.by_path_at(home, part, scope).map(|(_, text)| text);
            let by_path = texts().find(is_known).or_else(|| texts().next());
            let found = by_path.or_else(|| named(part).map(|candidate| candidate.text.clone())).unwrap_or_default();
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
        // a calling code is one of the number, whatever country its owner lives in
        let of_number = [letters(Country::of_calling_code(&calling_code)), country.clone()];
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

    /// The field with the calling code of the number that is taken: one that is called as its field is, else one that is not called as
    /// another number's.
    fn code_beside_number<'c>(&self, candidates: &'c [Candidate], scope: &Scope) -> Option<&'c Candidate> {
        let of_part = |part: ContactPart| candidates.iter().filter(move |candidate| candidate.part == part);
        let by_path =
            self.by_path(ContactPart::Phone, scope).next().map(|(path, text)| (names::last_of_path(path), text));
        let (path, taken) = by_path
            .or_else(|| of_part(ContactPart::Phone).next().map(|phone| (phone.name.as_str(), phone.text.clone())))
            .unwrap_or_default();
        let number = comparable(ContactPart::Phone, &taken);
        let is_taken = |phone: &&Candidate| comparable(ContactPart::Phone, &phone.text) == number;
        let is_beside = |code: &&Candidate| {
            let mut fields =
                of_part(ContactPart::Phone).filter(is_taken).map(|phone| phone.name.as_str()).chain([path]);
            fields.any(|name| names::is_code_of(&code.name, name))
        };
        let is_of_another = |code: &&Candidate| {
            let mut others = of_part(ContactPart::Phone).filter(|phone| !is_taken(phone));
            others.any(|phone| names::is_code_of(&code.name, &phone.name))
        };
        let codes = || of_part(ContactPart::CallingCode);
        codes().find(is_beside).or_else(|| codes().find(|code| !is_of_another(code)))
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
        let forms: Vec<Vec<Field>> = forms.map(|form| fields::of(&form, &titles, FIELDS_LIMIT)).collect();
        let mut candidates = Vec::new();
        for (index, form) in forms.iter().enumerate() {
            let mut found: Vec<Candidate> = form.iter().filter_map(|field| of_field(field, scope)).collect();
            found.extend(halves(form, scope));
            found.sort_by_key(|candidate| candidate.rank);
            found.extend(form.iter().flat_map(|field| of_address(field, scope)));
            candidates.extend(found.into_iter().map(|candidate| Candidate { form: index, ..candidate }));
        }
        if candidates.is_empty() {
            candidates = behind_own_prefix(forms.iter().flatten().take(FIELDS_LIMIT), scope);
            candidates.sort_by_key(|candidate| candidate.rank);
        }
        candidates
    }
}

/// What a field holds by one of its names, or by its type.
fn of_field(field: &Field, scope: &Scope) -> Option<Candidate> {
    let by_name = field.names.iter().find_map(|name| Some((name, names::part_of(name)?)));
    let by_type = || {
        if field.names.iter().any(|name| names::is_of_somebody_else(name)) {
            return None;
        }
        let (part, rank) = names::part_of(field.kind.as_deref()?)?;
        Some((field.names.first()?, (part, rank.by_type())))
    };
    let (name, (part, rank)) = by_name.or_else(by_type)?;
    let candidate = |part: ContactPart| {
        let text = text_of(part, &field.value, scope).filter(|text| may_be(part, text))?;
        Some(Candidate { part, rank, form: usize::MAX, name: name.clone(), text })
    };
    // a country's code is the one that is dialled, or its letters
    candidate(part).or_else(|| candidate(ContactPart::Country).filter(|_| part == ContactPart::CallingCode))
}

/// The halves of a name where a form calls them `First` and `Last`: one alone may be the first of anything.
fn halves(form: &[Field], scope: &Scope) -> Vec<Candidate> {
    let called = |name: &str| form.iter().find(|field| field.names.iter().any(|written| fold(written) == name));
    let (Some(first), Some(last)) = (called("first"), called("last")) else { return Vec::new() };
    let named = |field: &Field, name: &str| of_field(&Field { names: vec![name.to_owned()], ..field.clone() }, scope);
    [named(first, "first name"), named(last, "last name")].into_iter().flatten().collect()
}

/// What an address says of its country, if it is an object: `{"city": ..., "state": ..., "country": ...}`.
fn of_address(field: &Field, scope: &Scope) -> Vec<Candidate> {
    if !field.names.iter().any(|name| names::is_address(name)) {
        return Vec::new();
    }
    let is_of_place = |candidate: &Candidate| matches!(candidate.part, ContactPart::Country | ContactPart::State);
    let within = fields::of(&field.value, &Titles::default(), FIELDS_LIMIT);
    let mut found: Vec<Candidate> =
        within.iter().filter_map(|field| of_field(field, scope)).filter(is_of_place).collect();
    found.sort_by_key(|candidate| candidate.rank);
    found
}

/// Where no field has a name of the list, all may have one behind a prefix of the form's own: `acme_phone`, `acme_email`.
fn behind_own_prefix<'f>(fields: impl Iterator<Item = &'f Field>, scope: &Scope) -> Vec<Candidate> {
    let mut by_prefix: HashMap<String, Vec<Candidate>> = HashMap::new();
    for field in fields {
        let found = field.names.iter().find_map(|name| Some((name, names::behind_prefix(name)?)));
        let Some((name, (prefix, part, rank))) = found else { continue };
        if names::is_of_somebody_else(name) {
            continue;
        }
        let text = text_of(part, &field.value, scope).filter(|text| may_be(part, text));
        let candidate = text.map(|text| Candidate { part, rank, form: usize::MAX, name: name.clone(), text });
        by_prefix.entry(prefix).or_default().extend(candidate);
    }
    let mut prefixes = by_prefix.into_values().filter(|candidates| candidates.len() > 1);
    match (prefixes.next(), prefixes.next()) {
        (Some(only), None) => only,
        _ => Vec::new(),
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
