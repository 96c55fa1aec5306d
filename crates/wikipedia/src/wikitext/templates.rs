//! Templates whose words belong to the sentence, by name and how each is read. All others leave
//! nothing, and are counted.
//!
//! To have a further template read, add a line to [`LISTED`]. A template that is read by a
//! function of its parameters has the function in `values.rs`, `measures.rs` or `dates.rs`; a
//! function that cannot read all that the template says gives `None`, as a missing value is better
//! than a false one.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::arguments::Arguments;
use super::{dates, measures, values};

/// How a template is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reading {
    /// The text of the parameter with this number.
    Text(usize),
    /// The text of the last parameter without a name.
    Last,
    /// These characters.
    Fixed(&'static str),
    /// What a function makes of the parameters.
    Value(fn(&Arguments<'_>) -> Option<String>),
    /// The first parameter behind the sign of a currency.
    Currency(&'static str),
    /// The first parameter behind the sign of the currency whose code is the second.
    CurrencyOfCode,
    /// The first parameter behind these characters.
    Behind(&'static str),
    /// The first parameter, or these words where there is none.
    Answer(&'static str),
    /// All parameters without a name, with commas between.
    List,
}

use Reading::{Answer, Behind, Currency, CurrencyOfCode, Fixed, Last, List, Text, Value};

/// Name in lower case, and how the template is read.
const LISTED: &[(&str, Reading)] = &[
    // Measures and numbers.
    ("convert", Value(measures::convert)),
    ("cvt", Value(measures::convert)),
    ("val", Value(measures::val)),
    ("height", Value(measures::height)),
    ("frac", Value(values::fraction)),
    ("fraction", Value(values::fraction)),
    ("sfrac", Value(values::fraction)),
    ("tfrac", Value(values::fraction)),
    ("formatnum", Value(values::formatted_number)),
    ("#formatnum", Value(values::formatted_number)),
    ("nts", Value(values::formatted_number)),
    ("number table sorting", Value(values::formatted_number)),
    ("gaps", Value(values::concatenated)),
    ("ordinal", Value(values::ordinal)),
    ("ord", Value(values::ordinal)),
    ("e", Value(values::exponent)),
    ("x10^", Value(values::exponent)),
    ("10^", Value(values::power_of_ten)),
    ("sup", Value(values::superscript)),
    ("sub", Value(values::subscript)),
    ("chem", Value(values::chemical)),
    ("chem2", Value(values::chemical)),
    ("sqrt", Behind("√")),
    ("radic", Behind("√")),
    ("music", Value(values::music)),
    // Currencies. `{{currency|5|USD}}` looks its code up here.
    ("currency", CurrencyOfCode),
    ("us$", Currency("US$")),
    ("usd", Currency("US$")),
    ("us dollar", Currency("US$")),
    ("£", Currency("£")),
    ("gbp", Currency("£")),
    ("pound sterling", Currency("£")),
    ("€", Currency("€")),
    ("eur", Currency("€")),
    ("euro", Currency("€")),
    ("inr", Currency("₹")),
    ("₹", Currency("₹")),
    ("indian rupee", Currency("₹")),
    ("inrconvert", Value(values::indian_rupees)),
    ("¥", Currency("¥")),
    ("jpy", Currency("¥")),
    ("yen", Currency("¥")),
    ("cny", Currency("CN¥")),
    ("cn¥", Currency("CN¥")),
    ("rmb", Currency("CN¥")),
    ("a$", Currency("A$")),
    ("au$", Currency("A$")),
    ("aud", Currency("A$")),
    ("c$", Currency("C$")),
    ("ca$", Currency("C$")),
    ("cad", Currency("C$")),
    ("nz$", Currency("NZ$")),
    ("nzd", Currency("NZ$")),
    ("hk$", Currency("HK$")),
    ("hkd", Currency("HK$")),
    ("s$", Currency("S$")),
    ("sgd", Currency("S$")),
    ("nt$", Currency("NT$")),
    ("twd", Currency("NT$")),
    ("r$", Currency("R$")),
    ("brl", Currency("R$")),
    ("mxn", Currency("Mex$")),
    ("krw", Currency("₩")),
    ("₩", Currency("₩")),
    ("php", Currency("₱")),
    ("₱", Currency("₱")),
    ("ngn", Currency("₦")),
    ("₦", Currency("₦")),
    ("ils", Currency("₪")),
    ("bdt", Currency("৳")),
    ("thb", Currency("฿")),
    ("rub", Currency("₽")),
    ("try", Currency("₺")),
    ("uah", Currency("₴")),
    ("vnd", Currency("₫")),
    ("zar", Currency("R")),
    ("pkr", Currency("Rs. ")),
    ("lkr", Currency("Rs. ")),
    ("chf", Currency("CHF ")),
    // Dates.
    ("as of", Value(dates::as_of)),
    ("asof", Value(dates::as_of)),
    ("circa", Value(dates::circa)),
    ("c.", Value(dates::circa)),
    ("ca.", Value(dates::circa)),
    ("floruit", Value(dates::floruit)),
    ("fl.", Value(dates::floruit)),
    ("reign", Value(dates::reign)),
    ("r.", Value(dates::reign)),
    ("start date", Value(dates::date)),
    ("start date and age", Value(dates::date)),
    ("end date", Value(dates::date)),
    ("end date and age", Value(dates::date)),
    ("birth date", Value(dates::date)),
    ("birth date and age", Value(dates::date)),
    ("bda", Value(dates::date)),
    ("dob", Value(dates::date)),
    ("death date", Value(dates::date)),
    ("death date and age", Value(dates::date)),
    ("dda", Value(dates::date)),
    ("birth year and age", Value(dates::year_and_month)),
    ("death year and age", Value(dates::year_and_month)),
    ("film date", Value(dates::date)),
    ("date", Value(dates::date)),
    ("dts", Value(dates::sorted_date)),
    ("date table sorting", Value(dates::sorted_date)),
    ("start-date", Text(1)),
    ("end-date", Text(1)),
    ("birth-date", Text(1)),
    ("birth-date and age", Text(1)),
    ("death-date", Text(1)),
    ("death-date and age", Text(1)),
    ("age", Value(dates::age)),
    // Languages. Names such as `lang-de` and `script/Hebrew` are in `family`.
    ("lang", Text(2)),
    ("langx", Text(2)),
    ("rtl-lang", Text(2)),
    ("native name", Text(2)),
    ("script", Text(2)),
    ("transl", Last),
    ("transliteration", Last),
    ("translit", Last),
    ("xlit", Last),
    ("nihongo", Text(1)),
    ("iast", Text(1)),
    ("unicode", Text(1)),
    ("nastaliq", Text(1)),
    ("linktext", Value(values::concatenated)),
    ("ill", Value(values::interlanguage_link)),
    ("interlanguage link", Value(values::interlanguage_link)),
    ("link-interwiki", Value(values::interlanguage_link)),
    ("angbr", Value(values::angle_brackets)),
    ("angle bracket", Value(values::angle_brackets)),
    // Words as they are.
    ("nowrap", Text(1)),
    ("nobr", Text(1)),
    ("nobreak", Text(1)),
    ("nobold", Text(1)),
    ("noitalic", Text(1)),
    ("no italic", Text(1)),
    ("small", Text(1)),
    ("smaller", Text(1)),
    ("big", Text(1)),
    ("larger", Text(1)),
    ("resize", Last),
    ("sc", Text(1)),
    ("smallcaps", Text(1)),
    ("em", Text(1)),
    ("strong", Text(1)),
    ("abbr", Text(1)),
    ("tooltip", Text(1)),
    ("not a typo", Value(values::concatenated)),
    ("notatypo", Value(values::concatenated)),
    ("typo", Text(1)),
    ("as written", Text(1)),
    ("proper name", Text(1)),
    ("sic", Value(values::sic)),
    ("vr", Text(1)),
    ("keypress", Text(1)),
    ("kbd", Text(1)),
    ("code", Text(1)),
    ("mono", Text(1)),
    ("var", Text(1)),
    ("mvar", Text(1)),
    ("math", Text(1)),
    ("overline", Text(1)),
    ("visible anchor", Text(1)),
    ("vanchor", Text(1)),
    ("longitem", Text(1)),
    ("center", Text(1)),
    ("left", Text(1)),
    ("right", Text(1)),
    ("align", Last),
    ("color", Last),
    ("font color", Last),
    ("sort", Last),
    ("version", Last),
    ("sortname", Value(values::sort_name)),
    ("sortkeyname", Value(values::sort_name)),
    ("quote", Text(1)),
    ("blockquote", Text(1)),
    ("bquote", Text(1)),
    ("bq", Text(1)),
    ("nq", Text(1)),
    ("cquote", Text(1)),
    ("quotation", Text(1)),
    ("hlist", List),
    ("ubl", List),
    ("ublist", List),
    ("unbulleted list", List),
    ("plainlist", Text(1)),
    ("flatlist", Text(1)),
    ("uss", Behind("USS ")),
    ("hms", Behind("HMS ")),
    ("hmas", Behind("HMAS ")),
    ("hmcs", Behind("HMCS ")),
    ("ss", Behind("SS ")),
    ("rms", Behind("RMS ")),
    // Answers in tables.
    ("yes", Answer("Yes")),
    ("no", Answer("No")),
    ("n/a", Answer("N/A")),
    ("na", Answer("N/A")),
    ("tba", Answer("TBA")),
    ("tbd", Answer("TBD")),
    ("none", Answer("None")),
    ("won", Answer("Won")),
    ("nom", Answer("Nominated")),
    ("pending", Answer("Pending")),
    // Characters.
    ("!", Fixed("|")),
    ("!!", Fixed("||")),
    ("!-", Fixed("|-")),
    // The stand-in of a `|` that is text.
    ("pipe", Fixed("\u{e07c}")),
    ("·", Fixed(" · ")),
    ("dot", Fixed(" · ")),
    ("middot", Fixed(" · ")),
    ("•", Fixed(" • ")),
    ("'s", Fixed("'s")),
    ("'", Fixed("'")),
    ("' \"", Fixed("' \"")),
    ("\" '", Fixed("\" '")),
    ("nbsp", Fixed(" ")),
    ("thinsp", Fixed(" ")),
    ("spaces", Fixed(" ")),
    ("0", Fixed("")),
    ("snd", Fixed(" – ")),
    ("snds", Fixed(" – ")),
    ("spnd", Fixed(" – ")),
    ("spaced ndash", Fixed(" – ")),
    ("ndash", Fixed("–")),
    ("mdash", Fixed("—")),
    ("mdashb", Fixed("—")),
    ("=", Fixed("=")),
    ("pi", Fixed("π")),
    ("deg", Fixed("°")),
    ("half", Fixed("1/2")),
];

static BY_NAME: LazyLock<HashMap<&'static str, Reading>> = LazyLock::new(|| LISTED.iter().copied().collect());

/// How the template with this normal name is read; `None` when it is not listed.
pub(super) fn reading(name: &str) -> Option<Reading> {
    BY_NAME.get(name).copied().or_else(|| family(name))
}

/// What the template with this reading says of its parameters; `None` when it cannot be read.
/// The texts of parameters that are shown as they are have no part in it.
pub(super) fn said(reading: Reading, arguments: &Arguments<'_>) -> Option<String> {
    let first = arguments.text(1);
    match reading {
        List => values::list(arguments),
        // What is left of the parameters may say something else.
        _ if arguments.has_lost => None,
        Value(value) => value(arguments),
        Currency(sign) => values::amount(sign, arguments),
        CurrencyOfCode => match BY_NAME.get(arguments.text(2).to_lowercase().as_str()) {
            Some(Currency(sign)) => values::amount(sign, arguments),
            _ if arguments.text(2).is_empty() => values::amount("US$", arguments),
            _ => None,
        },
        Behind(before) => (!first.is_empty()).then(|| format!("{before}{first}")),
        Answer(words) => Some(if first.is_empty() { words } else { first }.to_owned()),
        Fixed(text) => Some(text.to_owned()),
        Text(_) | Last => None,
    }
}

/// Names of many templates that are read alike.
fn family(name: &str) -> Option<Reading> {
    let is_of = ["lang-", "script/"].iter().any(|start| name.starts_with(start));
    is_of.then_some(Text(1))
}

#[cfg(test)]
mod tests {
    use super::super::template_names::normal_name;
    use super::*;

    #[test]
    fn listed_names_are_normal_and_stand_once() {
        assert_eq!(BY_NAME.len(), LISTED.len());
        for (name, _) in LISTED {
            assert_eq!(normal_name(name), *name);
        }
    }
}
