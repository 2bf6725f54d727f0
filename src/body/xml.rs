//! XML and SOAP 1.1, without DTD and entity expansion (roxmltree refuses both).
//!
//! An element becomes an object of its children by local name, a repeated one a list; attributes stand under `@name`;
//! an element with text alone is that text. `xsi:nil` is null.

use std::borrow::Cow;

use encoding_rs::Encoding;
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Map, Value};

use super::{BodyError, DEPTH_LIMIT, charset};

/// How many nodes one document may have.
const NODE_LIMIT: u32 = 50_000;

/// How many attributes one element may have, and how many namespaces a document may declare (Salesforce declares one for
/// each of its hundred records): the parser compares each with each.
const ATTRIBUTE_LIMIT: usize = 256;
const NAMESPACE_LIMIT: usize = 512;

/// No entity of HTML has a longer name.
const ENTITY: usize = 32;

/// Reads the root element.
pub fn parse(body: &[u8], declared: Option<&'static Encoding>) -> Result<Value, BodyError> {
    with_root(body, declared, |root| value(root, DEPTH_LIMIT))
}

/// Reads the first element in the envelope's body.
pub fn parse_soap(body: &[u8], declared: Option<&'static Encoding>) -> Result<Value, BodyError> {
    with_root(body, declared, |root| {
        let child = |parent: Node<'_, '_>, name: &str| {
            parent.children().find(|n| n.is_element() && n.tag_name().name() == name).map(|n| n.id())
        };
        let no_envelope = || BodyError::malformed("SOAP message", "it has no Envelope with a Body");
        let body = Some(root)
            .filter(|root| root.tag_name().name() == "Envelope")
            .and_then(|root| child(root, "Body"))
            .ok_or_else(no_envelope)?;
        let body = root.document().get_node(body).ok_or_else(no_envelope)?;
        let message = body.children().find(Node::is_element).ok_or_else(no_envelope)?;
        value(message, DEPTH_LIMIT)
    })
}

fn with_root(
    body: &[u8],
    declared: Option<&'static Encoding>,
    read: impl FnOnce(Node<'_, '_>) -> Result<Value, BodyError>,
) -> Result<Value, BodyError> {
    let declared = declared.or_else(|| declared_within(body));
    let text: &str = &charset::text(body, declared).ok_or_else(|| {
        BodyError::malformed("XML", format!("it is not {}", declared.map_or("UTF-8", Encoding::name)))
    })?;
    if text.matches("xmlns").nth(NAMESPACE_LIMIT).is_some() || most_attributes(text) > ATTRIBUTE_LIMIT {
        return Err(BodyError::malformed("XML", "it has too many attributes or namespaces"));
    }
    let options = || ParsingOptions { allow_dtd: false, nodes_limit: NODE_LIMIT, ..ParsingOptions::default() };
    let text = text.trim_end_matches(|c: char| c == '\0' || c.is_whitespace());
    let repaired;
    let document = match Document::parse_with_options(text.trim_start(), options()) {
        Ok(document) => document,
        Err(error) => {
            repaired = with_ampersands(text.trim_start());
            // what was wrong with the document as it was sent is what its sender can look up
            Document::parse_with_options(&repaired, options())
                .map_err(|_| BodyError::malformed("XML", located(&error, text)))?
        }
    };
    read(document.root_element())
}

/// A document with the ampersands of its texts escaped that mean nothing in XML, and HTML's entities as characters.
fn with_ampersands(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut in_cdata) = (text, false);
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        // what stands in CDATA is not markup
        in_cdata = match (before.rfind("<![CDATA["), before.rfind("]]>")) {
            (Some(start), end) => end.is_none_or(|end| end < start),
            (None, Some(_)) => false,
            (None, None) => in_cdata,
        };
        let end = after.bytes().take(ENTITY).position(|byte| byte == b';');
        let name = end.and_then(|end| after.get(..end)).unwrap_or("");
        let is_known = matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") || name.starts_with('#');
        let entity = format!("&{name};");
        let character = html_escape::decode_html_entities(&entity);
        rest = after;
        if in_cdata || is_known {
            out.push('&');
        } else if !name.is_empty() && !character.starts_with('&') {
            out.push_str(&character);
            rest = after.get(name.len() + 1..).unwrap_or_default();
        } else {
            out.push_str("&amp;");
        }
    }
    out.push_str(rest);
    out
}

/// What is wrong with a document, and where that stands in the text that was sent: the white space before it was not read.
fn located(error: &roxmltree::Error, sent: &str) -> String {
    let (at, said) = (error.pos(), error.to_string());
    let Some(what) = said.strip_suffix(&format!(" at {at}")) else { return said };
    let skipped = sent.get(..sent.len() - sent.trim_start().len()).unwrap_or_default();
    let beside = if at.row == 1 { skipped.rsplit('\n').next().unwrap_or_default().chars().count() } else { 0 };
    let (above, column) = (skipped.matches('\n').count(), beside + at.col as usize);
    format!("{what} at line {} column {column}", above + at.row as usize)
}

