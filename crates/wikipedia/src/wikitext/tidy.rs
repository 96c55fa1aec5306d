//! The last touch on a block's text: quotes, external links, entities, blanks, and what dropped
//! templates leave behind.

use super::sentinel::{DROPPED, unprotect};
use super::switches::without_switches;
use super::variants::without_variants;
use super::work::looks_at;

/// One clean line: no markup, single blanks, trimmed.
pub(super) fn tidied(text: &str) -> String {
    looks_at(text.len());
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let without_links = without_external_links(text);
    let unquoted = without_switches(&without_quotes(&without_links));
    let unquoted = if unquoted.contains("-{") {
        without_variants(&unquoted)
    } else {
        unquoted
    };
    let decoded = if unquoted.contains('&') {
        htmlize::unescape(unquoted.as_str()).into_owned()
    } else {
        unquoted
    };
    // Characters that do not show and stand-ins are beyond ASCII, or control characters.
    let is_plain = decoded
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r'));
    let shown = if is_plain {
        decoded
    } else {
        let letters = decoded
            .chars()
            .filter(|letter| *letter == DROPPED || !is_invisible(*letter));
        letters.map(unprotect).collect()
    };
    without_residue(spaced(&shown))
}

fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e080}'..='\u{e0ff}')
        || (letter.is_control() && !letter.is_whitespace())
}

/// `''` and `'''` are markup; an apostrophe more than that is text.
fn without_quotes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("''") {
        out.push_str(&rest[..at]);
        let run = rest[at..].bytes().take_while(|byte| *byte == b'\'').count();
        looks_at(at + run);
        let apostrophes = if run == 4 { 1 } else { run.saturating_sub(5) };
        out.extend(std::iter::repeat_n('\'', apostrophes));
        rest = &rest[at + run..];
    }
    out.push_str(rest);
    out
}

/// `[http://x text]` shows its text, `[http://x]` nothing.
fn without_external_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // Once no bracket closes, none does further on.
    let mut may_close = true;
    while let Some(at) = memchr::memchr(b'[', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let link = &rest[at + 1..];
        let end = if may_close && is_url(link) {
            let end = memchr::memchr(b']', link.as_bytes());
            looks_at(end.unwrap_or(link.len()));
            end
        } else {
            None
        };
        looks_at(at + 1);
        if let Some(end) = end {
            let inner = &link[..end];
            out.push_str(inner.split_once(char::is_whitespace).map_or("", |(_, text)| text));
            rest = &link[end + 1..];
        } else {
            may_close &= !is_url(link);
            out.push('[');
            rest = link;
        }
    }
    out.push_str(rest);
    out
}

