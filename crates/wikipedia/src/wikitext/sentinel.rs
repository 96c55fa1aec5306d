//! Characters of the private use area that carry structure from pass to pass. The same
//! characters in the input are dropped, so a page cannot forge them.

/// A table begins on this line.
pub(super) const TABLE_OPEN: char = '\u{e0f0}';
/// A table begins on this line that has no end of its own.
pub(super) const OPEN_TABLE_OPEN: char = '\u{e0f2}';
/// A table ends on this line.
pub(super) const TABLE_CLOSE: char = '\u{e0f1}';
/// A template or a link that was here has left nothing.
pub(super) const DROPPED: char = '\u{e0f3}';
/// First of the stand-ins for ASCII characters that are text, not markup.
const PROTECTED: u32 = 0xe000;

/// The stand-in for an ASCII character.
pub(super) fn protect(letter: char) -> char {
    if !letter.is_ascii()
        || letter.is_ascii_alphanumeric()
        || letter.is_ascii_whitespace()
        || letter.is_ascii_control()
    {
        return letter;
    }
    char::from_u32(PROTECTED + u32::from(letter)).unwrap_or(letter)
}

/// The character that a stand-in stands for.
pub(super) fn unprotect(letter: char) -> char {
    match u32::from(letter) {
        code @ 0xe000..=0xe07f => char::from_u32(code - PROTECTED).unwrap_or(letter),
        _ => letter,
    }
}

/// Whether the character is one of ours.
pub(super) fn is_ours(letter: char) -> bool {
    ('\u{e000}'..='\u{e0ff}').contains(&letter)
}