/// The charset that a document declares itself: `<?xml version="1.0" encoding="ISO-8859-1"?>`. UTF-16 shows otherwise.
fn declared_within(body: &[u8]) -> Option<&'static Encoding> {
    let line = charset::without_marks(body).trim_ascii_start().strip_prefix(b"<?xml")?;
    let line: Cow<'_, str> = String::from_utf8_lossy(line.split(|byte| *byte == b'>').next()?);
    let (_, label) = line.split_once("encoding")?;
    let label = label.trim_start().strip_prefix('=')?.trim_start();
    Encoding::for_label(label.get(1..)?.split(['"', '\'']).next()?.as_bytes())
}

/// The most attributes of any tag, counted by their equals signs. In comments and CDATA it may count too many.
fn most_attributes(text: &str) -> usize {
    let (mut most, mut count, mut in_tag, mut quote) = (0, 0, false, None);
    for byte in text.bytes() {
        match (byte, quote) {
            (_, Some(open)) if byte == open => quote = None,
            (_, Some(_)) => {}
            (b'<', None) => (in_tag, count) = (true, 0),
            (b'>', None) => in_tag = false,
            (b'"' | b'\'', None) if in_tag => quote = Some(byte),
            (b'=', None) if in_tag => {
                count += 1;
                most = most.max(count);
            }
            _ => {}
        }
    }
    most
}

fn value(element: Node<'_, '_>, depth: usize) -> Result<Value, BodyError> {
    if depth == 0 {
        return Err(BodyError::malformed("XML", format!("nested deeper than {DEPTH_LIMIT}")));
    }
    let is_nil = |a: &roxmltree::Attribute<'_, '_>| a.name() == "nil" && a.namespace().is_some();
    if element.attributes().any(|a| is_nil(&a) && a.value() == "true") {
        return Ok(Value::Null);
    }
    let mut map = Map::new();
    for attribute in element.attributes().filter(|a| !is_nil(a)) {
        map.insert(format!("@{}", attribute.name()), Value::from(attribute.value()));
    }
    for child in element.children().filter(Node::is_element) {
        insert(&mut map, child.tag_name().name(), value(child, depth - 1)?);
    }
    let text: String = element.children().filter(Node::is_text).filter_map(|n| n.text()).collect();
    let text = text.trim();
    if map.is_empty() {
        return Ok(Value::from(text));
    }
    if !text.is_empty() {
        map.insert("#text".into(), Value::from(text));
    }
    Ok(Value::Object(map))
}

