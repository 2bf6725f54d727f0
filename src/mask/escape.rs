//! The escapes in which a server or proxy may spell a character: JSON, percent, HTML, also twice over.

/// A character as its UTF-8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    bytes: [u8; 4],
    length: usize,
}

impl Unit {
    fn byte(byte: u8) -> Self {
        Self { bytes: [byte, 0, 0, 0], length: 1 }
    }

    fn char(c: char) -> Self {
        let mut bytes = [0; 4];
        let length = c.encode_utf8(&mut bytes).len();
        Self { bytes, length }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Whether an escape may begin with this byte.
pub fn may_begin(byte: u8) -> bool {
    matches!(byte, b'\\' | b'%' | b'&')
}

/// What an escape at the beginning of a text stands for, and how many bytes it takes.
pub fn read(text: &[u8]) -> Option<(Unit, usize)> {
    match text.first()? {
        b'\\' => json(text),
        b'%' => percent(text),
        b'&' => html(text),
        b'+' => Some((Unit::byte(b' '), 1)),
        _ => None,
    }
}

fn hex(text: &[u8], from: usize, length: usize) -> Option<u32> {
    let digits = std::str::from_utf8(text.get(from..from + length)?).ok()?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// How many times over a text is escaped at most: JSON inside JSON doubles the backslashes each time.
const NESTED: usize = 16;

fn backslashes(text: &[u8]) -> usize {
    text.iter().take(NESTED).take_while(|b| **b == b'\\').count()
}

/// `\/`, `\u0065`, a pair of surrogates; JSON inside JSON doubles the backslash.
fn json(text: &[u8]) -> Option<(Unit, usize)> {
    let slashes = backslashes(text);
    match text.get(slashes) {
        Some(b'u') if let Some(found) = unicode(text, slashes) => Some(found),
        Some(&mark @ (b'/' | b'"' | b'\'')) => Some((Unit::byte(mark), slashes + 1)),
        // backslashes of the text itself
        _ if slashes > 1 => Some((Unit::byte(b'\\'), 2)),
        _ => None,
    }
}

/// `\u0065` or a pair of surrogates, behind so many backslashes.
fn unicode(text: &[u8], slashes: usize) -> Option<(Unit, usize)> {
    let (high, after) = (hex(text, slashes + 1, 4)?, slashes + 5);
    if let Some(c) = char::from_u32(high) {
        return Some((Unit::char(c), after));
    }
    let more = backslashes(text.get(after..)?);
    let low = hex(text, after + more + 1, 4).filter(|low| (0xDC00..0xE000).contains(low))?;
    let c = char::from_u32(0x1_0000 + ((high.checked_sub(0xD800)?) << 10) + (low - 0xDC00))?;
    Some((Unit::char(c), after + more + 5))
}

/// `%2F`, and `%252F` where it was escaped twice.
fn percent(text: &[u8]) -> Option<(Unit, usize)> {
    let mut from = 1;
    while from < NESTED && text.get(from..from + 2) == Some(b"25") && hex(text, from + 2, 2).is_some() {
        from += 2;
    }
    let byte = u8::try_from(hex(text, from, 2)?).ok()?;
    Some((Unit::byte(byte), from + 2))
}

/// `&amp;`, `&#47;`, `&#x2F;`.
fn html(text: &[u8]) -> Option<(Unit, usize)> {
    let end = text.iter().take(10).position(|b| *b == b';')?;
    let name = std::str::from_utf8(text.get(1..end)?).ok()?;
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let code = name.strip_prefix('#')?;
            let code = match code.strip_prefix(['x', 'X']) {
                Some(code) => u32::from_str_radix(code, 16),
                None => code.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((Unit::char(c), end + 1))
}
