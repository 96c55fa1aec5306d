//! Raised and lowered digits, which Unicode has as characters of their own: `10⁶` is not `106`.

const RAISED: [char; 10] = [
    '\u{2070}', '\u{b9}', '\u{b2}', '\u{b3}', '\u{2074}', '\u{2075}', '\u{2076}', '\u{2077}', '\u{2078}',
    '\u{2079}',
];
const FIRST_LOWERED: char = '\u{2080}';

/// The raised form of `0` to `9`; another character has none.
pub fn raised_digit(digit: char) -> Option<char> {
    RAISED.get(digit.to_digit(10)? as usize).copied()
}

/// The lowered form of `0` to `9`; another character has none.
pub fn lowered_digit(digit: char) -> Option<char> {
    char::from_u32(FIRST_LOWERED as u32 + digit.to_digit(10)?)
}

/// The digit that is raised or lowered; any other character is itself.
pub fn plain_digit(character: char) -> char {
    if character.is_ascii() {
        return character;
    }
    let value = match character {
        FIRST_LOWERED..='\u{2089}' => Some(character as u32 - FIRST_LOWERED as u32),
        _ => (0..)
            .zip(RAISED)
            .find(|(_, raised)| *raised == character)
            .map(|(value, _)| value),
    };
    value
        .and_then(|value| char::from_digit(value, 10))
        .unwrap_or(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_comes_back_from_its_raised_and_lowered_form() {
        let text = |form: fn(char) -> Option<char>| ('0'..='9').filter_map(form).collect::<String>();
        assert_eq!(text(raised_digit), "⁰¹²³⁴⁵⁶⁷⁸⁹");
        assert_eq!(text(lowered_digit), "₀₁₂₃₄₅₆₇₈₉");
        for digit in '0'..='9' {
            assert_eq!(raised_digit(digit).map(plain_digit), Some(digit));
            assert_eq!(lowered_digit(digit).map(plain_digit), Some(digit));
        }
        for other in ['a', '7', '\u{b4}', '\u{2071}', '\u{208a}', '\u{bd}'] {
            assert_eq!(plain_digit(other), other);
        }
        assert_eq!((raised_digit('a'), lowered_digit('\u{b2}')), (None, None));
    }
}
