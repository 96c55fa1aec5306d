//! Dates as filings write them, to the forms of the document format. A date that cannot be read
//! is `None`, never a guess.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZoneDatabase;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// `20240331` (what follows is ignored) as `2024-03-31`.
pub(crate) fn compact_date(text: &str) -> Option<String> {
    let digits = text.trim().get(..8)?;
    let date = Date::strptime("%Y%m%d", digits).ok()?;
    Some(date.to_string())
}

/// EDGAR's acceptance time, `20240313150033` on the clock of Washington, as RFC 3339 with the
/// offset that held there on that day.
pub(crate) fn acceptance_time(text: &str) -> Option<String> {
    let digits = text.trim().get(..14)?;
    let clock = DateTime::strptime("%Y%m%d%H%M%S", digits).ok()?;
    // The bundled database, so that the answer does not depend on the machine.
    let eastern = TimeZoneDatabase::bundled().get("America/New_York").ok()?;
    let instant = eastern.to_ambiguous_zoned_datetime(clock).compatible().ok()?;
    Some(instant.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

/// `0930`, `--09-30`, `9/30` or `September 30` as `09-30`.
pub(crate) fn year_end(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (month, day) = if digits.len() == 4 {
        (digits[..2].parse().ok()?, digits[2..].parse().ok()?)
    } else if let Some((month, day)) = text.split_once('/') {
        (month.trim().parse().ok()?, leading_number(day)?)
    } else {
        let (month, rest) = month_name(text)?;
        (month, leading_number(rest)?)
    };
    // 2024 is a leap year, so that 29 February is a day.
    let date = Date::new(2024, month, i8::try_from(day).ok()?).ok()?;
    Some(date.strftime("%m-%d").to_string())
}

/// The first date in a text: `2024-09-28`, `September 28, 2024`, `Sept. 28 , 2024`,
/// `28 September 2024`, `9/28/2024`, `9/28/24`, each as `2024-09-28`.
pub(crate) fn first_date(text: &str) -> Option<String> {
    iso_date(text)
        .or_else(|| named_date(text))
        .or_else(|| slashed_date(text))
        .map(|date| date.to_string())
}

fn iso_date(text: &str) -> Option<Date> {
    text.as_bytes()
        .windows(10)
        .find(|window| window[4] == b'-' && window[7] == b'-')
        .and_then(|window| std::str::from_utf8(window).ok())
        .and_then(|window| Date::strptime("%Y-%m-%d", window).ok())
}

fn named_date(text: &str) -> Option<Date> {
    let (month, rest) = month_name(text)?;
    let numbers: Vec<i64> = numbers(rest).take(2).collect();
    let (day, year) = match numbers[..] {
        [year] | [year, _] if year > 31 => (number_before_month(text)?, year),
        [day, year] => (day, year),
        _ => return None,
    };
    date_of(year, i64::from(month), day)
}

fn number_before_month(text: &str) -> Option<i64> {
    let start = text.len() - month_name(text)?.1.len();
    numbers(&text[..start]).last()
}

fn slashed_date(text: &str) -> Option<Date> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '/'))
        .filter(|word| word.matches('/').count() == 2)
        .find_map(|word| {
            let parts: Vec<i64> = numbers(word).collect();
            match parts[..] {
                [month, day, year] => date_of(year, month, day),
                _ => None,
            }
        })
}

fn date_of(year: i64, month: i64, day: i64) -> Option<Date> {
    let year = match year {
        0..=49 => year + 2000,
        50..=99 => year + 1900,
        1900..=2200 => year,
        _ => return None,
    };
    let small = |number: i64| i8::try_from(number).ok();
    Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()
}

fn numbers(text: &str) -> impl Iterator<Item = i64> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.parse().unwrap_or(i64::MAX))
}

fn leading_number(text: &str) -> Option<i64> {
    numbers(text).next()
}

/// The first month name in a text (at least its first three letters) and what follows it.
fn month_name(text: &str) -> Option<(i8, &str)> {
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let mut rest = text;
    while let Some(start) = rest.find(is_letter) {
        rest = &rest[start..];
        let end = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
        let word = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        let month = (1..)
            .zip(MONTHS)
            .find(|(_, name)| word.len() >= 3 && name.starts_with(&word));
        if let Some((month, _)) = month.or_else(|| (word == "sept").then_some((9, ""))) {
            return Some((month, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acceptance_times_carry_the_offset_of_their_day() {
        let time = |text| acceptance_time(text).unwrap();
        assert_eq!(time("20240313150033"), "2024-03-13T15:00:33-04:00");
        assert_eq!(time("20250110171538"), "2025-01-10T17:15:38-05:00");
        assert_eq!(acceptance_time("2024031315"), None);
        assert_eq!(acceptance_time("20241313150033"), None);
        assert_eq!(
            acceptance_time("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"),
            None
        );
    }

    #[test]
    fn dates_are_read_in_every_form_that_covers_use() {
        for text in [
            "2024-09-28",
            "September 28, 2024",
            "SEPTEMBER 28 , 2024",
            "Sept. 28, 2024",
            "the fiscal year ended: Sep 28, 2024",
            "28 September 2024",
            "9/28/2024",
            "09/28/24",
        ] {
            assert_eq!(first_date(text).as_deref(), Some("2024-09-28"), "{text}");
        }
        for text in [
            "",
            "September",
            "Sep 45, 2024",
            "13/45/2024",
            "in 2024",
            "May 2024",
        ] {
            assert_eq!(first_date(text), None, "{text}");
        }
    }

    #[test]
    fn year_ends_lose_their_year() {
        for text in ["0930", "--09-30", "September 30", "09-30", "9/30"] {
            assert_eq!(year_end(text).as_deref(), Some("09-30"), "{text}");
        }
        assert_eq!(year_end("0229").as_deref(), Some("02-29"));
        assert_eq!(year_end("1345"), None);
        assert_eq!(compact_date("19961219").as_deref(), Some("1996-12-19"));
        assert_eq!(compact_date("1996"), None);
    }
}
