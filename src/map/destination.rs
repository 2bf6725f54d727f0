//! From what a rule writes as its destination to one person's number.

use super::Scope;
use super::expression::EvalError;
use super::template::Template;
use super::text;
use crate::event::UnmappedReason;
use crate::phone::{self, Country};

/// Whom a rule is about, and in which country such a number is dialled.
#[derive(Debug)]
pub struct Destination {
    pub(super) number: Template,
    pub(super) country: Option<Template>,
}

/// The number, and the country that it was read by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled {
    /// In E.164.
    pub number: String,
    /// The country of numbers without country code, if it is known.
    pub country: Option<Country>,
}

/// Where numbers without country code are from.
enum Home {
    Known(Option<Country>),
    /// The event says so, and nobody knows such a country.
    Unknown(String),
}

impl Destination {
    /// The number of an event. Without country code it is read as in `default_country`; if that is not set or comes out
    /// empty, as in the event's own country; and only if the event names none, as in the account's.
    ///
    /// # Errors
    ///
    /// The key of the rule, and what is wrong there.
    pub fn of(&self, scope: &Scope, of_account: Option<Country>) -> Result<Dialled, (&'static str, UnmappedReason)> {
        let home = self.home(scope, of_account).map_err(|error| ("default_country", error.into()))?;
        let written = self.number.text(scope).map_err(|error| ("destination", error.into()))?;
        if text::is_blank(&written) {
            return Err(("destination", UnmappedReason::Empty));
        }
        let read = |country| phone::normalise(&written, country).map_err(UnmappedReason::from);
        let dialled = match home {
            Home::Known(country) => read(country).map(|number| Dialled { number, country }),
            Home::Unknown(name) => {
                let unknown = |_| UnmappedReason::UnknownCountry(name);
                read(None).map(|number| Dialled { number, country: None }).map_err(unknown)
            }
        };
        dialled.map_err(|reason| ("destination", reason))
    }

    /// Why a number that the rule itself says is none, as far as its country is known before any event comes.
    pub fn wrong_number(&self, of_account: Option<Country>) -> Option<String> {
        let Template::Fixed(written) = &self.number else { return None };
        if text::is_blank(written) {
            return None;
        }
        let country = match &self.country {
            None => of_account,
            Some(Template::Fixed(own)) if text::is_blank(own) => of_account,
            Some(Template::Fixed(own)) => own.parse().ok(),
            Some(_) => None,
        };
        // of a country that only the event names it may be a number
        let may_be = |c: char| c.is_ascii_digit() || c.is_ascii_punctuation() || c == ' ';
        if country.is_none() && self.country.is_some() && written.chars().all(may_be) {
            return None;
        }
        phone::normalise(written, country).err().map(|error| error.to_string())
    }

    fn home(&self, scope: &Scope, of_account: Option<Country>) -> Result<Home, EvalError> {
        let own = match self.country.as_ref().map(|country| country.text(scope)) {
            None | Some(Err(EvalError::Missing(_))) => None,
            Some(Ok(text)) => Some(text).filter(|text| !text::is_blank(text)),
            Some(Err(error)) => return Err(error),
        };
        // a number that the rule itself says has nothing to do with the person's country
        let of_event = || if matches!(self.number, Template::Fixed(_)) { None } else { scope.contact_country() };
        Ok(match own.or_else(of_event) {
            Some(name) => Country::named(&name).map_or(Home::Unknown(name), |country| Home::Known(Some(country))),
            None => Home::Known(of_account),
        })
    }
}
