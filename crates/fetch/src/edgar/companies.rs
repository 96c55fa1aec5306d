//! Whose filings: CIKs as they are, tickers looked up, members with the days of their membership.
//!
//! A ticker is looked up in the members file first (the SEC lists only those of today), then in
//! `company_tickers.json`. One that neither knows is reported, never dropped in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::civil::Date;
use serde::Deserialize;

use super::hosts::Hosts;
use super::options::CompanyChoice;
use super::selection::Days;
use crate::web::{Client, Fault, FetchError};

const ALWAYS: Days = (Date::MIN, Date::MAX);

/// Who was found.
#[derive(Debug, Default)]
pub(crate) struct Companies {
    /// The days of each company; `None` for every company.
    pub(crate) spans: Option<BTreeMap<u64, Vec<Days>>>,
    /// A name to call them by, where one is known.
    pub(crate) names: BTreeMap<u64, String>,
    pub(crate) tickers_not_found: Vec<String>,
    pub(crate) former_members_by_todays_ticker: Vec<String>,
}

/// A row of the members file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    ticker: String,
    cik: Option<u64>,
    days: Days,
}

/// Finds the companies.
///
/// # Errors
/// [`FetchError::Read`] and [`FetchError::List`] for the members file; [`FetchError::GivenUp`]
/// when the list of tickers is needed and cannot be had.
pub(crate) fn resolve(
    choice: &CompanyChoice,
    client: &Client,
    hosts: &Hosts,
) -> Result<Companies, FetchError> {
    if choice.is_everybody() {
        return Ok(Companies::default());
    }
    let members = choice
        .members
        .as_deref()
        .map(read_members)
        .transpose()?
        .unwrap_or_default();
    let wanted = wanted_members(&choice.tickers, members);
    let listed = if wanted.iter().any(|member| member.cik.is_none()) {
        let url = format!("{}/files/company_tickers.json", hosts.www);
        client.fetch_bytes(&url, |bytes| parse_tickers(&bytes))?
    } else {
        BTreeMap::new()
    };
    Ok(match_members(&choice.ciks, wanted, &listed))
}

/// The members file's rows of the tickers; a ticker without a row was always meant.
fn wanted_members(tickers: &[String], members: Vec<Member>) -> Vec<Member> {
    if tickers.is_empty() {
        return members;
    }
    let tickers: BTreeSet<String> = tickers.iter().map(|ticker| normalize(ticker)).collect();
    let mut wanted = Vec::new();
    for ticker in tickers {
        let known = wanted.len();
        wanted.extend(members.iter().filter(|member| member.ticker == ticker).cloned());
        if wanted.len() == known {
            wanted.push(Member {
                ticker,
                cik: None,
                days: ALWAYS,
            });
        }
    }
    wanted
}

fn match_members(ciks: &[u64], wanted: Vec<Member>, listed: &BTreeMap<String, Listed>) -> Companies {
    let mut spans: BTreeMap<u64, Vec<Days>> = BTreeMap::new();
    let mut names = BTreeMap::new();
    let mut not_found = BTreeSet::new();
    let mut former = BTreeSet::new();
    for cik in ciks {
        spans.entry(*cik).or_default().push(ALWAYS);
    }
    for member in wanted {
        let today = listed.get(&member.ticker);
        let Some(cik) = member.cik.or(today.map(|company| company.cik)) else {
            not_found.insert(member.ticker);
            continue;
        };
        spans.entry(cik).or_default().push(member.days);
        let name = today
            .filter(|company| company.cik == cik)
            .map(|company| &company.name);
        names.insert(
            cik,
            name.map_or_else(
                || member.ticker.clone(),
                |name| format!("{} {name}", member.ticker),
            ),
        );
        if member.cik.is_none() && member.days.1 != Date::MAX {
            former.insert(member.ticker);
        }
    }
    Companies {
        spans: Some(spans),
        names,
        tickers_not_found: not_found.into_iter().collect(),
        former_members_by_todays_ticker: former.into_iter().collect(),
    }
}

/// A company in the SEC's list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    cik: u64,
    name: String,
}

