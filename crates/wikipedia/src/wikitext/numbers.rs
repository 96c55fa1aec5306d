//! Numbers as templates are given them, and as `MediaWiki` shows them.

/// Letters of a range such as `5-10`.
const DASHES: [char; 4] = ['-', '–', '—', '−'];
const SIGNS: [char; 4] = ['+', '-', '−', '±'];

/// Whether `text` is a number in digits: a sign, groups with commas, decimals.
pub(super) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(SIGNS).unwrap_or(text).trim_start();
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_grouped = whole.bytes().all(|byte| byte.is_ascii_digit() || byte == b',') && !whole.ends_with(',');
    let are_digits = decimals.bytes().all(|byte| byte.is_ascii_digit());
    is_grouped && are_digits && (!whole.is_empty() || !decimals.is_empty()) && !whole.starts_with(',')
}

/// Whether `text` is a whole number without a sign.
pub(super) fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number with its groups of three digits parted by commas; one that has commas stays.
pub(super) fn grouped(number: &str) -> String {
    let start = number.find(|letter: char| letter.is_ascii_digit()).unwrap_or(0);
    let length = number[start..].bytes().take_while(u8::is_ascii_digit).count();
    let (sign, digits, rest) = (
        &number[..start],
        &number[start..start + length],
        &number[start + length..],
    );
    if length < 4 || sign.ends_with('.') || rest.starts_with(',') {
        return number.to_owned();
    }
    let mut out = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (length - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// A number as a template is given it and as a reader sees it: `1.2e6` is 1.2×10^6, `1+1/2` is
/// 1 1/2, `5-10` is 5–10. `None` when it is none of these.
pub(super) fn shown(written: &str, shape: fn(&str) -> String) -> Option<String> {
    let decoded = decoded(written);
    let text = decoded.trim();
    if is_number(text) {
        return Some(shape(text));
    }
    scientific(text, shape)
        .or_else(|| mixed_fraction(text))
        .or_else(|| hyphened_range(text, shape))
}

/// Entities replaced: `&minus;5`.
pub(super) fn decoded(text: &str) -> String {
    if text.contains('&') {
        htmlize::unescape(text).into_owned()
    } else {
        text.to_owned()
    }
}

fn scientific(text: &str, shape: fn(&str) -> String) -> Option<String> {
    let (mantissa, exponent) = text.split_once(['e', 'E'])?;
    let is_exponent = is_whole(exponent.strip_prefix(['+', '-', '−']).unwrap_or(exponent));
    (is_number(mantissa) && is_exponent).then(|| times_ten_to(&shape(mantissa), exponent))
}

/// `1.5×10^6`.
pub(super) fn times_ten_to(mantissa: &str, exponent: &str) -> String {
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let exponent = exponent.replace('-', "−");
    format!("{mantissa}×10^{exponent}")
}

/// `1/2`, `1+1/2`, `1-1/2`, `1 1/2`, `1//2`.
fn mixed_fraction(text: &str) -> Option<String> {
    let (sign, unsigned) = match text.strip_prefix(SIGNS) {
        Some(unsigned) => (&text[..text.len() - unsigned.len()], unsigned),
        None => ("", text),
    };
    let (before, denominator) = unsigned
        .split_once("//")
        .or_else(|| unsigned.split_once(['/', '⁄']))?;
    let (whole, numerator) = match before.rsplit_once(['+', '-', ' ']) {
        Some((whole, numerator)) => (Some(whole.trim()), numerator.trim()),
        None => (None, before.trim()),
    };
    let denominator = denominator.trim();
    if !is_whole(numerator) || !is_whole(denominator) {
        return None;
    }
    match whole {
        None => Some(format!("{sign}{numerator}/{denominator}")),
        Some(whole) if is_whole(whole) => Some(format!("{sign}{whole} {numerator}/{denominator}")),
        Some(_) => None,
    }
}

fn hyphened_range(text: &str, shape: fn(&str) -> String) -> Option<String> {
    let (from, to) = text.split_once(DASHES)?;
    let (from, to) = (from.trim(), to.trim());
    let is_unsigned = |number: &str| number.starts_with(|letter: char| letter.is_ascii_digit());
    let is_range = is_unsigned(from) && is_unsigned(to) && is_number(from) && is_number(to);
    is_range.then(|| format!("{}–{}", shape(from), shape(to)))
}

/// Digits and signs raised or lowered, as characters of their own; `None` when there are others.
pub(super) fn raised(text: &str, is_above: bool) -> Option<String> {
    const ABOVE: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    const BELOW: [char; 10] = ['₀', '₁', '₂', '₃', '₄', '₅', '₆', '₇', '₈', '₉'];
    let letter = |letter: char| match letter {
        '+' => Some(if is_above { '⁺' } else { '₊' }),
        '-' | '−' | '–' => Some(if is_above { '⁻' } else { '₋' }),
        'n' if is_above => Some('ⁿ'),
        digit => {
            let digit = digit.to_digit(10)? as usize;
            Some(if is_above { ABOVE[digit] } else { BELOW[digit] })
        }
    };
    text.chars().map(letter).collect()
}

/// What stands behind a digit that it must not join: a raised `6` behind 10 is not 106.
pub(super) fn behind_digit(text: &str, is_above: bool) -> String {
    const ORDINALS: [&str; 9] = ["st", "nd", "rd", "th", "er", "re", "e", "o", "a"];
    if let Some(raised) = raised(text, is_above) {
        return raised;
    }
    let starts_with_digit = text.starts_with(|letter: char| letter.is_ascii_digit());
    if ORDINALS.contains(&text) {
        text.to_owned()
    } else if is_above
        && text
            .chars()
            .all(|letter| letter.is_alphanumeric() || "+-−/.,".contains(letter))
    {
        format!("^{text}")
    } else if starts_with_digit || is_above {
        format!(" {text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_other_text() {
        for number in ["5", "1,234.5", "-3", "−3", ".5", "+7", "12."] {
            assert!(is_number(number), "{number}");
        }
        for other in ["", "-", ",5", "5,", "5 m", "ft", "1.2.3", "."] {
            assert!(!is_number(other), "{other}");
        }
    }

    #[test]
    fn digits_are_grouped_before_the_point_only() {
        for (number, expected) in [
            ("1234567.8901", "1,234,567.8901"),
            ("-12345", "-12,345"),
            ("999", "999"),
            ("1,2345", "1,2345"),
            (".12345", ".12345"),
            ("0.12345", "0.12345"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn fractions_powers_and_ranges_are_shown() {
        for (written, expected) in [
            ("1.2e6", Some("1.2×10^6")),
            ("5e-3", Some("5×10^−3")),
            ("1/2", Some("1/2")),
            ("1+1/2", Some("1 1/2")),
            ("-1-3/4", Some("-1 3/4")),
            ("5-10", Some("5–10")),
            ("1500–2500", Some("1,500–2,500")),
            ("&minus;40", Some("−40")),
            ("5-10-15", None),
            ("five", None),
            ("", None),
        ] {
            assert_eq!(shown(written, grouped).as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn what_is_raised_behind_a_digit_stays_apart_from_it() {
        for (text, is_above, expected) in [
            ("6", true, "⁶"),
            ("−6", true, "⁻⁶"),
            ("2", false, "₂"),
            ("th", true, "th"),
            ("3/2", true, "^3/2"),
            ("[a]", true, " [a]"),
            ("p", false, "p"),
        ] {
            assert_eq!(behind_digit(text, is_above), expected);
        }
    }
}
