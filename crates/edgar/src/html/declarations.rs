//! A `style` attribute cut into its declarations, as the CSS syntax cuts it: comments are white
//! space, and a semicolon in quotes or brackets ends nothing. It knows no property.

/// `name: value`, both in small letters.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Declaration {
    pub(super) name: Vec<u8>,
    /// Without `!important`.
    pub(super) value: Vec<u8>,
    /// It counts before all that are not.
    pub(super) is_important: bool,
}

/// The declarations in their order.
pub(super) fn declarations(text: &[u8]) -> Vec<Declaration> {
    let mut found = Vec::new();
    let mut one = Vec::new();
    let mut rest = text;
    let mut brackets = 0_usize;
    while let [byte, behind @ ..] = rest {
        let length = match byte {
            b'/' if behind.first() == Some(&b'*') => {
                one.push(b' ');
                rest = behind_comment(&behind[1..]);
                continue;
            }
            b'"' | b'\'' => quoted_length(rest),
            b'\\' => rest.len().min(2),
            _ => 1,
        };
        match byte {
            b';' if brackets == 0 => found.extend(declaration(&std::mem::take(&mut one))),
            _ => one.extend_from_slice(&rest[..length]),
        }
        match byte {
            b'(' | b'[' | b'{' => brackets += 1,
            b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        rest = &rest[length..];
    }
    found.extend(declaration(&one));
    found
}

/// A comment without an end goes on to the end of the attribute.
fn behind_comment(text: &[u8]) -> &[u8] {
    memchr::memmem::find(text, b"*/").map_or(&[], |end| &text[end + 2..])
}

/// Of a string with both quotes; one that is never closed ends with its line or the attribute.
fn quoted_length(text: &[u8]) -> usize {
    let quote = text[0];
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\n' => return at,
            byte if *byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

fn declaration(text: &[u8]) -> Option<Declaration> {
    let colon = memchr::memchr(b':', text)?;
    let name = text[..colon].trim_ascii().to_ascii_lowercase();
    let mut value = text[colon + 1..].trim_ascii().to_ascii_lowercase();
    let without_mark = |value: &[u8]| {
        let value = value.strip_suffix(b"important")?.trim_ascii_end();
        Some(value.strip_suffix(b"!")?.trim_ascii_end().len())
    };
    let marked = without_mark(&value);
    value.truncate(marked.unwrap_or(value.len()));
    Some(Declaration {
        name,
        value,
        is_important: marked.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let show = |declaration: Declaration| {
            let [name, value] =
                [declaration.name, declaration.value].map(|text| String::from_utf8(text).unwrap());
            let mark = if declaration.is_important { "!" } else { "" };
            format!("{name}={value}{mark}")
        };
        declarations(text.as_bytes()).into_iter().map(show).collect()
    }

    #[test]
    fn names_values_and_their_weight_are_read_whatever_their_case_and_spaces() {
        assert_eq!(
            read("Display : NONE ! Important;; FONT-WEIGHT:700"),
            ["display=none!", "font-weight=700"]
        );
        assert_eq!(read("a:b!important"), ["a=b!"]);
        assert_eq!(read("a:b !ie;c"), ["a=b !ie"]);
        assert!(read("").is_empty() && read(";;").is_empty());
    }

    #[test]
    fn comments_are_white_space_wherever_they_stand() {
        assert_eq!(read("/* a:b; */c:d"), ["c=d"]);
        assert_eq!(read("a/**/:/* x */b;c:d/* ; e:f */;g:h"), ["a=b", "c=d", "g=h"]);
        assert_eq!(read("a:b;/* never closed; c:d"), ["a=b"]);
        assert_eq!(read("dis/**/play:none"), ["dis play=none"]);
    }

    #[test]
    fn semicolons_in_quotes_and_brackets_end_nothing() {
        assert_eq!(read("a:'b;c:d';e:f"), ["a='b;c:d'", "e=f"]);
        assert_eq!(read("a:url(x;y:z);e:f"), ["a=url(x;y:z)", "e=f"]);
        assert_eq!(read("a:\"it\\\";b:c\";e:f"), ["a=\"it\\\";b:c\"", "e=f"]);
        assert_eq!(read("a:'never closed;b:c"), ["a='never closed;b:c"]);
        assert_eq!(read("a:)b;c:d\\"), ["a=)b", "c=d\\"]);
    }
}
