//! Rows of CSV as spreadsheets write it: commas, semicolons (Excel in much of Europe and India) or tabs, whatever ends the
//! lines, with or without a byte order mark. Each row knows the line it begins on.

use std::iter::Peekable;
use std::str::Chars;

use thiserror::Error;

/// A row that is not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line it begins on, from 1.
    pub line: u64,
    /// Its cells, without the space around them.
    pub cells: Vec<String>,
}

/// Why a row cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A cell begins with a quote that nothing closes.
    #[error("a quote is not closed; close it, or double it (\"\") where it is part of the text")]
    Open(u64),
    /// A cell goes on after its closing quote.
    #[error("there is text after a closing quote; double a quote (\"\") that is part of the text")]
    Closed(u64),
}

impl Malformed {
    /// The line it is on.
    pub fn line(&self) -> u64 {
        match self {
            Self::Open(line) | Self::Closed(line) => *line,
        }
    }
}

/// The rows of a text.
pub struct Rows<'a> {
    rest: Peekable<Chars<'a>>,
    delimiter: char,
    line: u64,
}

/// Where a cell stands.
enum Cell {
    Start,
    Plain,
    /// With the line of its quote.
    Quoted(u64),
    Closed,
}

/// What ends a cell.
#[derive(PartialEq, Eq)]
enum End {
    Cell,
    Row,
    Text,
}

impl<'a> Rows<'a> {
    /// The rows of a text; what separates their cells is seen from the first line.
    pub fn of(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let mut rows = Self { rest: text.chars().peekable(), delimiter: delimiter(text), line: 1 };
        // Excel's own hint; `delimiter` has seen it
        let first = text.split(['\n', '\r']).next().unwrap_or("");
        if said(first).is_some() {
            while rows.character().is_some_and(|c| c != '\n') {}
        }
        rows
    }

    /// The line on which the text ends.
    pub fn lines_to_end(mut self) -> u64 {
        while self.character().is_some() {}
        self.line
    }

    /// The next character; every kind of line ending comes as one line feed.
    fn character(&mut self) -> Option<char> {
        let mut c = self.rest.next()?;
        if c == '\r' {
            self.rest.next_if_eq(&'\n');
            c = '\n';
        }
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn cell(&mut self) -> Result<(String, End), Malformed> {
        let (mut text, mut state) = (String::new(), Cell::Start);
        loop {
            let line = self.line;
            let Some(c) = self.character() else {
                return match state {
                    Cell::Quoted(line) => Err(Malformed::Open(line)),
                    _ => Ok((text, End::Text)),
                };
            };
            match (&state, c) {
                (Cell::Quoted(_), '"') if self.rest.next_if_eq(&'"').is_some() => text.push('"'),
                (Cell::Quoted(_), '"') => state = Cell::Closed,
                (Cell::Quoted(_), c) => text.push(c),
                (_, c) if c == self.delimiter => return Ok((text, End::Cell)),
                (_, '\n') => return Ok((text, End::Row)),
                (Cell::Start, '"') => state = Cell::Quoted(line),
                (Cell::Start | Cell::Closed, c) if c.is_whitespace() => {}
                (Cell::Closed, _) => return Err(Malformed::Closed(line)),
                (Cell::Start | Cell::Plain, c) => {
                    state = Cell::Plain;
                    text.push(c);
                }
            }
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (line, mut cells) = (self.line, Vec::new());
            let end = loop {
                match self.cell() {
                    Ok((text, end)) => {
                        cells.push(text.trim().to_owned());
                        if end != End::Cell {
                            break end;
                        }
                    }
                    Err(malformed) => return Some(Err(malformed)),
                }
            };
            if cells.iter().any(|cell| !cell.is_empty()) {
                return Some(Ok(Row { line, cells }));
            }
            if end == End::Text {
                return None;
            }
        }
    }
}

/// What separates cells: the first character of the first line that may, outside of quotes.
fn delimiter(text: &str) -> char {
    let first = text.trim_start().split(['\n', '\r']).next().unwrap_or("");
    if let Some(said) = said(first) {
        return said;
    }
    let mut is_quoted = false;
    let found = first.chars().find(|c| {
        is_quoted ^= *c == '"';
        !is_quoted && matches!(c, ',' | ';' | '\t')
    });
    found.unwrap_or(',')
}

/// `sep=;` as a line of its own says so.
fn said(line: &str) -> Option<char> {
    let mut rest = line.strip_prefix("sep=").or_else(|| line.strip_prefix("SEP="))?.chars();
    rest.next().filter(|_| rest.next().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<(u64, Vec<String>)>, Malformed> {
        Rows::of(text).map(|row| row.map(|row| (row.line, row.cells))).collect()
    }

    #[test]
    fn rows_know_their_lines_however_lines_end_and_cells_are_separated() {
        let rows = "number,reason\n1,a\n\n \"2\" , \"b \"\"c\"\"\nd, e\" \n3,5\" pipe\n\n";
        let expected: Vec<(u64, Vec<String>)> =
            [(1, ["number", "reason"]), (2, ["1", "a"]), (4, ["2", "b \"c\"\nd, e"]), (6, ["3", "5\" pipe"])]
                .into_iter()
                .map(|(line, cells)| (line, cells.map(str::to_owned).to_vec()))
                .collect();
        for ending in ["\n", "\r\n", "\r"] {
            for mark in ["", "\u{FEFF}"] {
                let text = format!("{mark}{}", rows.replace('\n', ending));
                assert_eq!(read(&text).as_ref(), Ok(&expected), "{text:?}");
                let text = text.replace("d, e", "d# e").replace(',', ";").replace("d# e", "d, e");
                assert_eq!(read(&text).as_ref(), Ok(&expected), "{text:?}");
                let said = format!("{mark}sep=;{ending}{}", text.trim_start_matches('\u{FEFF}'));
                let later: Vec<_> = expected.iter().map(|(line, cells)| (line + 1, cells.clone())).collect();
                assert_eq!(read(&said), Ok(later), "{said:?}");
            }
        }
        assert_eq!(read("1\t2"), Ok(vec![(1, vec!["1".into(), "2".into()])]));
        assert_eq!(read(""), Ok(vec![]));
    }

    #[test]
    fn a_quote_that_goes_wrong_is_found_where_it_begins() {
        for ending in ["\n", "\r\n", "\r"] {
            let open = "number,reason\n1,\"oops\n2,x\n".replace('\n', ending);
            assert_eq!(read(&open), Err(Malformed::Open(2)), "{open:?}");
            let closed = "number,reason\n1,\"oops\n2,\"x\"\n".replace('\n', ending);
            assert_eq!(read(&closed), Err(Malformed::Closed(3)), "{closed:?}");
        }
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_is_read_back(
            cells in prop::collection::vec("[a-z\"][a-z,;\" \n]{0,6}[a-z\"]", 1..5),
            is_crlf in any::<bool>(),
        ) {
            let end = if is_crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new().terminator(end).from_writer(Vec::new());
            writer.write_record(std::iter::once("number").chain(cells.iter().map(|_| "x"))).unwrap();
            writer.write_record(std::iter::once("1").chain(cells.iter().map(String::as_str))).unwrap();
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let rows = read(&text).unwrap();
            prop_assert_eq!(&rows[1].1[1..], &cells[..]);
            prop_assert_eq!(rows[1].0, 2);
        }
    }
}