#[derive(Debug, Deserialize)]
struct TickerRow {
    #[serde(rename = "cik_str")]
    cik: u64,
    ticker: String,
    title: String,
}

fn parse_tickers(bytes: &[u8]) -> Result<BTreeMap<String, Listed>, Fault> {
    let rows: BTreeMap<String, TickerRow> = serde_json::from_slice(bytes).map_err(|error| {
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1 << 16)]);
        Fault::of_page(&head).unwrap_or_else(|| Fault::unsound(format!("no list of tickers ({error})")))
    })?;
    let listed = |row: TickerRow| {
        let company = Listed {
            cik: row.cik,
            name: row.title,
        };
        (normalize(&row.ticker), company)
    };
    Ok(rows.into_values().map(listed).collect())
}

/// `brk.b` as the SEC writes it: `BRK-B`.
fn normalize(ticker: &str) -> String {
    ticker.trim().to_ascii_uppercase().replace(['.', '/'], "-")
}

/// The entries of a list, one a line; what follows `#` does not count.
///
/// # Errors
/// [`FetchError::Read`] when the file cannot be read as text.
pub fn read_list(path: &Path) -> Result<Vec<String>, FetchError> {
    Ok(entries(&read_text(path)?)
        .map(|(_, entry)| entry.to_owned())
        .collect())
}

/// A [`read_list`] of CIKs.
///
/// # Errors
/// [`FetchError::Read`], and [`FetchError::List`] for an entry that is no number.
pub fn read_cik_list(path: &Path) -> Result<Vec<u64>, FetchError> {
    let text = read_text(path)?;
    let number = |(line, entry): (usize, &str)| {
        entry.parse().map_err(|_| FetchError::List {
            path: path.to_path_buf(),
            line,
            reason: format!("the CIK {entry:?} is no number"),
        })
    };
    entries(&text).map(number).collect()
}

/// Line numbers, from 1, and entries.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or(line).trim())
        .enumerate()
        .map(|(index, entry)| (index + 1, entry))
        .filter(|(_, entry)| !entry.is_empty())
}

fn read_text(path: &Path) -> Result<String, FetchError> {
    std::fs::read_to_string(path).map_err(|source| FetchError::Read {
        path: path.to_path_buf(),
        source,
    })
}

fn read_members(path: &Path) -> Result<Vec<Member>, FetchError> {
    let text = read_text(path)?;
    parse_members(&text).map_err(|(line, reason)| FetchError::List {
        path: path.to_path_buf(),
        line,
        reason,
    })
}

/// The rows, or the line that is none and why.
fn parse_members(text: &str) -> Result<Vec<Member>, (usize, String)> {
    let mut lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let header = lines
        .next()
        .map_or("", |(_, line)| line)
        .trim_start_matches('\u{feff}');
    let separator = if header.contains('\t') { '\t' } else { ',' };
    let header = cells(header, separator);
    let column = |names: [&str; 2]| {
        header
            .iter()
            .position(|cell| names.contains(&&*cell.to_ascii_lowercase()))
    };
    let ticker = column(["ticker", "symbol"]).ok_or_else(|| {
        (
            1,
            "there is no column `ticker`; name the columns in the first line".to_owned(),
        )
    })?;
    let (cik, start, end) = (
        column(["cik", "cik"]),
        column(["start_date", "start"]),
        column(["end_date", "end"]),
    );
    let mut members = Vec::new();
    for (index, line) in lines {
        let row = cells(line, separator);
        let cell = |column: Option<usize>| column.and_then(|at| row.get(at)).map_or("", String::as_str);
        let refuse =
            |what: &str, found: &str, want: &str| (index + 1, format!("the {what} {found:?} is no {want}"));
        let day = |found: &str, what: &str, missing: Date| match found {
            "" => Ok(missing),
            found => found
                .parse()
                .map_err(|_| refuse(what, found, "day like 2015-03-31")),
        };
        let number = match cell(cik) {
            "" => None,
            found => Some(found.parse().map_err(|_| refuse("CIK", found, "number"))?),
        };
        let days = (
            day(cell(start), "start", Date::MIN)?,
            day(cell(end), "end", Date::MAX)?,
        );
        if cell(Some(ticker)).is_empty() && number.is_none() {
            return Err((index + 1, "there is neither a ticker nor a CIK".to_owned()));
        }
        members.push(Member {
            ticker: normalize(cell(Some(ticker))),
            cik: number,
            days,
        });
    }
    Ok(members)
}

