//! What headings, captions and labels say of the numbers with them: in millions, in dollars, per
//! share.

/// What a text says of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Scale {
    /// 3 for thousands.
    pub(super) power_of_ten: Option<u32>,
    /// The sign of the currency that is named beside it.
    pub(super) currency: Option<&'static str>,
    /// The numbers are per cent.
    pub(super) is_percent: bool,
    /// Numbers of shares are excepted.
    excepts_shares: bool,
}

/// So far from the scale a currency may stand.
const CURRENCY_REACH: usize = 4;
/// In a group of rows of amounts per share, numbers with this many decimals are such.
const FEWEST_DECIMALS_PER_SHARE: usize = 2;
/// A longer text in the place of a label is none.
const LONGEST_LABEL_BYTES: usize = 300;

impl Scale {
    /// What the text states.
    pub(super) fn stated_in(text: &str) -> Self {
        let text = text.to_lowercase();
        let words: Vec<&str> = words(&text).collect();
        let is_percent = text.contains('%') || has_any(&words, &["percent", "percentage"]);
        let found = (0..words.len()).find_map(|at| Some((at, power_of_ten(&words, at)?)));
        let Some((at, power)) = found else {
            return Self {
                is_percent,
                ..Self::default()
            };
        };
        let near = &words[at.saturating_sub(CURRENCY_REACH)..words.len().min(at + 1 + CURRENCY_REACH)];
        let excepted = words
            .iter()
            .position(|word| matches!(*word, "except" | "excluding"));
        Self {
            power_of_ten: Some(power),
            currency: near.iter().find_map(|word| currency(word)),
            is_percent,
            excepts_shares: excepted.is_some_and(|at| names_shares(&words[at..])),
        }
    }

    pub(super) fn is_stated(&self) -> bool {
        self.power_of_ten.is_some()
    }
}

/// Words in small letters; a bracket and signs of currency are words too.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_sign = |c: char| matches!(c, '(' | '$' | '\u{20ac}' | '\u{a3}' | '\u{a5}');
    let pieces = text.split(move |c: char| !c.is_alphanumeric() && !is_sign(c));
    let words = pieces.flat_map(move |piece| piece.split_inclusive(is_sign));
    // A sign ends its piece: "us$" is one with its letters.
    words.filter(|word| !word.is_empty())
}

/// The power of ten of the word at this place, where it says how numbers are given.
fn power_of_ten(words: &[&str], at: usize) -> Option<u32> {
    let power = match words[at] {
        "thousands" | "thousand" | "000s" | "000" => 3,
        "millions" | "million" | "mil" => 6,
        "billions" | "billion" => 9,
        _ => return None,
    };
    let before = |back: usize| at.checked_sub(back).map_or("", |index| words[index]);
    let next = |ahead: usize| words.get(at + ahead).copied().unwrap_or("");
    let is_plural = words[at].ends_with('s');
    let goes_with_others = next(1) == "of" && !is_of_currency(&words[at + 1..]);
    let is_said_in = (1..=at.min(4))
        .take_while(|&back| back == 1 || is_of_currency(&words[at + 1 - back..at]))
        .any(|back| before(back) == "in");
    let is_remark = before(1).ends_with(['(', '$']);
    let is_of_dollars = next(1) == "of" && is_plural;
    let is_zeros = words[at] == "000" && (matches!(next(1), "s" | "omitted") || before(1).ends_with('$'));
    let is_scale = match words[at] {
        "000" => is_zeros || is_said_in,
        "000s" => true,
        _ => is_said_in || is_remark || is_of_dollars,
    };
    (is_scale && !goes_with_others).then_some(power)
}

/// Whether the words name nothing but a currency, or amounts.
fn is_of_currency(words: &[&str]) -> bool {
    let is_part = |word: &&&str| matches!(**word, "of" | "u" | "s" | "us" | "(" | "amounts" | "canadian");
    let mut rest = words.iter().skip_while(is_part);
    rest.next().is_none_or(|word| currency(word).is_some())
}

