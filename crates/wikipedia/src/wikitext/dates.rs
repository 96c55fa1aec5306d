//! Dates in words, and the few words that go with them: `as of`, `circa`, `birth date`.

use super::arguments::Arguments;
use super::numbers::is_whole;
use super::values::{is_year, some};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Which of month and day stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    MonthFirst,
    DayFirst,
}

/// A date as far as it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Date<'a> {
    year: &'a str,
    /// Index of the month.
    month: Option<usize>,
    day: Option<u8>,
}

impl<'a> Date<'a> {
    /// `None` when one of the parts is no part of a date.
    fn of(year: &'a str, month: &str, day: &str) -> Option<Self> {
        let month = match month {
            "" => None,
            month => Some(month_index(month)?),
        };
        let day = match day {
            "" => None,
            day if is_whole(day) => Some(day.parse().ok().filter(|day| (1..=31).contains(day))?),
            _ => return None,
        };
        let is_date = (year.is_empty() || is_year(year)) && !(day.is_some() && month.is_none());
        (is_date && !(year.is_empty() && month.is_none())).then_some(Self { year, month, day })
    }

    fn in_words(self, order: Order) -> String {
        let month = self.month.map_or("", |month| MONTHS[month]);
        let year = self.year;
        let words = match (self.day, order) {
            (None, _) => format!("{month} {year}"),
            (Some(day), Order::DayFirst) => format!("{day} {month} {year}"),
            (Some(day), Order::MonthFirst) if year.is_empty() => format!("{month} {day}"),
            (Some(day), Order::MonthFirst) => format!("{month} {day}, {year}"),
        };
        words.trim().to_owned()
    }

    /// Year, month and day as numbers, where all are given.
    fn numbers(self) -> Option<(i32, usize, u8)> {
        Some((self.year.parse().ok()?, self.month?, self.day?))
    }
}

/// A month's index by its number, name or the first three letters of that.
fn month_index(written: &str) -> Option<usize> {
    if is_whole(written) {
        let number: usize = written.parse().ok()?;
        return (1..=12).contains(&number).then(|| number - 1);
    }
    let start = written.get(..3)?.to_ascii_lowercase();
    let index = MONTHS
        .iter()
        .position(|month| month[..3].eq_ignore_ascii_case(&start))?;
    let name = written.trim_end_matches('.');
    let is_name = name.len() == 3 || name.eq_ignore_ascii_case(MONTHS[index]) || name == "Sept";
    is_name.then_some(index)
}

fn order(arguments: &Arguments<'_>, default: Order) -> Order {
    let day_first = arguments.named(&["df"]);
    if arguments.is_on(&["mf"]) || day_first.is_some_and(|order| matches!(order, "us" | "US" | "mdy")) {
        Order::MonthFirst
    } else if arguments.is_on(&["df"]) {
        Order::DayFirst
    } else {
        default
    }
}

/// `{{start date|1990|5|12}}`, `{{date|1990-05-12}}`: May 12, 1990.
pub(super) fn date(arguments: &Arguments<'_>) -> Option<String> {
    let order = match arguments.text(2).to_lowercase().as_str() {
        "dmy" => Order::DayFirst,
        _ => order(arguments, Order::MonthFirst),
    };
    let first = arguments.text(1);
    if let [year, month, day] = first.split('-').collect::<Vec<_>>()[..] {
        return Some(Date::of(year, month, day)?.in_words(order));
    }
    if !first.is_empty() && !is_year(first) {
        return written_date(first);
    }
    let date = Date::of(first, arguments.text(2), arguments.text(3))?;
    Some(date.in_words(order))
}

/// A date that is in words already.
fn written_date(text: &str) -> Option<String> {
    let is_word = |letter: char| letter.is_alphanumeric() || " ,.–-".contains(letter);
    let has_year = text.split(|letter: char| !letter.is_ascii_digit()).any(is_year);
    (text.len() <= 60 && has_year && text.chars().all(is_word)).then(|| text.to_owned())
}

