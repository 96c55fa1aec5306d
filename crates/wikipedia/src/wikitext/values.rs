//! What single templates say, as a function of their parameters: fractions, formatted numbers,
//! formulas, currencies, lists, names. `None` where a template says something else.

use super::arguments::Arguments;
use super::numbers::{self, decoded, grouped, is_number, is_whole, raised};

/// `{{frac|3|1|2}}`: 3 1/2. One parameter is the denominator.
pub(super) fn fraction(arguments: &Arguments<'_>) -> Option<String> {
    let parts: Vec<&str> = arguments
        .positional()
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    let (whole, numerator, denominator) = match parts[..] {
        [denominator] => (None, "1", denominator),
        [numerator, denominator] => (None, numerator, denominator),
        [whole, numerator, denominator] => (Some(whole), numerator, denominator),
        _ => return None,
    };
    let fraction = format!("{}/{}", in_brackets(numerator)?, in_brackets(denominator)?);
    Some(match whole {
        Some(whole) => format!("{} {fraction}", in_brackets(whole)?),
        // 3 1/2 is not 31/2.
        None if arguments.around.follows_digit => format!(" {fraction}"),
        None => fraction,
    })
}

/// A term; in brackets when it has more than one.
fn in_brackets(term: &str) -> Option<String> {
    let term = term.replace("''", "");
    if term.is_empty() || term.chars().any(|letter| letter == '|' || !is_shown(letter)) {
        return None;
    }
    let is_single = term
        .chars()
        .all(|letter| letter.is_alphanumeric() || ".,".contains(letter));
    Some(if is_single { term } else { format!("({term})") })
}

fn is_shown(letter: char) -> bool {
    !letter.is_control() && !super::sentinel::is_ours(letter)
}

/// `{{formatnum:12345}}`: 12,345; with `R` the other way.
pub(super) fn formatted_number(arguments: &Arguments<'_>) -> Option<String> {
    let number = decoded(arguments.text(1));
    let number = number.trim();
    if !is_number(number) {
        return None;
    }
    let number = match arguments.text(2) {
        "R" => number.replace(',', ""),
        "NOSEP" => number.to_owned(),
        _ if arguments.around.is_english => grouped(number),
        _ => number.to_owned(),
    };
    let (before, behind) = (
        arguments.named(&["prefix"]).unwrap_or(""),
        arguments.named(&["suffix"]).unwrap_or(""),
    );
    Some(format!("{before}{number}{behind}"))
}

/// `{{gaps|1|234|567}}`: 1234567.
pub(super) fn concatenated(arguments: &Arguments<'_>) -> Option<String> {
    some(arguments.positional().concat())
}

/// `{{ordinal|21}}`: 21st.
pub(super) fn ordinal(arguments: &Arguments<'_>) -> Option<String> {
    let number = arguments.text(1);
    if !is_number(number) || number.contains('.') {
        return None;
    }
    let ending = match number.as_bytes() {
        [.., b'1', b'1'..=b'3'] => "th",
        [.., b'1'] => "st",
        [.., b'2'] => "nd",
        [.., b'3'] => "rd",
        _ => "th",
    };
    let is_short = matches!(arguments.text(2), "d");
    Some(match ending {
        "nd" | "rd" if is_short => format!("{number}d"),
        ending => format!("{number}{ending}"),
    })
}

/// `{{e|6}}`: ×10^6.
pub(super) fn exponent(arguments: &Arguments<'_>) -> Option<String> {
    let exponent = decoded(arguments.text(1));
    is_number(&exponent).then(|| numbers::times_ten_to("", &exponent))
}

/// `{{10^|6}}`: 10^6.
pub(super) fn power_of_ten(arguments: &Arguments<'_>) -> Option<String> {
    let exponent = exponent(arguments)?;
    exponent.strip_prefix('×').map(str::to_owned)
}

/// `10{{sup|6}}` is no 106.
pub(super) fn superscript(arguments: &Arguments<'_>) -> Option<String> {
    raised_or_lowered(arguments, true)
}

/// `10{{sub|2}}` is no 102.
pub(super) fn subscript(arguments: &Arguments<'_>) -> Option<String> {
    raised_or_lowered(arguments, false)
}

fn raised_or_lowered(arguments: &Arguments<'_>, is_above: bool) -> Option<String> {
    let text = arguments.text(1);
    if text.is_empty() {
        return None;
    }
    let is_apart = arguments.around.follows_digit;
    Some(if is_apart {
        numbers::behind_digit(text, is_above)
    } else {
        text.to_owned()
    })
}

