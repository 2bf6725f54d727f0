//! Cells of a CSV export that a spreadsheet must not take for formulas (OWASP, CSV injection), and the way back.
//!
//! Such a cell gets an apostrophe in front. A phone number with its `+` stays as it is: it computes nothing, and other
//! programs read it.

use std::borrow::Cow;

/// What a formula may begin with; a tab or a line break before it is skipped by some programs.
const BEGINNINGS: [char; 12] = ['=', '+', '-', '@', '\t', '\r', '\n', '|', '＝', '＋', '－', '＠'];

/// What guards a cell, as a keyboard and as some spreadsheets write it.
const APOSTROPHES: [char; 2] = ['\'', '\u{2019}'];

/// A cell as it is exported.
pub fn exported(cell: &str) -> Cow<'_, str> {
    let is_number = cell.strip_prefix('+').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    // what looks guarded already is guarded once more, so that the way back is the same for all
    let needs_guard = cell.starts_with(BEGINNINGS) && !is_number || guarded(cell).is_some();
    if needs_guard { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

/// A cell as it was before it was exported, or before a spreadsheet marked a number as text.
pub fn imported(cell: &str) -> &str {
    guarded(cell).unwrap_or(cell)
}

/// What an apostrophe guards, if one does.
fn guarded(cell: &str) -> Option<&str> {
    let guards = |c: char| APOSTROPHES.contains(&c) || c == ' ';
    let begins = |c: char| BEGINNINGS.contains(&c) || c.is_ascii_digit();
    cell.strip_prefix(APOSTROPHES).filter(|rest| rest.trim_start_matches(guards).starts_with(begins))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_numbers_stay() {
        for (cell, written) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("＝1", "'＝1"),
            ("'=1", "''=1"),
            ("+919812345670", "+919812345670"),
            ("asked by phone", "asked by phone"),
            ("it's", "it's"),
            ("'til 5", "'til 5"),
            ("'5", "''5"),
        ] {
            assert_eq!(exported(cell), written);
        }
        assert_eq!(imported("'+919812345670"), "+919812345670");
    }

    proptest! {
        #[test]
        fn the_way_back_gives_the_same(cell in "['=+@-]{0,3}\\PC{0,8}") {
            let written = exported(&cell);
            prop_assert_eq!(imported(&written), cell.as_str());
        }
    }
}