/// `{{dts|1990|5|12}}`: May 12, 1990. In other orders of the parameters only what is sure.
pub(super) fn sorted_date(arguments: &Arguments<'_>) -> Option<String> {
    let order = match arguments.named(&["format"]) {
        Some("dmy" | "dm") => Order::DayFirst,
        _ => order(arguments, Order::MonthFirst),
    };
    let (first, second, third) = (arguments.text(1), arguments.text(2), arguments.text(3));
    if is_year(third) {
        // Day, month and year in other languages.
        return Some(Date::of(third, second, first)?.in_words(Order::DayFirst));
    }
    match first.split('-').collect::<Vec<_>>()[..] {
        [year, month, day] if second.is_empty() => Some(Date::of(year, month, day)?.in_words(order)),
        [_] if !first.is_empty() && !is_year(first) && second.is_empty() => written_date(first),
        _ => Some(Date::of(first, second, third)?.in_words(order)),
    }
}

/// `{{birth year and age|1950|5}}`: May 1950. The second parameter of a death is a year.
pub(super) fn year_and_month(arguments: &Arguments<'_>) -> Option<String> {
    let month = Some(arguments.text(2)).filter(|month| !is_year(month));
    Some(Date::of(arguments.text(1), month.unwrap_or(""), "")?.in_words(Order::MonthFirst))
}

/// `{{as of|2020|5|lc=y}}`: as of May 2020.
///
/// At the end of a sentence only what says that it belongs there: `MediaWiki` would show a capital
/// in the middle of the sentence.
pub(super) fn as_of(arguments: &Arguments<'_>) -> Option<String> {
    if let Some(shown) = arguments.named(&["alt"]) {
        return Some(shown.to_owned());
    }
    let first = arguments.text(1);
    let date = if first.is_empty() || is_year(first) {
        let date = Date::of(first, arguments.text(2), arguments.text(3))?;
        date.in_words(order(arguments, Order::DayFirst))
    } else {
        written_date(first)?
    };
    let before = arguments
        .named(&["pre"])
        .map_or(String::new(), |before| format!("{before} "));
    let behind = arguments.named(&["post"]).unwrap_or("");
    if arguments.is_on(&["bare"]) {
        return Some(format!("{before}{date}{behind}"));
    }
    let is_lower = arguments.is_on(&["lc"]);
    let is_since = arguments.is_on(&["since"]);
    if arguments.around.ends_sentence && !is_lower && !is_since {
        return None;
    }
    let words = match (is_since, is_lower) {
        (true, true) => "since",
        (true, false) => "Since",
        (false, true) => "as of",
        (false, false) => "As of",
    };
    Some(format!("{words} {before}{date}{behind}"))
}

/// `{{circa|1850|1860}}`: c. 1850 – c. 1860.
pub(super) fn circa(arguments: &Arguments<'_>) -> Option<String> {
    if !arguments.text(3).is_empty() {
        return None;
    }
    Some(match (arguments.text(1), arguments.text(2)) {
        ("", _) => "c.".to_owned(),
        (from, "") => format!("c. {from}"),
        (from, to) => format!("c. {from} – c. {to}"),
    })
}

/// `{{floruit|1850|1860}}`: fl. 1850–1860.
pub(super) fn floruit(arguments: &Arguments<'_>) -> Option<String> {
    years_behind("fl.", arguments)
}

/// `{{reign|1850|1860}}`: r. 1850–1860.
pub(super) fn reign(arguments: &Arguments<'_>) -> Option<String> {
    years_behind("r.", arguments)
}

fn years_behind(word: &str, arguments: &Arguments<'_>) -> Option<String> {
    if !arguments.text(3).is_empty() {
        return None;
    }
    Some(match (arguments.text(1), arguments.text(2)) {
        ("", _) => word.to_owned(),
        (from, "") => format!("{word} {from}"),
        (from, to) => format!("{word} {from}–{to}"),
    })
}

/// `{{age|1950|1|31|2000|1|1}}`: 49. Until today is no value of the page.
pub(super) fn age(arguments: &Arguments<'_>) -> Option<String> {
    let date =
        |at: usize| Date::of(arguments.text(at), arguments.text(at + 1), arguments.text(at + 2))?.numbers();
    let ((born, month, day), (year, later_month, later_day)) = (date(1)?, date(4)?);
    let had_birthday = (later_month, later_day) >= (month, day);
    let years = year - born - i32::from(!had_birthday);
    some(years.to_string()).filter(|_| years >= 0)
}