/// A line's cells, trimmed; a separator inside quotes does not count.
fn cells(line: &str, separator: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            letter if letter == separator && !quoted => cells.push(String::new()),
            letter => cells
                .iter_mut()
                .last()
                .into_iter()
                .for_each(|cell| cell.push(letter)),
        }
    }
    cells.into_iter().map(|cell| cell.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: &str = "ticker,start_date,end_date,cik\nOAK,2001-05-01,,\nASH,1996-01-02,2012-06-30,77\n\
        ASH,2015-03-23,2019-09-23,88\n\"ELM\",2003-01-01,2011-12-31,\nFIR,2000-01-01,2002-01-01,\n";

    fn listed() -> BTreeMap<String, Listed> {
        let json = r#"{"0":{"cik_str":11,"ticker":"OAK","title":"Oak Co"},"1":{"cik_str":12,"ticker":"ELM","title":"Elm Co"},
            "2":{"cik_str":99,"ticker":"ASH","title":"Another Ash"},"3":{"cik_str":13,"ticker":"BRK-B","title":"Birch"}}"#;
        parse_tickers(json.as_bytes()).unwrap()
    }

    fn found(tickers: &[&str], members: &str) -> Companies {
        let tickers: Vec<String> = tickers.iter().map(ToString::to_string).collect();
        match_members(
            &[],
            wanted_members(&tickers, parse_members(members).unwrap()),
            &listed(),
        )
    }

    #[test]
    fn members_are_found_by_their_cik_then_by_todays_ticker_and_nobody_is_dropped() {
        let companies = found(&[], MEMBERS);
        let spans = companies.spans.unwrap();
        assert_eq!(spans.keys().copied().collect::<Vec<_>>(), [11, 12, 77, 88]);
        assert_eq!(
            spans[&77],
            [("1996-01-02".parse().unwrap(), "2012-06-30".parse().unwrap())]
        );
        assert_eq!(spans[&11], [("2001-05-01".parse().unwrap(), Date::MAX)]);
        assert_eq!(companies.tickers_not_found, ["FIR"]);
        assert_eq!(companies.former_members_by_todays_ticker, ["ELM"]);
    }

    #[test]
    fn tickers_take_their_days_from_the_members_file_where_it_has_them() {
        let companies = found(&["ash", "brk.b", "YEW"], MEMBERS);
        let spans = companies.spans.unwrap();
        assert_eq!(spans.keys().copied().collect::<Vec<_>>(), [13, 77, 88]);
        assert_eq!(spans[&13], [ALWAYS]);
        assert_eq!(companies.tickers_not_found, ["YEW"]);
    }

    #[test]
    fn a_list_has_an_entry_a_line_and_comments() {
        let text = "# members\n320193\n\n 0000789019  # the second\n";
        assert_eq!(
            entries(text).collect::<Vec<_>>(),
            [(2, "320193"), (4, "0000789019")]
        );
    }

    #[test]
    fn a_bad_row_is_refused_with_its_line() {
        for (text, line, says) in [
            ("", 1, "no column `ticker`"),
            ("name,cik\nOak,1\n", 1, "no column `ticker`"),
            ("ticker,cik\nOAK,one\n", 2, "the CIK \"one\""),
            (
                "ticker\tstart\tend\nOAK\t2001-05-01\t2002-13-01\n",
                2,
                "the end \"2002-13-01\"",
            ),
            ("ticker,cik\nOAK,1\n,\n", 3, "neither a ticker nor a CIK"),
        ] {
            let (found, reason) = parse_members(text).unwrap_err();
            assert!(found == line && reason.contains(says), "{found}: {reason}");
        }
    }
}