fn insert(map: &mut Map<String, Value>, name: &str, value: Value) {
    match map.get_mut(name) {
        None => {
            map.insert(name.to_owned(), value);
        }
        Some(Value::Array(several)) => several.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: &[u8]) -> Result<Value, BodyError> {
        super::parse(body, None)
    }

    #[test]
    fn elements_become_fields_by_their_local_names() {
        let soap = r#"<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><s:Body><notifications><SessionId xsi:nil="true"/><Notification><Id>04l1</Id></Notification><Notification><Id>04l2</Id></Notification></notifications></s:Body></s:Envelope>"#;
        assert_eq!(
            parse_soap(soap.as_bytes(), None),
            Ok(json!({"SessionId": null, "Notification": [{"Id": "04l1"}, {"Id": "04l2"}]}))
        );
        assert_eq!(
            parse(b"<Lead Id='7'><Name>Asha</Name>hi</Lead>"),
            Ok(json!({"@Id": "7", "Name": "Asha", "#text": "hi"}))
        );
    }

    #[test]
    fn ampersands_that_mean_nothing_in_xml_are_read() {
        for (written, read) in [
            ("Rao & Sons", "Rao & Sons"),
            ("Asha&nbsp;Rao &amp; Sons", "Asha\u{a0}Rao & Sons"),
            ("caf&eacute; &#38; & more", "caf\u{e9} & & more"),
            ("<![CDATA[a & b &nbsp;]]> & c", "a & b &nbsp; & c"),
            ("&; &nothing; &", "&; &nothing; &"),
        ] {
            let body = format!("<r><a>{written}</a></r>");
            assert_eq!(parse(body.as_bytes()), Ok(json!({ "a": read })), "{written}");
        }
        assert!(parse(b"<r><a>Rao & Sons</r>").is_err());
        assert!(parse(b"<!DOCTYPE r [<!ENTITY x 'y'>]><r>&x; & </r>").is_err());
    }

    #[test]
    fn other_charsets_are_read_declared_or_not() {
        let expected = Ok(json!({"Name": "Jos\u{e9} \u{20ac}"}));
        for head in
            ["", "<?xml version='1.0' encoding='windows-1252'?>", "<?xml version=\"1.0\" encoding = \"utf-8\" ?>"]
        {
            let body = [head.as_bytes(), b"<Lead><Name>Jos\xE9 \x80</Name></Lead>"].concat();
            assert_eq!(parse(&body), expected, "{head}");
            let plain = format!("{head}<Lead><Name>Jos\u{e9} \u{20ac}</Name></Lead>");
            for mark in ["", "\u{feff}", "\u{feff}\u{feff}\n"] {
                let marked = format!("{mark}{plain}");
                assert_eq!(parse(marked.as_bytes()), expected, "{marked:?}");
                for order in [u16::to_le_bytes, u16::to_be_bytes] {
                    let wide: Vec<u8> = marked.encode_utf16().flat_map(order).collect();
                    assert_eq!(parse(&wide), expected, "{marked:?}");
                }
            }
        }
        let latin2 = b"<?xml version='1.0' encoding='ISO-8859-2'?><a>\xB1</a>";
        assert_eq!(parse(latin2), Ok(json!("\u{105}")));
        assert_eq!(super::parse(b"<a>\xB1</a>", Encoding::for_label(b"latin2")), Ok(json!("\u{105}")));
    }

    #[test]
    fn a_fault_is_where_it_stands_in_the_document_that_was_sent() {
        for before in ["", "\n", "  ", "\r\n\n \t", "\u{feff}", "\u{feff}\u{feff}\n "] {
            for (head, tail) in [("<a>José <b", "=1></a>"), ("<a>\n<é>Jos\u{e9}\n  </b", "></a>")] {
                let text = format!("{before}{head}{tail}");
                let shown = text.trim_start_matches('\u{feff}');
                let head = shown.strip_suffix(tail).unwrap_or_default();
                let line = head.matches('\n').count() + 1;
                let wide = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                let latin = shown.chars().filter_map(|c| u8::try_from(c).ok()).collect();
                let all: [Vec<u8>; 3] = [text.clone().into(), wide, latin];
                let said = all.map(|bytes| parse(&bytes).expect_err(&text).to_string());
                let at_line = format!(" at line {line} column ");
                assert!(
                    said.iter().all(|said| said.contains(&at_line) && *said == said_of_plain(shown)),
                    "{text:?}: {said:?}"
                );
            }
        }
    }

    /// The same counted by hand: without what stands before it, and that added.
    fn said_of_plain(shown: &str) -> String {
        let plain = shown.trim_start();
        let said = parse(plain.as_bytes()).expect_err(plain).to_string();
        let (what, at) = said.split_once(" at line ").expect("a place");
        let (line, column) = at.split_once(" column ").expect("a column");
        let (line, column): (usize, usize) = (line.parse().expect(line), column.parse().expect(column));
        let skipped = shown.strip_suffix(plain).unwrap_or_default();
        let first = skipped.rsplit('\n').next().unwrap_or_default().chars().count();
        let column = if line == 1 { column + first } else { column };
        format!("{what} at line {} column {column}", line + skipped.matches('\n').count())
    }

    #[test]
    fn dtds_entities_and_deep_nesting_are_refused() {
        assert!(parse(b"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>").is_err());
        let deep = format!("{}{}", "<a>".repeat(1_000), "</a>".repeat(1_000));
        assert!(parse(deep.as_bytes()).is_err());
        let huge = format!("<a>{}</a>", "<b/>".repeat(60_000));
        assert!(parse(huge.as_bytes()).is_err());
        assert!(parse_soap(b"<a/>", None).is_err());
    }

    #[test]
    fn what_would_cost_the_parser_its_square_is_refused() {
        let numbered = |count: usize, one: fn(usize) -> String| (0..count).map(one).collect::<Vec<_>>().join(" ");
        let attributes = |count: usize| format!("<a {}/>", numbered(count, |n| format!("a{n}='='")));
        assert!(parse(attributes(200).as_bytes()).is_ok());
        assert!(parse(attributes(90_000).as_bytes()).is_err());
        let declared = numbered(2_000, |n| format!("xmlns:n{n}='u{n}'"));
        assert!(parse(format!("<r {declared}>{}</r>", "<a xmlns:m='x'/>".repeat(8_000)).as_bytes()).is_err());
        // a hundred records, each with its own declaration, as Salesforce sends them
        let records = format!("<r>{}</r>", "<a xmlns:sf='urn:sobject'/>".repeat(100));
        assert!(parse(records.as_bytes()).is_ok());
    }
}
