//! The reversible spelling of the 256 bytes as printable characters (Radford et al. 2019, GPT-2).
//!
//! Printable Latin-1 bytes stand for themselves; the 68 others become U+0100, U+0101 ... in
//! byte order, so a space is `Ġ` and a newline `Ċ`.

/// Whether a byte is spelled by the character of the same number.
const fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// Character of each byte.
const CHAR_OF_BYTE: [char; 256] = {
    let mut chars = ['\0'; 256];
    let (mut byte, mut next) = (0usize, 0x100u32);
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "the loop stops at 256")]
        let code = if is_printable(byte as u8) {
            byte as u32
        } else {
            next += 1;
            next - 1
        };
        chars[byte] = match char::from_u32(code) {
            Some(c) => c,
            None => panic!("codes stay below 0x144"),
        };
        byte += 1;
    }
    chars
};

/// Byte of each character below [`END`], for those that spell one.
const BYTE_OF_CHAR: [Option<u8>; END] = {
    let mut bytes = [None; END];
    let mut byte = 0u8;
    loop {
        bytes[CHAR_OF_BYTE[byte as usize] as usize] = Some(byte);
        if byte == u8::MAX {
            break bytes;
        }
        byte += 1;
    }
};

/// One more than the largest code point of the alphabet.
const END: usize = 0x144;

/// The character that spells `byte`.
pub(crate) fn char_of(byte: u8) -> char {
    CHAR_OF_BYTE[usize::from(byte)]
}

/// The byte that `c` spells, if it spells one.
pub(crate) fn byte_of(c: char) -> Option<u8> {
    BYTE_OF_CHAR.get(c as usize).copied().flatten()
}

/// The bytes that a token spells; `None` if a character is not in the alphabet.
pub(crate) fn bytes_of(token: &str) -> Option<Vec<u8>> {
    token.chars().map(byte_of).collect()
}

/// All 256 characters in the order of their code points: the order of a trained vocabulary.
pub(crate) fn in_code_point_order() -> Vec<char> {
    let mut chars = CHAR_OF_BYTE.to_vec();
    chars.sort_unstable();
    chars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_spelled_by_one_character_and_back() {
        for byte in 0..=255u8 {
            assert_eq!(byte_of(char_of(byte)), Some(byte));
        }
        assert_eq!((char_of(b' '), char_of(b'\n'), char_of(b'a')), ('Ġ', 'Ċ', 'a'));
        assert_eq!(byte_of(' '), None);
        assert_eq!(byte_of('\u{144}'), None);
    }

    #[test]
    fn the_alphabet_is_that_of_hugging_face() {
        let theirs = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
        let ours = in_code_point_order();
        assert_eq!(ours.len(), 256);
        assert!(ours.iter().all(|c| theirs.contains(c)));
    }
}
