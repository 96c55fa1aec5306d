//! Numbers with their units: `convert`, `val`, `height`. What is shown first is the value that was
//! given, never one that is computed from it.

use super::arguments::Arguments;
use super::numbers::{decoded, grouped, is_number, is_whole, shown, times_ten_to};

/// Words between two numbers of `convert` and `val`, and how a reader sees them.
const RANGES: &[(&str, &str)] = &[
    ("to", " to "),
    ("to(-)", " to "),
    ("to about", " to about "),
    ("and", " and "),
    ("and(-)", " and "),
    ("or", " or "),
    ("by", " by "),
    ("by(x)", " by "),
    ("x", " × "),
    ("xx", " × "),
    ("×", " × "),
    ("*", " × "),
    ("-", "–"),
    ("–", "–"),
    ("—", "–"),
    ("−", "–"),
    ("±", " ± "),
    ("+/-", " ± "),
    ("+/−", " ± "),
    ("+", " + "),
    (",", ", "),
    (", and", ", and "),
    (", or", ", or "),
    ("and also", " and also "),
    ("up to", " up to "),
    ("/", "/"),
];

/// A unit and the smaller one that goes on with it: five feet, eleven inches.
const PAIRS: &[(&str, &str)] = &[
    ("ft", "in"),
    ("foot", "in"),
    ("feet", "in"),
    ("yd", "ft"),
    ("yd", "in"),
    ("mi", "yd"),
    ("mi", "ft"),
    ("mi", "ch"),
    ("mi", "chain"),
    ("mi", "furlong"),
    ("lb", "oz"),
    ("st", "lb"),
    ("LT", "cwt"),
    ("cwt", "lb"),
    ("LT", "qtr"),
    ("ozt", "dwt"),
];

/// Units whose code is not what a reader sees.
const UNITS: &[(&str, &str)] = &[
    ("C", "°C"),
    ("F", "°F"),
    ("R", "°R"),
    ("C-change", "°C"),
    ("F-change", "°F"),
    ("degC", "°C"),
    ("degF", "°F"),
    ("foot", "ft"),
    ("feet", "ft"),
    ("sqmi", "sq mi"),
    ("sqft", "sq ft"),
    ("sqyd", "sq yd"),
    ("sqin", "sq in"),
    ("sqkm", "km2"),
    ("sqm", "m2"),
    ("cuft", "cu ft"),
    ("cuin", "cu in"),
    ("cuyd", "cu yd"),
    ("cumi", "cu mi"),
    ("acre", "acres"),
    ("impgal", "imp gal"),
    ("USgal", "US gal"),
    ("usgal", "US gal"),
    ("U.S.gal", "US gal"),
    ("USdrygal", "US dry gal"),
    ("impfloz", "imp fl oz"),
    ("USfloz", "US fl oz"),
    ("LT", "long tons"),
    ("ST", "short tons"),
    ("oilbbl", "bbl"),
    ("koilbbl", "kbbl"),
    ("Moilbbl", "Mbbl"),
    ("oilbbl/d", "bbl/d"),
    ("koilbbl/d", "kbbl/d"),
    ("Moilbbl/d", "Mbbl/d"),
];

/// Powers of ten that may stand before a unit.
const MULTIPLES: &[(&str, &str)] = &[
    ("e3", "thousand"),
    ("e6", "million"),
    ("e9", "billion"),
    ("e12", "trillion"),
];

/// `{{convert|20|-|25|cm|in}}`: 20–25 cm. A word between the numbers that is not known leaves
/// nothing, as the second number would be lost.
pub(super) fn convert(arguments: &Arguments<'_>) -> Option<String> {
    // These show the converted number without its unit, or a unit alone.
    let shows = arguments.named(&["disp"]).unwrap_or("");
    if shows.contains("number") || shows.starts_with("unit") {
        return None;
    }
    let parameters: Vec<String> = arguments.positional().iter().map(|text| decoded(text)).collect();
    let mut reader = Quantities::of(&parameters, arguments);
    loop {
        reader.number()?;
        reader.units()?;
        if !reader.range() {
            break;
        }
    }
    reader.finish()
}

/// Reads the parameters of `convert` one by one.
struct Quantities<'a> {
    parameters: &'a [String],
    at: usize,
    shape: fn(&str) -> String,
    out: String,
    has_unit: bool,
}

