//! The fields of an event that may be parts of a contact, by what they are called.

use std::collections::HashMap;

use minijinja::Value;

use super::fields::{self, Field, Titles};
use super::names::{self, Rank};
use super::value::{comparable, may_be, text_of};
use crate::config::contact::ContactPart;
use crate::fold::fold;
use crate::map::Scope;

/// How many fields of an event are looked at.
pub const FIELDS_LIMIT: usize = 1_000;

/// A value that may be what is looked for.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What it may be.
    pub part: ContactPart,
    /// How soon it is taken.
    pub rank: Rank,
    /// What the field is called.
    pub name: String,
    /// What it holds.
    pub text: String,
    /// In which of the forms it stands.
    pub form: usize,
}

/// The values of fields whose names or types say what they hold, the first to be taken first: those of one form, then those of the
/// next.
pub fn of_forms(forms: &[Vec<Field>], scope: &Scope) -> Vec<Candidate> {
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

/// Those of one object.
pub fn of_object(object: &Value, scope: &Scope) -> Vec<Candidate> {
    of_forms(&[fields::of(object, &Titles::default(), FIELDS_LIMIT)], scope)
}

/// The field with the calling code of a number, of which the field's name and the text are given: one that is called as its field is,
/// else one that is not called as another number's.
pub fn code_of<'c>(candidates: &'c [Candidate], name: &str, text: &str) -> Option<&'c Candidate> {
    let of_part = |part: ContactPart| candidates.iter().filter(move |candidate| candidate.part == part);
    let number = comparable(ContactPart::Phone, text);
    let is_taken = |phone: &&Candidate| comparable(ContactPart::Phone, &phone.text) == number;
    let is_beside = |code: &&Candidate| {
        let mut fields = of_part(ContactPart::Phone).filter(is_taken).map(|phone| phone.name.as_str()).chain([name]);
        fields.any(|name| names::is_code_of(&code.name, name))
    };
    let is_of_another = |code: &&Candidate| {
        let mut others = of_part(ContactPart::Phone).filter(|phone| !is_taken(phone));
        others.any(|phone| names::is_code_of(&code.name, &phone.name))
    };
    let codes = || of_part(ContactPart::CallingCode);
    codes().find(is_beside).or_else(|| codes().find(|code| !is_of_another(code)))
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
        Some(Candidate { part, rank, name: name.clone(), text, form: 0 })
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
        let candidate = text.map(|text| Candidate { part, rank, name: name.clone(), text, form: 0 });
        by_prefix.entry(prefix).or_default().extend(candidate);
    }
    let mut prefixes = by_prefix.into_values().filter(|candidates| candidates.len() > 1);
    match (prefixes.next(), prefixes.next()) {
        (Some(only), None) => only,
        _ => Vec::new(),
    }
}
