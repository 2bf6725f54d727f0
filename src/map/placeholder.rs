//! What stands where a sender had no value: a merge tag that nobody filled in, `null`, `undefined`.

use std::borrow::Cow;

use super::field_list;

/// What programs write for a value that they do not have.
const NOTHING: [&str; 19] = [
    "null",
    "NULL",
    "(null)",
    "undefined",
    "NaN",
    "nan",
    "NaT",
    "<NA>",
    "(not set)",
    "[object Object]",
    "[object object]",
    "#N/A",
    "#REF!",
    "#VALUE!",
    "#ERROR!",
    "#NAME?",
    "#DIV/0!",
    "#NULL!",
    "#NUM!",
];

/// What may stand inside a pair of brackets for it to be a placeholder.
#[derive(Debug, Clone, Copy)]
enum Inside {
    /// Whatever fits on a line.
    Anything,
    /// A name, with blanks, a place or an attribute: `Name:1`, `field_id="1"`.
    Name,
    /// A name without blanks.
    Word,
    /// What fields are called: a single pair of brackets may also stand around any other text.
    Field,
}

/// How merge tags are written, the longer brackets first: Jinja, Liquid, Handlebars, HighLevel and WhatsApp; Zoho; Ruby; Power
/// Automate; Salesforce; SMS templates of India; ERB; Meta's test leads; Mailchimp; Pardot; Gravity Forms and WPForms; Brevo and
/// ActiveCampaign; Contact Form 7.
const BRACKETS: [(&str, &str, Inside); 25] = [
    ("{{{", "}}}", Inside::Anything),
    ("{{", "}}", Inside::Anything),
    ("{%", "%}", Inside::Anything),
    ("${!", "}", Inside::Name),
    ("${", "}", Inside::Name),
    ("$!{", "}", Inside::Anything),
    ("#{", "}", Inside::Name),
    ("{$", "}", Inside::Word),
    ("<<", ">>", Inside::Name),
    ("«", "»", Inside::Name),
    ("~", "~", Inside::Field),
    ("@{", "}", Inside::Anything),
    ("{!", "}", Inside::Anything),
    ("{#", "#}", Inside::Anything),
    ("<%", "%>", Inside::Anything),
    ("<test lead:", ">", Inside::Anything),
    ("*|", "|*", Inside::Anything),
    ("[[", "]]", Inside::Name),
    ("%%", "%%", Inside::Word),
    ("##", "##", Inside::Word),
    ("||", "||", Inside::Word),
    ("{", "}", Inside::Field),
    ("%", "%", Inside::Word),
    ("[", "]", Inside::Field),
    ("<", ">", Inside::Field),
];

/// What Meta's test leads hold where the brackets were lost on the way.
const TEST_LEAD: &str = "test lead: dummy data for ";

/// Longer than any merge tag, in bytes.
const LONGEST: usize = 200;

/// Whether a text holds the place of a value, or of several, and nothing besides.
pub fn is_placeholder(text: &str) -> bool {
    let mut rest = text.trim_start_matches(is_between);
    if !may_be_one(rest) {
        return text.starts_with(TEST_LEAD);
    }
    while !rest.is_empty() {
        let Some(after) = after_placeholder(rest) else { return false };
        rest = after.trim_start_matches(is_between);
    }
    true
}

/// A name without the parts that nobody filled in: `Asha undefined`, `{{contact.first_name}} Rao`.
pub fn without(name: &str) -> Cow<'_, str> {
    if name.len() > LONGEST {
        return Cow::Borrowed(name);
    }
    let mut kept = String::new();
    let mut rest = name;
    let mut is_whole = true;
    let mut after_word = false;
    while let Some(next) = rest.chars().next() {
        // `null` may end a name, as in Nepomnull
        match after_placeholder(rest).filter(|_| !(after_word && next.is_alphabetic())) {
            Some(after) => {
                is_whole = false;
                rest = after;
            }
            None => {
                kept.push(next);
                rest = rest.strip_prefix(next).unwrap_or("");
            }
        }
        after_word = next.is_alphanumeric();
    }
    if is_whole {
        return Cow::Borrowed(name);
    }
    Cow::Owned(
        kept.split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .replace("()", "")
            .trim_matches([',', ' ', '-', '&', '/', '|', '.'])
            .replace("  ", " "),
    )
}

/// Most texts are told by their first letter.
fn may_be_one(text: &str) -> bool {
    text.starts_with(['{', '[', '<', '%', '*', '#', '$', '|', '@', 'n', 'N', 'u', '(', '«', '~'])
}

fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | '-' | '/' | '.' | ':' | '+' | '"' | '\'' | ';' | '\u{200b}' | '\u{feff}')
}

/// What comes after the placeholder that a text begins with; `None` if it begins with none.
fn after_placeholder(text: &str) -> Option<&str> {
    if !may_be_one(text) {
        return None;
    }
    let mut words = NOTHING.iter().filter_map(|word| text.strip_prefix(word));
    if let Some(rest) = words.find(|rest| !rest.starts_with(char::is_alphanumeric)) {
        return Some(rest);
    }
    if let Some(name) = text.strip_prefix('$') {
        let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
        let (name, rest) = name.split_at_checked(end)?;
        if field_list::is_listed(name) {
            return Some(rest);
        }
    }
    BRACKETS.iter().find_map(|(open, close, inside)| {
        let rest = text.strip_prefix(open)?;
        let near = rest.get(..rest.floor_char_boundary(LONGEST))?;
        let (name, rest) = rest.split_at_checked(near.find(close)?)?;
        inside.holds(name).then(|| rest.strip_prefix(close)).flatten()
    })
}