impl<'a> Quantities<'a> {
    fn of(parameters: &'a [String], arguments: &Arguments<'_>) -> Self {
        let has_commas = arguments.around.is_english && arguments.named(&["comma"]).is_none();
        Self {
            parameters,
            at: 0,
            shape: if has_commas { grouped } else { str::to_owned },
            out: String::new(),
            has_unit: false,
        }
    }

    fn next(&self, ahead: usize) -> &'a str {
        self.parameters
            .get(self.at + ahead)
            .map_or("", |text| text.trim())
    }

    fn number(&mut self) -> Option<()> {
        self.out.push_str(&shown(self.next(0), self.shape)?);
        self.at += 1;
        Some(())
    }

    /// The unit of the number that was read, with smaller ones behind it; none before a range.
    fn units(&mut self) -> Option<()> {
        self.has_unit = false;
        if range_of(self.next(0)).is_some() && is_quantity(self.next(1)) {
            return Some(());
        }
        let mut unit = self.next(0);
        self.unit(unit)?;
        while PAIRS.contains(&(unit, self.next(1))) && is_quantity(self.next(0)) {
            unit = self.next(1);
            self.out.push(' ');
            self.number()?;
            self.unit(unit)?;
        }
        // A number and a unit that do not belong to what was read.
        let goes_on = is_quantity(self.next(0)) && shown_unit(self.next(1)).is_some();
        (!goes_on).then_some(())
    }

    fn unit(&mut self, unit: &str) -> Option<()> {
        let unit = shown_unit(unit)?;
        self.out.push(' ');
        self.out.push_str(&unit);
        self.at += 1;
        self.has_unit = true;
        Some(())
    }

    fn range(&mut self) -> bool {
        let Some(range) = range_of(self.next(0)).filter(|_| is_quantity(self.next(1))) else {
            return false;
        };
        self.out.push_str(range);
        self.at += 1;
        true
    }

    fn finish(self) -> Option<String> {
        self.has_unit.then_some(self.out)
    }
}

fn range_of(word: &str) -> Option<&'static str> {
    RANGES
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, range)| *range)
}

fn is_quantity(text: &str) -> bool {
    shown(text, str::to_owned).is_some()
}

/// A unit as a reader sees it; `None` when the text is no unit.
fn shown_unit(code: &str) -> Option<String> {
    if let Some((_, unit)) = UNITS.iter().find(|(known, _)| *known == code) {
        return Some((*unit).to_owned());
    }
    for (power, word) in MULTIPLES {
        if let Some(unit) = code.strip_prefix(power).and_then(shown_unit) {
            return Some(format!("{word} {unit}"));
        }
    }
    let is_unit_letter = |letter: char| letter.is_alphanumeric() || " /.·⋅-−^°%‰′″'\"µ()$£€".contains(letter);
    let has_letter = code.contains(|letter: char| letter.is_alphabetic() || "°%‰′″'\"$£€".contains(letter));
    let is_unit = code.len() <= 40
        && has_letter
        && code.chars().all(is_unit_letter)
        && !code.starts_with(|letter: char| letter.is_ascii_digit())
        && range_of(code).is_none();
    is_unit.then(|| code.to_owned())
}

/// `{{val|1.496|0.002|e=8|u=km}}`: (1.496±0.002)×10^8 km.
pub(super) fn val(arguments: &Arguments<'_>) -> Option<String> {
    let known = [
        "e", "u", "ul", "up", "upl", "p", "s", "fmt", "debug", "sortable", "label",
    ];
    if !arguments.has_only(&known) {
        return None;
    }
    let has_commas = arguments.named(&["fmt"]) == Some("commas");
    let shape = if has_commas { grouped } else { str::to_owned };
    let mut out = val_number(arguments.positional(), shape)?;
    if let Some(exponent) = arguments.named(&["e"]) {
        let digits = exponent.strip_prefix(['-', '−', '+']).unwrap_or(exponent);
        if !is_whole(digits) {
            return None;
        }
        if out.contains(['±', '–', ' ']) {
            out = format!("({out})");
        }
        out = times_ten_to(&out, exponent);
    }
    let unit = val_unit(arguments)?;
    if !unit.is_empty() {
        let joins = unit.starts_with(['%', '‰', '°', '′', '″', '\'', '"', '/']);
        let is_degree_of_heat = unit.starts_with("°C") || unit.starts_with("°F");
        if !joins || is_degree_of_heat {
            out.push(' ');
        }
        out.push_str(&unit);
    }
    let (prefix, suffix) = (arguments.named(&["p"]), arguments.named(&["s"]));
    Some(format!("{}{out}{}", prefix.unwrap_or(""), suffix.unwrap_or("")))
}

