//! Which ticker a company had on a day, from a table of spells. It finds none where the table has none.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;

use crate::column::Value;
use crate::error::ColumnsError;

/// Most bytes of a table of members: a thousand times that of the S&P 500 over 30 years.
const MOST_BYTES: u64 = 64 << 20;

/// Names of the columns; the first of each is the usual one.
const CIK: &[&str] = &["cik"];
const TICKER: &[&str] = &["ticker", "symbol"];
const START: &[&str] = &["start_date", "start", "from"];
const END: &[&str] = &["end_date", "end", "to"];

/// Spells of tickers by company.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    spells: BTreeMap<u64, Vec<Spell>>,
    without_cik: u64,
}

/// From a day to another one a company had a ticker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Spell {
    start: Date,
    ticker: String,
    end: Date,
}

impl Members {
    /// Reads a table with the columns `cik`, `ticker`, `start_date` and `end_date`, with commas or tabs; an
    /// empty day is open. Other columns are passed over.
    ///
    /// # Errors
    /// [`ColumnsError::Members`] with the line that is wrong.
    pub fn read(path: &Path) -> Result<Self, ColumnsError> {
        let wrong = |line: u64, reason: String| ColumnsError::Members {
            path: path.to_path_buf(),
            line,
            reason,
        };
        let text = durable::read_text(path, MOST_BYTES).map_err(|source| ColumnsError::ReadMembers {
            path: path.to_path_buf(),
            source,
        })?;
        parse(&text).map_err(|(line, reason)| wrong(line, reason))
    }

    /// How many spells have no CIK: no filing can be known as theirs.
    pub fn without_cik(&self) -> u64 {
        self.without_cik
    }

    /// The ticker of a company on a day. Of several, as of two classes of shares, one that is among
    /// `stated`, else the one that it had first; on the day on which one follows another, the later.
    pub fn ticker(&self, cik: &str, day: Date, stated: &[String]) -> Option<&str> {
        let spells = self.spells.get(&cik.parse().ok()?)?;
        let valid = spells
            .iter()
            .filter(|spell| spell.start <= day && day <= spell.end);
        let best = valid.min_by_key(|spell| {
            let is_stated = stated.iter().any(|ticker| is_same(ticker, &spell.ticker));
            (spell.end == day, !is_stated, *spell)
        });
        best.map(|spell| spell.ticker.as_str())
    }
}

/// `brk.b` and `BRK-B` are the same.
fn is_same(ticker: &str, other: &str) -> bool {
    let letters = |ticker: &str| ticker.trim().to_ascii_uppercase().replace(['.', '/'], "-");
    letters(ticker) == letters(other)
}

/// The spells, or the line that is none and why.
fn parse(text: &str) -> Result<Members, (u64, String)> {
    let text = text.trim_start_matches('\u{feff}');
    let first_line = text.lines().next().unwrap_or_default();
    let separator = if first_line.contains('\t') { b'\t' } else { b',' };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let unreadable = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        (line, "it is no row as the first line has columns".to_owned())
    };
    let header = reader.headers().map_err(unreadable)?.clone();
    let column = |names: &[&str]| {
        let mut cells = header.iter();
        let found = cells.position(|cell| names.contains(&&*cell.to_ascii_lowercase()));
        found.ok_or_else(|| {
            (
                1,
                format!(
                    "there is no column `{}`; name the columns in the first line",
                    names[0]
                ),
            )
        })
    };
    let (cik, ticker) = (column(CIK)?, column(TICKER)?);
    let (start, end) = (column(START)?, column(END)?);
    let mut members = Members::default();
    for row in reader.records() {
        let row = row.map_err(unreadable)?;
        let line = row.position().map_or(1, csv::Position::line);
        let cell = |at: usize| row.get(at).unwrap_or_default();
        let spell = spell([cell(ticker), cell(start), cell(end)]).map_err(|reason| (line, reason))?;
        match cell(cik) {
            "" => members.without_cik += 1,
            text => {
                let cik = text
                    .parse()
                    .map_err(|_| (line, format!("the CIK `{text}` is no number")))?;
                members.spells.entry(cik).or_default().push(spell);
            }
        }
    }
    Ok(members)
}