impl Inside {
    fn holds(self, text: &str) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
        let text = text.trim();
        let starts_as_name = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
        match self {
            Self::Anything => !text.contains(['\n', '\r']),
            Self::Name => {
                starts_as_name && text.chars().all(|c| is_word(c) || matches!(c, ' ' | '=' | '"' | '\'' | '|'))
            }
            Self::Word => starts_as_name && text.chars().all(is_word),
            Self::Field => !text.contains(['\n', '\r']) && field_list::is_field(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_filled_in_is_seen_whoever_wrote_it() {
        for text in [
            "{{contact.first_name}}",
            "{{ contact.first_name }}",
            "{{1}}",
            "{{{name}}}",
            "{{contact.first_name}} {{contact.last_name}}",
            "{{city}}, {{state}}",
            "{{ city | default: \"there\" }}",
            "+{{country_code}} {{phone}}",
            "{% if name %}{{name}}{% endif %}",
            "{first_name}",
            "{Name:1.3}",
            "{field_id=\"1\"}",
            "{नाम}",
            "{!Lead.FirstName}",
            "${Leads.First Name}",
            "${!Leads.First_Name}",
            "#{first_name}",
            "@{triggerBody()?['name']}",
            "{#var#}",
            "<%= name %>",
            "<test lead: dummy data for full_name>",
            "test lead: dummy data for full_name",
            "<first_name>",
            "*|FNAME|*",
            "%FIRSTNAME%",
            "%first_name%",
            "%%first_name%%",
            "##name##",
            "||name||",
            "[[name]]",
            "[your-name]",
            "[object Object]",
            "null",
            "NULL",
            "(null)",
            "undefined",
            "NaN",
            "null null",
            " undefined  undefined ",
            "null, null",
            "#N/A",
            "#REF!",
            "(not set)",
            "\"{{name}}\"",
            "{{name}};",
            "{{name}}\u{200b}",
            "<<First Name>>",
            "«First Name»",
            "~Contact.FirstName~",
            "{$name}",
            "{first_name|there}",
            "[First Name]",
            "[LAST NAME]",
            "[your-subject]",
            "[tel-456]",
            "[item_name]",
            "{First Name}",
            "{Contact.First Name}",
            "{order.id}",
            "{City}",
            "<name>",
            "<<FirstName>>",
            "$FirstName",
            "$name",
            "$first_name $last_name",
            "nan",
            "nan nan",
            "[nombre]",
            "[الاسم]",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn what_people_write_is_none() {
        for text in [
            "",
            " ",
            "-",
            "Asha",
            "Null",
            "Nullmeyer",
            "nullah road",
            "Nancy",
            "Undine",
            "None",
            "100% cotton, 50% off",
            "%",
            "50% %",
            "[Yes]",
            "[draft]",
            "[e-book]",
            "[E-Book]",
            "[covid-19]",
            "[sold out]",
            "{Gold}",
            "{Jan.2026}",
            "{v1.2}",
            "~Sale~",
            "<3",
            "[WA]",
            "$SAVE20",
            "$SAVE_20",
            "$Gold",
            "$nameless",
            "Nan",
            "nandini",
            "nan bread",
            "(022) 2235 5342",
            "#1042",
            "# 1042 #",
            "@asha",
            "{\"a\": 1}",
            "{1, 2}",
            "{}",
            "[]",
            "[1, 2]",
            "<asha@example.com>",
            "<b>",
            "*bold*",
            "* | *",
            "$100",
            "Hello {{name}}",
            "{{name}} & Sons",
            "{\n  {x}\n}",
            "{{ a\nb }}",
            "|| ||",
            "${100}",
            "#{42}",
            "#NATURE",
            "~ 5 ~",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn a_name_keeps_what_was_filled_in() {
        for (name, kept) in [
            ("Asha undefined", "Asha"),
            ("undefined Rao", "Rao"),
            ("Asha null", "Asha"),
            ("Asha nan", "Asha"),
            ("$FirstName Rao", "Rao"),
            ("Asha {Gold}", "Asha {Gold}"),
            ("Nandini Rao", "Nandini Rao"),
            ("{{contact.first_name}} Rao", "Rao"),
            ("Asha {{contact.last_name}}", "Asha"),
            ("Rao, {{contact.first_name}}", "Rao"),
            ("Asha [last-name] Rao", "Asha Rao"),
            ("null null", ""),
            ("Nepomnull", "Nepomnull"),
            ("Null Asha", "Null Asha"),
            ("Asha  Rao", "Asha  Rao"),
            ("आशा {{last}}", "आशा"),
            ("Asha ({{nick}}) Rao", "Asha Rao"),
            ("Asha - {{company}}", "Asha"),
            ("Asha & null", "Asha"),
        ] {
            assert_eq!(without(name), kept, "{name}");
        }
    }
}