fn val_number(parameters: &[&str], shape: fn(&str) -> String) -> Option<String> {
    let decoded: Vec<String> = parameters.iter().map(|text| decoded(text)).collect();
    let given: Vec<&str> = decoded
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
        .collect();
    let (first, mut rest) = given.split_first()?;
    let mut out = val_part(first, shape)?;
    // 200 – 300, 2 by 3 by 4.
    while let [word, number, behind @ ..] = rest {
        let Some(range) = range_of(word) else { break };
        out.push_str(range);
        out.push_str(&val_part(number, shape)?);
        rest = behind;
    }
    match rest {
        [] => Some(out),
        [error] if error.starts_with('(') => is_bracketed(error).then(|| out + error),
        [error] => is_number(error).then(|| format!("{out}±{}", error.trim_start_matches(['+', '±']))),
        [above, below] if is_number(above) && is_number(below) => {
            let above = above.trim_start_matches('+');
            let below = below.trim_start_matches(['-', '−']);
            Some(format!("{out} +{above} −{below}"))
        }
        _ => None,
    }
}

/// A number, with its uncertainty in brackets where it has one: `1.00794(7)`.
fn val_part(text: &str, shape: fn(&str) -> String) -> Option<String> {
    if let Some(at) = text.find('(') {
        let (number, error) = text.split_at(at);
        let (error, power) = match error.split_once(')') {
            Some((_, power)) => error.split_at(error.len() - power.len()),
            None => return None,
        };
        let is_whole_value = is_number(number) && is_bracketed(error);
        let exponent = power.strip_prefix(['e', 'E']);
        return match (is_whole_value, power.is_empty(), exponent) {
            (true, true, _) => Some(shape(number) + error),
            (true, false, Some(exponent)) if is_whole(exponent.trim_start_matches(['-', '+', '−'])) => {
                Some(times_ten_to(&(shape(number) + error), exponent))
            }
            _ => None,
        };
    }
    shown(text, shape)
}

fn is_bracketed(error: &str) -> bool {
    let inner = error.strip_prefix('(').and_then(|error| error.strip_suffix(')'));
    inner.is_some_and(is_number)
}

/// The unit of `val`, which is empty where there is none; `None` when it cannot be read.
fn val_unit(arguments: &Arguments<'_>) -> Option<String> {
    let read = |names: &[&str]| {
        let unit = decoded(arguments.named(names).unwrap_or(""));
        let is_short = unit.len() <= 60 && !unit.contains(['|', '{', '}', '[', ']']);
        is_short.then_some(unit)
    };
    let (unit, per) = (read(&["u", "ul"])?, read(&["up", "upl"])?);
    Some(if per.is_empty() {
        unit
    } else {
        format!("{unit}/{per}")
    })
}

/// `{{height|ft=5|in=11}}`: 5 ft 11 in.
pub(super) fn height(arguments: &Arguments<'_>) -> Option<String> {
    let number = |names: &[&str]| match arguments.named(names) {
        None => Some(None),
        Some(written) => shown(written, str::to_owned).map(Some),
    };
    let feet = number(&["ft", "foot", "feet"])?;
    let inches = number(&["in", "inch", "inches"])?;
    let (meters, centimeters) = (
        number(&["m", "meter", "meters", "metre", "metres"])?,
        number(&["cm"])?,
    );
    match (feet, inches, meters, centimeters) {
        (Some(feet), Some(inches), ..) => Some(format!("{feet} ft {inches} in")),
        (Some(feet), None, ..) => Some(format!("{feet} ft")),
        (_, _, Some(meters), _) => Some(format!("{meters} m")),
        (_, _, _, Some(centimeters)) => Some(format!("{centimeters} cm")),
        _ => None,
    }
}
