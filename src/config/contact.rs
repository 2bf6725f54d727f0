//! `contact:` as written: where an event says whom it is about.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_or_many::OneOrMany;

/// Where an event says whom it is about: Jinja expressions; of several the first that is not empty.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct ContactSpec {
    /// The number.
    #[serde(default)]
    pub phone: Option<OneOrMany<String>>,
    /// The whole name.
    #[serde(default)]
    pub name: Option<OneOrMany<String>>,
    /// The given name.
    #[serde(default)]
    pub first_name: Option<OneOrMany<String>>,
    /// The family name.
    #[serde(default)]
    pub last_name: Option<OneOrMany<String>>,
    /// The e-mail address.
    #[serde(default)]
    pub email: Option<OneOrMany<String>>,
    /// The country: two letters, its name, or its calling code.
    #[serde(default)]
    pub country: Option<OneOrMany<String>>,
    /// The calling code that stands beside a number, as `+91` or `91`; other values do not count. It goes before the country.
    #[serde(default)]
    pub calling_code: Option<OneOrMany<String>>,
    /// The state, province or region by its name, which counts if no country is named and only one country has such a state.
    #[serde(default)]
    pub state: Option<OneOrMany<String>>,
    /// Where the fields of a form stand: an object of them, or a list of objects with their names and values. What the paths do not
    /// give is looked for there by the names that people give to such fields.
    #[serde(default)]
    pub fields: Option<OneOrMany<String>>,
    /// Where a form says what its fields are called, if it says so elsewhere: a list of objects with `id`, `ref` or `key`, and `title`.
    #[serde(default)]
    pub titles: Option<String>,
    /// What a route itself says where to find: it is not looked for by name.
    #[serde(skip)]
    pub settled: Vec<ContactPart>,
}

/// What is known of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactPart {
    /// The number.
    Phone,
    /// The whole name.
    Name,
    /// The given name.
    FirstName,
    /// The family name.
    LastName,
    /// The e-mail address.
    Email,
    /// The country.
    Country,
    /// The code that is dialled before the number.
    CallingCode,
    /// The state, province or region.
    State,
}

impl ContactPart {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Phone,
        Self::Name,
        Self::FirstName,
        Self::LastName,
        Self::Email,
        Self::Country,
        Self::CallingCode,
        Self::State,
    ];

    /// Its key in YAML, and in templates except for the last two.
    pub fn key(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Name => "name",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Email => "email",
            Self::Country => "country",
            Self::CallingCode => "calling_code",
            Self::State => "state",
        }
    }
}

impl ContactSpec {
    /// Where a part stands.
    pub fn paths(&self, part: ContactPart) -> Option<&OneOrMany<String>> {
        match part {
            ContactPart::Phone => &self.phone,
            ContactPart::Name => &self.name,
            ContactPart::FirstName => &self.first_name,
            ContactPart::LastName => &self.last_name,
            ContactPart::Email => &self.email,
            ContactPart::Country => &self.country,
            ContactPart::CallingCode => &self.calling_code,
            ContactPart::State => &self.state,
        }
        .as_ref()
    }

    /// This, and where it says nothing, what `base` says. Where this names the country, no other value does.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let own = self.clone();
        let names_country = own.country.is_some();
        let is_settled = |part: &ContactPart| {
            self.paths(*part).is_some()
                || (names_country && matches!(part, ContactPart::CallingCode | ContactPart::State))
        };
        Self {
            phone: own.phone.or_else(|| base.phone.clone()),
            name: own.name.or_else(|| base.name.clone()),
            first_name: own.first_name.or_else(|| base.first_name.clone()),
            last_name: own.last_name.or_else(|| base.last_name.clone()),
            email: own.email.or_else(|| base.email.clone()),
            country: own.country.or_else(|| base.country.clone()),
            calling_code: own.calling_code.or_else(|| base.calling_code.clone().filter(|_| !names_country)),
            state: own.state.or_else(|| base.state.clone().filter(|_| !names_country)),
            fields: own.fields.or_else(|| base.fields.clone()),
            titles: own.titles.or_else(|| base.titles.clone()),
            settled: ContactPart::ALL.into_iter().filter(is_settled).collect(),
        }
    }
}
