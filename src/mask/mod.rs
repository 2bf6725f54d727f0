//! What people may read: masks phone numbers, e-mail addresses, credentials in URLs, and known secrets.
//!
//! Everything that is logged or becomes a metric's label passes [`text`], at the border in [`crate::telemetry`], so that
//! no call site has to remember it. [`Secrets`] hides what is known to be secret, in whatever spelling; [`Sought`] finds one
//! person's number. Nothing here decides what is kept in the store.
//!
//! **What counts as a phone number**: seven or more digits of any script, also with a space, hyphen, dot, slash,
//! underscore, parenthesis or percent-escape between them. Its first two and last two digits stay. Exempt are UUIDs,
//! hashes of 32 and more hexadecimal digits, dates with their times, decimal durations (`1.234567s`) and IPv4 addresses.

mod address;
mod current;
mod digits;
mod escape;
mod phrase;
mod secrets;
mod sought;

use std::borrow::Cow;

pub use address::credentials;
pub use current::CurrentSecrets;
pub use phrase::Phrase;
pub use secrets::Secrets;
pub use sought::Sought;

/// How many digits make a phone number: shorter ones are counts, codes and short ids.
const NUMBER: usize = 7;

/// How many digits stay at each end of a number.
const END: usize = 2;

/// A phone number: its `+`, the first two and the last two digits stay. A short one is masked whole.
pub fn number(number: &str) -> String {
    let count = number.chars().count();
    if count < NUMBER {
        return "*".repeat(count);
    }
    let head = if number.starts_with('+') { END + 1 } else { END };
    let shown = |(at, c)| if at < head || at + END >= count { c } else { '*' };
    number.chars().enumerate().map(shown).collect()
}

/// A text without phone numbers, e-mail addresses and credentials in URLs. One pass and no allocation where there are none.
pub fn text(text: &str) -> Cow<'_, str> {
    masked(text, END)
}

/// The same for a text that is to be equal for equal faults, whoever they are about: of numbers not even the ends stay.
pub fn impersonal(text: &str) -> Cow<'_, str> {
    masked(text, 0)
}

