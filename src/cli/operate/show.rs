//! What the API answers, as people read it in a terminal.

use serde_json::Value;

use crate::cli::say;

/// A name as a step of an address.
pub fn step(name: &str) -> String {
    form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A field as text; `-` if it is not there.
pub fn field(json: &Value, key: &str) -> String {
    match json.get(key) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        // what a sender wrote must not move the cursor of whoever reads it
        Some(Value::String(text)) => legible(text),
        Some(other) => legible(&other.to_string()),
    }
}

/// Without what moves the cursor, or turns the direction in which the rest is read (Unicode UAX 9, 2).
fn legible(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let show = |c: char| if c.is_control() || turns(c) { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(show).collect()
}

/// The same for a text of several lines.
pub fn legible_lines(text: &str) -> String {
    text.lines().map(legible).collect::<Vec<_>>().join("\n")
}

/// The entries of a list.
pub fn entries<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Rows in columns as wide as they need to be.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|name| name.chars().count())).max().unwrap_or(0)
    };
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let gap = width(column).saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(gap))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    say(&line(head.to_vec()));
    for row in rows {
        say(&line(row.iter().map(String::as_str).collect()));
    }
}

/// Where the next page begins, if there is one.
pub fn more(json: &Value) {
    if let Some(next) = json.get("next").and_then(Value::as_str) {
        say(&format!("more: --cursor {next}"));
    }
}

/// Where a send stands.
pub fn state_of(send: &Value) -> String {
    let state = match (field(send, "state"), field(send, "why"), field(send, "until")) {
        (state, why, _) if why == "-" => state,
        (state, why, until) if until == "-" => format!("{state} ({why})"),
        (state, why, until) => format!("{state} ({why} until {until})"),
    };
    match field(send, "detour").as_str() {
        "dry_run" => format!("{state} (dry run)"),
        // its route's or account's, when it went
        "-" if state == "sent" && field(send, "gone_at") == "-" => format!("{state} (not to the customer)"),
        "-" => state,
        number => format!("{state} (to {number} instead)"),
    }
}

/// Sends in a table.
pub fn show_sends(sends: &[Value]) {
    let row = |send: &Value| {
        let mut row = vec![field(send, "id"), state_of(send)];
        row.extend(
            ["destination", "campaign", "route", "rule", "account", "created_at", "reason"].map(|key| field(send, key)),
        );
        row
    };
    let head = ["id", "state", "number", "campaign", "route", "rule", "account", "made", "reason"];
    table(&head, &sends.iter().map(row).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sender_wrote_moves_no_cursor_and_turns_no_line() {
        let json = serde_json::json!({ "id": "a\u{202e}b\u{1b}[2Jc\r\u{2066}d", "name": "आशा \u{200d} راو" });
        assert_eq!(field(&json, "id"), r"a\u{202e}b\u{1b}[2Jc\r\u{2066}d");
        assert_eq!(field(&json, "name"), "आशा \u{200d} راو");
    }
}
