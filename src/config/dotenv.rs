//! `.env` in the working directory: variables for those who run the relay without docker compose, which reads it by itself.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;

use super::file;

/// The largest one that is read, in bytes.
const LARGEST: u64 = 256 * 1_024;

/// The file's name.
pub const FILE: &str = ".env";

/// What the file sets; nothing if there is none.
///
/// # Errors
///
/// What is wrong, and where.
pub fn read(path: &Path) -> Result<HashMap<String, String>, String> {
    let text = match file::read(path, LARGEST) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(told(path, &dotenvy::Error::Io(error))),
    };
    dotenvy::from_read_iter(text.as_bytes()).collect::<Result<_, _>>().map_err(|error| told(path, &error))
}

/// The line itself is not repeated: it holds a secret as a rule.
fn told(path: &Path, error: &dotenvy::Error) -> String {
    let path = path.display();
    match error {
        dotenvy::Error::LineParse(line, at) => {
            let column = line.get(..*at).unwrap_or(line).chars().count() + 1;
            format!(
                "`{path}`: a line cannot be read at column {column}: write NAME=value; put a value with spaces, # or $ into single quotes"
            )
        }
        dotenvy::Error::Io(error) => format!("`{path}` cannot be read: {error}"),
        other => format!("`{path}` cannot be read: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<HashMap<String, String>, String> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(FILE);
        std::fs::write(&path, text).expect("written");
        read(&path)
    }

    #[test]
    fn lines_quotes_and_comments_are_read() {
        let set = read_text("# secrets\nSHOP_SECRET=abc\nexport KEY='a $b #c'\n\nEMPTY=\nQUOTED=\"two words\"\n")
            .expect("read");
        let get = |name: &str| set.get(name).map(String::as_str);
        assert_eq!((get("SHOP_SECRET"), get("KEY")), (Some("abc"), Some("a $b #c")));
        assert_eq!((get("EMPTY"), get("QUOTED"), set.len()), (Some(""), Some("two words"), 4));
    }

    #[test]
    fn a_file_that_is_missing_sets_nothing_and_a_fault_repeats_no_secret() {
        assert_eq!(read(Path::new("/nowhere/.env")), Ok(HashMap::new()));
        let said = read_text("A=1\nSECRET is hush-hush\n").expect_err("a fault");
        assert!(said.contains(".env") && said.contains("NAME=value") && !said.contains("hush"), "{said}");
    }
}