/// The spell of a row's ticker, first day and last, or why there is none.
fn spell([ticker, start, end]: [&str; 3]) -> Result<Spell, String> {
    let day = |text: &str, open: Date| match (text, Value::date(text)) {
        ("", _) => Ok(open),
        (_, Some(Value::Date(day))) => Ok(day),
        _ => Err(format!("`{text}` is no day as 2015-03-31")),
    };
    let spell = Spell {
        start: day(start, Date::MIN)?,
        ticker: ticker.to_owned(),
        end: day(end, Date::MAX)?,
    };
    if spell.ticker.is_empty() {
        return Err("there is no ticker".to_owned());
    }
    if spell.start > spell.end {
        return Err("it ends before it starts".to_owned());
    }
    Ok(spell)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RENAMED: &str = "cik,ticker,start_date,end_date,source\n\
        0001326801,FB,2013-12-23,2022-06-09,x\n1326801,META,2022-06-09,,x\n\
        1652044,GOOGL,2006-04-03,,\n1652044,GOOG,2014-04-03,,\n\
        9,OAK,,1999-12-31,\n9,OAKS,2001-01-02,2003-05-06,\n,GONE,1996-01-02,1999-01-04,\n";

    fn day(text: &str) -> Date {
        match Value::date(text) {
            Some(Value::Date(day)) => day,
            _ => panic!("{text}"),
        }
    }

    #[test]
    fn a_company_has_the_ticker_of_the_day_and_none_outside_of_its_spells() {
        let members = parse(RENAMED).unwrap();
        assert_eq!(members.without_cik(), 1);
        for (cik, on, ticker) in [
            ("0001326801", "2013-12-22", None),
            ("0001326801", "2013-12-23", Some("FB")),
            ("0001326801", "2022-06-08", Some("FB")),
            ("0001326801", "2022-06-09", Some("META")),
            ("0001326801", "2025-01-30", Some("META")),
            ("0000000009", "1993-01-01", Some("OAK")),
            ("0000000009", "1999-12-31", Some("OAK")),
            ("0000000009", "2000-01-01", None),
            ("0000000009", "2003-05-06", Some("OAKS")),
            ("0000000010", "2003-05-06", None),
            ("", "2003-05-06", None),
            ("OAK", "2003-05-06", None),
        ] {
            assert_eq!(members.ticker(cik, day(on), &[]), ticker, "{cik} on {on}");
        }
    }

    #[test]
    fn of_two_classes_of_shares_the_cover_decides_and_without_it_the_first() {
        let members = parse(RENAMED).unwrap();
        let on = day("2020-02-04");
        let stated = |tickers: &[&str]| tickers.iter().map(ToString::to_string).collect::<Vec<_>>();
        let ticker = |tickers: &[&str]| members.ticker("1652044", on, &stated(tickers));
        assert_eq!(ticker(&["goog"]), Some("GOOG"));
        assert_eq!(ticker(&["GOOGL", "GOOG"]), Some("GOOGL"));
        assert_eq!(ticker(&["XYZ"]), Some("GOOGL"));
        assert_eq!(ticker(&[]), Some("GOOGL"));
    }

    #[test]
    fn tabs_other_names_and_a_byte_order_mark_are_read() {
        let members = parse("\u{feff}From\tto\tCIK\tSymbol\n2001-01-01\t\t9\t BRK.B \n").unwrap();
        let stated = ["BRK-B".to_owned()];
        assert_eq!(members.ticker("9", day("2001-01-01"), &stated), Some("BRK.B"));
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        let header = "cik,ticker,start_date,end_date\n";
        for (text, line, reason) in [
            ("", 1, "no column `cik`"),
            ("cik,start_date,end_date\n", 1, "no column `ticker`"),
            ("ticker,cik,end_date\n", 1, "no column `start_date`"),
            (&format!("{header}9,OAK,1999,\n"), 2, "`1999` is no day"),
            (
                &format!("{header}9,OAK,,\nnine,OAK,,\n"),
                3,
                "`nine` is no number",
            ),
            (&format!("{header}9,,,\n"), 2, "no ticker"),
            (
                &format!("{header}9,OAK,2001-01-01,2000-01-01\n"),
                2,
                "ends before",
            ),
            (&format!("{header}9,OAK\n"), 2, "no row"),
        ] {
            let (found, said) = parse(text).unwrap_err();
            assert_eq!(found, line, "{text}: {said}");
            assert!(said.contains(reason), "{said}");
        }
    }

    #[test]
    fn the_table_of_the_repository_is_read_and_follows_renamed_companies() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../members/sp500.csv");
        let members = Members::read(Path::new(path)).unwrap();
        assert_eq!(members.without_cik(), 0);
        for (cik, on, ticker) in [
            ("0001326801", "2020-01-30", Some("FB")),
            ("0001326801", "2023-02-02", Some("META")),
            ("0001156039", "2021-02-18", Some("ANTM")),
            ("0001156039", "2023-02-15", Some("ELV")),
            ("0000765880", "2010-02-12", Some("HCP")),
            ("0000765880", "2021-02-10", Some("PEAK")),
            ("0000765880", "2025-02-03", Some("DOC")),
            ("0000320193", "2018-11-05", Some("AAPL")),
            ("0001720671", "2015-01-01", None),
        ] {
            assert_eq!(members.ticker(cik, day(on), &[]), ticker, "{cik} on {on}");
        }
    }
}