fn currency(word: &str) -> Option<&'static str> {
    match word {
        "$" | "us$" | "dollars" | "dollar" | "usd" => Some("$"),
        "\u{20ac}" | "euros" | "euro" | "eur" => Some("\u{20ac}"),
        "\u{a3}" | "pounds" | "sterling" | "gbp" => Some("\u{a3}"),
        "\u{a5}" | "yen" => Some("\u{a5}"),
        _ => None,
    }
}

fn names_shares(words: &[&str]) -> bool {
    let is_share = |word: &str| matches!(word, "share" | "shares" | "unit" | "units");
    (0..words.len()).any(|at| is_share(words[at]) && (at == 0 || words[at - 1] != "per"))
}

fn has_any(words: &[&str], wanted: &[&str]) -> bool {
    words.iter().any(|word| wanted.contains(word))
}

/// What the label of a row says of its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct RowLabel {
    /// The scale that it states itself.
    pub(super) scale: Scale,
    /// They are per share, per cent, a ratio or a count.
    is_rate: bool,
    is_of_shares: bool,
    /// The label of its group says per share.
    is_in_group_per_share: bool,
}

impl RowLabel {
    /// The labels of rows of cells.
    pub(super) fn of_rows(rows: &[Vec<String>]) -> Vec<Self> {
        let mut is_in_group_per_share = false;
        let label = |row: &Vec<String>| {
            let text = row.first().filter(|text| text.len() <= LONGEST_LABEL_BYTES);
            let text = text.map_or_else(String::new, |text| text.to_lowercase());
            let words: Vec<&str> = words(&text).collect();
            if row.len() == 1 {
                is_in_group_per_share = has_any(&words, &["per"]);
            }
            Self {
                scale: Scale::stated_in(&text),
                is_rate: is_rate(&words) || text.contains('%'),
                is_of_shares: names_shares(&words),
                is_in_group_per_share,
            }
        };
        rows.iter().map(label).collect()
    }

    /// Whether the row's number that is printed so is an amount in this scale.
    pub(super) fn has_amounts(&self, scale: &Scale, number: &str) -> bool {
        if self.scale.is_stated() {
            return true;
        }
        let decimals = number.split_once('.').map_or(0, |(_, decimals)| {
            decimals.bytes().take_while(u8::is_ascii_digit).count()
        });
        let is_per_share = self.is_in_group_per_share && decimals >= FEWEST_DECIMALS_PER_SHARE;
        let is_excepted = self.is_of_shares && scale.excepts_shares;
        !(self.is_rate || is_per_share || is_excepted)
    }
}

fn is_rate(words: &[&str]) -> bool {
    has_any(words, &["per", "ratio", "percent", "percentage"])
        || matches!(words.last(), Some(&("rate" | "rates")))
        || words.windows(2).any(|pair| pair == ["number", "of"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_told_by_how_they_are_said() {
        for (text, power, currency) in [
            ("(In millions)", Some(6), None),
            ("(in millions, except per share data)", Some(6), None),
            ("(Dollars in thousands)", Some(3), Some("$")),
            ("($ in millions)", Some(6), Some("$")),
            ("(in U.S. dollars millions)", Some(6), Some("$")),
            ("(In thousands of U.S. dollars)", Some(3), Some("$")),
            ("Thousands of dollars", Some(3), Some("$")),
            ("(millions)", Some(6), None),
            ("$ millions", Some(6), Some("$")),
            ("(000's omitted)", Some(3), None),
            ("($000)", Some(3), Some("$")),
            ("in $000s", Some(3), Some("$")),
            ("The following table shows sales (in billions):", Some(9), None),
            ("(Euros in millions)", Some(6), Some("\u{20ac}")),
            ("We served millions of customers", None, None),
            ("Sales rose by $3 million", None, None),
            ("We sell in thousands of stores", None, None),
            ("Year ended December 31,", None, None),
            ("5,000", None, None),
        ] {
            let scale = Scale::stated_in(text);
            assert_eq!((scale.power_of_ten, scale.currency), (power, currency), "{text}");
        }
    }

    #[test]
    fn exceptions_are_kept() {
        let of = |text| Scale::stated_in(text).excepts_shares;
        assert!(of("(in millions, except share and per share amounts)"));
        assert!(!of("(in millions, except per share amounts)"));
    }
}