fn is_url(text: &str) -> bool {
    [
        "http://", "https://", "//", "ftp://", "mailto:", "news:", "irc://",
    ]
    .iter()
    .any(|scheme| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

/// Single blanks, none before a comma or inside a parenthesis, no parentheses that lost all that
/// was in them, and no mark that parted what was dropped from what stays.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // Something was dropped behind the last letter that is not a blank.
    let mut follows_dropped = false;
    loop {
        // Most of a text is letters and blanks that stay as they are.
        let length = ordinary_length(rest.as_bytes());
        looks_at(length + 1);
        out.push_str(&rest[..length]);
        follows_dropped &= length == 0;
        rest = &rest[length..];
        let Some(letter) = rest.chars().next() else { break };
        rest = &rest[letter.len_utf8()..];
        match letter {
            DROPPED => follows_dropped = true,
            letter if letter.is_whitespace() => {
                if !out.is_empty() && !out.ends_with([' ', '(']) {
                    out.push(' ');
                }
            }
            ',' | ';' | ')' => follows_dropped &= !push_mark(&mut out, letter, follows_dropped),
            '.' if follows_dropped && !rest.starts_with(|next: char| next.is_alphanumeric()) => {
                pop_parting_marks(&mut out);
                out.push('.');
                follows_dropped = false;
            }
            letter => {
                out.push(letter);
                follows_dropped = false;
            }
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Writes a comma, semicolon or closing parenthesis unless nothing is left for it to part; says
/// whether it did.
fn push_mark(out: &mut String, mark: char, follows_dropped: bool) -> bool {
    // What a dropped template leaves between two marks.
    while out.ends_with(' ') || (mark == ')' && out.ends_with([',', ';']) && is_left_over(out)) {
        out.pop();
        looks_at(1);
    }
    if follows_dropped {
        let is_parted = mark != ')' && (out.is_empty() || out.ends_with([',', ';', ':']));
        if is_parted {
            return false;
        }
        pop_parting_marks(out);
    }
    if out.ends_with('(') {
        if mark == ')' {
            out.pop();
            if out.ends_with(' ') {
                out.pop();
            }
        }
        return false;
    }
    out.push(mark);
    true
}

/// Takes away what parted something that was dropped from what stands before it.
fn pop_parting_marks(out: &mut String) {
    while out.ends_with([' ', ',', ';', ':']) {
        out.pop();
        looks_at(1);
    }
}

/// Bytes at the start of `text` that [`spaced`] copies: up to a blank, a mark that pulls what is
/// before it, or another script (where a blank may hide).
fn ordinary_length(text: &[u8]) -> usize {
    let is_ordinary = |byte: &u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b',' | b';' | b')' | b'.');
    text.iter()
        .position(|byte| !is_ordinary(byte))
        .unwrap_or(text.len())
}

/// Whether the mark at the end of `text` follows a blank or an opening parenthesis only.
fn is_left_over(text: &str) -> bool {
    let before = text[..text.len() - 1].trim_end();
    looks_at(text.len() - before.len());
    before.is_empty() || before.ends_with(['(', ',', ';'])
}

/// Text that looks like markup (code that was quoted, an entity) gets a blank between the two
/// characters, so that no reader takes it for markup.
pub(super) fn without_residue(text: String) -> String {
    const MARKS: [&str; 5] = ["[[", "{{", "}}", "|}", "<ref"];
    looks_at(text.len());
    let may_have_marks = text.bytes().any(|byte| matches!(byte, b'[' | b'{' | b'}' | b'<'));
    if !may_have_marks || !MARKS.iter().any(|mark| text.contains(mark)) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut previous = ' ';
    for (at, letter) in text.char_indices() {
        let is_mark = matches!((previous, letter), ('[', '[') | ('{', '{') | ('}' | '|', '}'))
            || (previous == '<' && text[at..].starts_with("ref"));
        if is_mark {
            out.push(' ');
        }
        out.push(letter);
        previous = letter;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apostrophes_of_words_stay() {
        assert_eq!(
            tidied("the dog's ''best'' '''friend''''s ''"),
            "the dog's best friend's"
        );
    }

    #[test]
    fn empty_parentheses_and_blanks_before_commas_go() {
        assert_eq!(
            tidied("Rome ( ; ) is , they say, a (, big) town"),
            "Rome is, they say, a (big) town"
        );
        assert_eq!(tidied("f(x) = ( a )"), "f(x) = (a)");
    }

    #[test]
    fn marks_that_parted_what_was_dropped_go() {
        for (text, expected) in [
            ("Achilles (a, b, \u{e0f3}) was", "Achilles (a, b) was"),
            ("Bodmin (\u{e0f3}; \u{e0f3}) is", "Bodmin is"),
            ("men \u{e0f3}.", "men."),
            ("men, \u{e0f3}.", "men."),
            ("(Greek: \u{e0f3}; born 5)", "(Greek: born 5)"),
            ("(\u{e0f3}; born 5)", "(born 5)"),
            ("(a; \u{e0f3}; b; \u{e0f3})", "(a; b)"),
            ("\u{e0f3}, a", "a"),
            // Without anything dropped a comma may stand before a parenthesis.
            ("the tuple (1,) and x .", "the tuple (1,) and x ."),
            ("\u{e0f3} .NET", ".NET"),
            ("a\u{e0f3}, b\u{e0f3}.", "a, b."),
        ] {
            assert_eq!(tidied(text), expected);
        }
    }
}