/// `{{chem|H|2|O}}`: H2O. Charges behind digits are raised: `{{chem|SO|4|2-}}` is SO4²⁻.
pub(super) fn chemical(arguments: &Arguments<'_>) -> Option<String> {
    let mut formula = String::new();
    for part in arguments.positional() {
        let part = decoded(&part.replace("''", ""));
        // {{chem2}} has the formula in one, with charges in brackets.
        let mut rest = part.as_str();
        while let Some((before, bracket)) = rest.split_once('(') {
            push_formula(&mut formula, before);
            match bracket.split_once(')') {
                Some((charge, behind)) if is_charge(charge) => {
                    formula.push_str(&raised(charge, true)?);
                    rest = behind;
                }
                _ => {
                    formula.push('(');
                    rest = bracket;
                }
            }
        }
        push_formula(&mut formula, rest);
    }
    let is_formula = |letter: char| {
        letter.is_alphanumeric() || " ()[]+-−–=≡·•*.,/→⇌<>⁺⁻′^".contains(letter) || !letter.is_ascii()
    };
    let is_whole = formula
        .chars()
        .all(|letter| is_formula(letter) && is_shown(letter));
    some(formula.replace("<->", "⇌").replace("->", "→")).filter(|_| is_whole)
}

fn push_formula(formula: &mut String, part: &str) {
    let follows_digit = formula.ends_with(|letter: char| letter.is_ascii_digit());
    match raised(part, true) {
        Some(charge) if follows_digit && is_charge(part) => formula.push_str(&charge),
        _ => formula.push_str(part),
    }
}

/// `2-`, `+`.
fn is_charge(text: &str) -> bool {
    let digits = text.trim_end_matches(['+', '-', '−', '–']);
    digits.len() < text.len() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// `{{music|flat}}`: ♭.
pub(super) fn music(arguments: &Arguments<'_>) -> Option<String> {
    let sign = match arguments.text(1).to_lowercase().as_str() {
        "flat" | "b" | "♭" => "♭",
        "sharp" | "#" | "♯" => "♯",
        "natural" | "n" | "♮" => "♮",
        _ => return None,
    };
    Some(sign.to_owned())
}

/// `{{US$|5 million}}`: US$5 million. Without an amount it is the sign alone.
pub(super) fn amount(sign: &str, arguments: &Arguments<'_>) -> Option<String> {
    let amount = arguments.text(1);
    let has_digit = amount.contains(|letter: char| letter.is_numeric());
    (amount.is_empty() || has_digit).then(|| format!("{sign}{amount}").trim_end().to_owned())
}

/// `{{INRConvert|5|c}}`: ₹5 crore.
pub(super) fn indian_rupees(arguments: &Arguments<'_>) -> Option<String> {
    let amount = arguments.text(1);
    let scale = match arguments.text(2) {
        "" | "1" | "0" | "2" | "3" => "",
        "k" => " thousand",
        "m" => " million",
        "b" => " billion",
        "t" => " trillion",
        "l" => " lakh",
        "c" => " crore",
        "lc" => " lakh crore",
        _ => return None,
    };
    is_number(amount).then(|| format!("₹{amount}{scale}"))
}

/// `{{ill|Oak|de|Eiche}}`: Oak; with `lt` what is shown instead.
pub(super) fn interlanguage_link(arguments: &Arguments<'_>) -> Option<String> {
    if let Some(shown) = arguments.named(&["lt", "label", "text", "display"]) {
        return Some(shown.to_owned());
    }
    // An old order has the language first, and what is shown last.
    let first = arguments.text(1);
    let is_code = (2..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_lowercase());
    let shown = match (is_code, arguments.text(3)) {
        (true, shown) if !shown.is_empty() => shown,
        (true, _) => arguments.text(2),
        (false, _) => first,
    };
    some(shown.to_owned()).or_else(|| arguments.named(&["en"]).map(str::to_owned))
}

/// `{{angbr|x}}`: ⟨x⟩.
pub(super) fn angle_brackets(arguments: &Arguments<'_>) -> Option<String> {
    let text = arguments.text(1);
    (!text.is_empty()).then(|| format!("⟨{text}⟩"))
}

/// `{{sic|teh}}`: teh [sic].
pub(super) fn sic(arguments: &Arguments<'_>) -> Option<String> {
    let words = [arguments.text(1), arguments.text(2)].concat();
    if arguments.is_on(&["hide"]) {
        return some(words);
    }
    Some(format!("{words} [sic]").trim_start().to_owned())
}

/// `{{sortname|The|Oak}}`: The Oak.
pub(super) fn sort_name(arguments: &Arguments<'_>) -> Option<String> {
    let name = [arguments.text(1), arguments.text(2)].join(" ");
    some(name.trim().to_owned())
}

/// `{{hlist|a|b}}`: a, b.
pub(super) fn list(arguments: &Arguments<'_>) -> Option<String> {
    let has_text = |item: &&str| item.chars().any(is_shown);
    let items: Vec<&str> = arguments.positional().iter().copied().filter(has_text).collect();
    some(items.join(", "))
}

/// The text, where it has any.
pub(super) fn some(text: String) -> Option<String> {
    let is_empty = text.trim().is_empty();
    (!is_empty).then_some(text)
}

/// Whether the text is a year.
pub(super) fn is_year(text: &str) -> bool {
    is_whole(text) && (3..=4).contains(&text.len())
}