fn masked(text: &str, ends: usize) -> Cow<'_, str> {
    let (mut digits, mut suspicious) = (0, false);
    for byte in text.bytes() {
        digits += usize::from(byte.is_ascii_digit());
        // other scripts have digits of their own, and `%40` is an `@`
        suspicious |= byte == b'@' || byte == b'%' || !byte.is_ascii();
    }
    // ids of calls and messages are UUIDs, one in nearly every line
    if digits < NUMBER && !suspicious || digits::is_uuid(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let without_addresses = match address::credentials(text) {
        Cow::Borrowed(text) => address::emails(text),
        Cow::Owned(text) => Cow::Owned(address::emails(&text).into_owned()),
    };
    match without_addresses {
        Cow::Borrowed(text) => digits::masked(text, ends),
        Cow::Owned(text) => Cow::Owned(digits::masked(&text, ends).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_keeps_its_ends_only() {
        assert_eq!(number("+919812345670"), "+91********70");
        assert_eq!(number("9812345670"), "98******70");
        assert_eq!(number("12345"), "*****");
    }

    #[test]
    fn numbers_are_masked_however_they_are_written() {
        for (said, shown) in [
            ("400: Invalid Number +91 98123-45670, try 3 of 12", "400: Invalid Number +91 *****-***70, try 3 of 12"),
            ("919812345670", "91********70"),
            ("call-+919812345670-x4", "call-+91********70-x4"),
            ("lead_09812345670", "lead_09*******70"),
            ("98123  45670", "98***  ***70"),
            ("98123      45670", "98***      ***70"),
            ("(0171) 123/4567", "(01**) ***/**67"),
            ("98123\u{a0}45670", "98***\u{a0}***70"),
            ("98123\u{2011}45670", "98***\u{2011}***70"),
            ("98123\u{200b}45670", "98***\u{200b}***70"),
            ("phone=%2B91%2098123%2D45670", "phone=%2B91%20*****%2D***70"),
            ("٩٨١٢٣٤٥٦٧٠", "٩٨******٧٠"),
            ("९८१२३ ४५६७०", "९८*** ***७०"),
            ("９８１２３-４５６７０", "９８***-***７０"),
            ("+47 12.34.56.78", "+47 **.**.**.78"),
            ("98.12.345s late", "98.**.*45s late"),
            ("5 2026-11-25 98123 45670", "5 2026-11-25 98*** ***70"),
            ("17325372009812345670", "17****************70"),
            (r"no such user +91\u00a098123\u00A045670", "no such user +91\u{a0}*****\u{a0}***70"),
            (r"98123\/45670 and 98123\\/45670", r"98***\/***70 and 98***\\/***70"),
            (r"98123\t45670", r"98***\t***70"),
            (r"98123\u{a0}45670", "98***\u{a0}***70"),
            (r"\u0967\u0968345\u096c\u096d89", "१२*****89"),
        ] {
            assert_eq!(text(said), shown);
        }
    }

    #[test]
    fn a_text_of_nothing_but_signs_takes_no_longer_than_any_other() {
        // quadratic, each of these takes a minute
        let secrets = Secrets::new(["s3cret-for-tests", r"\\\secret"]);
        for part in ["@", "%40", "://", "@://", "http://", r"\", r"\u", "%25", "&", "a%40", "1", r"1\"] {
            let long = format!("x@y.z 9812345670 {}", part.repeat(300_000 / part.len()));
            text(&long);
            text(&format!("{long}@"));
            secrets.hide(&long);
        }
    }

    #[test]
    fn of_an_impersonal_text_not_even_the_ends_stay() {
        assert_eq!(impersonal("Quota of 3 reached for +91 98123-45670"), "Quota of 3 reached for +** *****-*****");
    }

    #[test]
    fn what_an_engineer_needs_stays() {
        for said in [
            "550e8400-e29b-41d4-a716-446655440000",
            "evt-42-550e8400-e29b-41d4-a716-446655440000-1",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "d41d8cd98f00b204e9800998ecf8427e",
            "since 2026-11-25T12:04:58.123456789Z, next 2026-11-25 12:05:00.5",
            "it took 1.234567891s, 23.456789ms",
            "no connection to 10.0.0.1:8080 or 192.168.100.200",
            "order #1042, ORD-2026-17, 402: top up, 3 of 12 in 72h",
            "पूजा, 3 of 12",
            "100 %",
        ] {
            assert_eq!(text(said), said);
        }
    }

    #[test]
    fn addresses_and_credentials_are_masked() {
        for (said, shown) in [
            ("pooja.k+x@example.com is known", "***@example.com is known"),
            ("email=pooja%40example.com&x=1", "email=***%40example.com&x=1"),
            ("पूजा@example.com", "***@example.com"),
            ("9812345670@example.com", "***@example.com"),
            ("postgres://relay:p%40ss@db:5432/relay", "postgres://***@db:5432/relay"),
            ("postgres://relay:p@s/s:w?d@db/relay is down", "postgres://***@db/relay is down"),
            ("`https://user:pw@host/a@b`", "`https://***@host/***@b`"),
            ("https://token@host/", "https://***@host/"),
            ("@channel a @ b", "@channel a @ b"),
        ] {
            assert_eq!(text(said), shown);
        }
    }

    proptest! {
        #[test]
        fn no_phone_number_passes_whole(
            before in "[a-z #:]{0,8}",
            parts in proptest::collection::vec("[0-9]{2,5}", 3..5),
            joiner in prop::sample::select(vec!["", " ", "-", " - ", ".", "\u{2009}", "\u{ad}"]),
            after in "[a-z ,]{0,8}",
        ) {
            let digits = parts.concat();
            // what may look like a date or an address of a computer
            prop_assume!(digits.len() >= 7 && !(joiner == "." && parts.len() == 4));
            prop_assume!(!(joiner == "-" && parts.iter().any(|part| part.len() == 4)));
            prop_assume!(!(joiner == "." && parts.len() == 2));
            let said = format!("{before}{}{after}", parts.join(joiner));
            let left: String = text(&said).chars().filter(char::is_ascii_digit).collect();
            let ((head, rest), last) = (digits.split_at(END), digits.len() - 2 * END);
            prop_assert_eq!(left, format!("{head}{}", rest.split_at(last).1));
        }

        #[test]
        fn masking_twice_changes_nothing_more(said in "\\PC{0,60}") {
            let once = text(&said).into_owned();
            prop_assert_eq!(text(&once), once.as_str());
        }
    }
}
