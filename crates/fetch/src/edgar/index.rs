//! EDGAR's index files: `master.idx` (separated by `|`) and `form.idx` (columns), plain or gzip.
//!
//! Both have a head of a few lines, a line of dashes, and a line a filing. The daily indices,
//! which write days as `20200318`, are read too. Pure.

use std::borrow::Cow;
use std::io::Read;

use documents::form_type;
use encoding_rs::WINDOWS_1252;
use flate2::read::MultiGzDecoder;
use jiff::civil::Date;

use super::listed_filing::ListedFiling;
use crate::web::{Fault, PAGE_BYTES};

const GZIP_MAGIC: &[u8] = b"\x1f\x8b";

/// Reads an index and hands on its filings, in its order.
///
/// # Errors
/// [`Fault::Unsound`] for what is no index, and for a line that is none of its kind.
pub(crate) fn read_index(bytes: &[u8], mut each: impl FnMut(ListedFiling)) -> Result<(), Fault> {
    let bytes = plain(bytes)?;
    let mut lines = bytes.split(|byte| *byte == b'\n').map(line_text).enumerate();
    let mut header = Cow::Borrowed("");
    loop {
        match lines.next() {
            Some((_, line)) if is_rule(&line) => break,
            Some((_, line)) if !line.trim().is_empty() => header = line,
            Some(_) => {}
            None => return Err(not_an_index(&bytes)),
        }
    }
    let columns = IndexColumns::parse(&header).ok_or_else(|| not_an_index(&bytes))?;
    for (number, line) in lines {
        if line.trim().is_empty() {
            continue;
        }
        let filing = columns
            .read(&line)
            .ok_or_else(|| Fault::unsound(format!("an index whose line {} lists no filing", number + 1)))?;
        each(filing);
    }
    Ok(())
}

fn plain(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Fault> {
    if !bytes.starts_with(GZIP_MAGIC) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes)
        .take(PAGE_BYTES + 1)
        .read_to_end(&mut plain)
        .map_err(|error| Fault::unsound(format!("a damaged gzip file ({error})")))?;
    if plain.len() as u64 > PAGE_BYTES {
        return Err(Fault::unsound(format!(
            "an index of more than {PAGE_BYTES} bytes"
        )));
    }
    Ok(Cow::Owned(plain))
}

/// Names of companies are in whatever encoding their filer used.
fn line_text(line: &[u8]) -> Cow<'_, str> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    std::str::from_utf8(line).map_or_else(
        |_| WINDOWS_1252.decode_without_bom_handling(line).0,
        Cow::Borrowed,
    )
}

fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.len() > 20 && line.bytes().all(|byte| byte == b'-')
}

fn not_an_index(bytes: &[u8]) -> Fault {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1 << 16)]);
    Fault::of_page(&head).unwrap_or_else(|| Fault::unsound("no EDGAR index"))
}

/// How a line is cut, told by the line above the rule.
enum IndexColumns {
    Master,
    /// Where the company's name begins; the form type is before it.
    Form {
        company: usize,
    },
}

impl IndexColumns {
    fn parse(header: &str) -> Option<Self> {
        if header.starts_with("CIK|") {
            return Some(Self::Master);
        }
        let company = header.find("Company Name")?;
        header.starts_with("Form Type").then_some(Self::Form { company })
    }

    fn read(&self, line: &str) -> Option<ListedFiling> {
        match self {
            Self::Master => read_master(line),
            Self::Form { company } => read_form(line, *company),
        }
    }
}

/// `CIK|company|form|day|file`; the company's name may have a `|` of its own.
fn read_master(line: &str) -> Option<ListedFiling> {
    let (cik, rest) = line.split_once('|')?;
    let mut from_end = rest.rsplitn(4, '|');
    let (file, filed, form) = (from_end.next()?, from_end.next()?, from_end.next()?);
    listed(cik, from_end.next()?, form, filed, file)
}

/// Form and company by column; day, CIK and file, which have no spaces, from the end.
fn read_form(line: &str, company_column: usize) -> Option<ListedFiling> {
    let form = line.get(..company_column)?;
    let (rest, file) = line
        .get(company_column..)?
        .trim_end()
        .rsplit_once(char::is_whitespace)?;
    let (rest, filed) = rest.trim_end().rsplit_once(char::is_whitespace)?;
    let (company, cik) = rest.trim_end().rsplit_once(char::is_whitespace)?;
    listed(cik, company, form, filed, file)
}

fn listed(cik: &str, company: &str, form: &str, filed: &str, file: &str) -> Option<ListedFiling> {
    let file = file.trim();
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    let accession = name.strip_suffix(".txt")?;
    is_accession(accession).then_some(())?;
    Some(ListedFiling {
        cik: cik.trim().parse().ok()?,
        company: documents::one_line(company),
        form: form_type::normalize(form),
        filed: day(filed.trim())?,
        accession: accession.to_owned(),
    })
}

/// `0000320193-18-000145`.
pub(crate) fn is_accession(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([10, 2, 6])
        && parts
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn day(text: &str) -> Option<Date> {
    let format = if text.len() == 8 { "%Y%m%d" } else { "%Y-%m-%d" };
    Date::strptime(format, text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "Description:           Master Index of EDGAR Dissemination Feed\n\
        Last Data Received:    March 31, 2012\n \n \n\
        CIK|Company Name|Form Type|Date Filed|Filename\n\
        --------------------------------------------------------------------------------\n\
        1000180|EXAMPLE MILLS INC|10-K|2012-02-23|edgar/data/1000180/0001000180-12-000013.txt\n\
        1000181|A | B HOLDINGS|DEF 14A|2012-03-01|edgar/data/1000181/0001000181-12-000001.txt\n";

    fn read(bytes: &[u8]) -> Result<Vec<ListedFiling>, Fault> {
        let mut filings = Vec::new();
        read_index(bytes, |filing| filings.push(filing))?;
        Ok(filings)
    }

    #[test]
    fn a_master_index_is_read_with_a_bar_in_a_name_and_with_both_line_ends() {
        for text in [MASTER.to_owned(), MASTER.replace('\n', "\r\n")] {
            let filings = read(text.as_bytes()).unwrap();
            assert_eq!(filings.len(), 2);
            assert_eq!(
                filings[0].archive_path(),
                "edgar/data/1000180/0001000180-12-000013.txt"
            );
            assert_eq!(filings[1].company, "A | B HOLDINGS");
            assert_eq!((filings[1].form.as_str(), filings[1].cik), ("DEF 14A", 1_000_181));
        }
    }

    #[test]
    fn a_gzip_index_reads_the_same_and_a_cut_one_is_refused() {
        let mut encoder = flate2::read::GzEncoder::new(MASTER.as_bytes(), flate2::Compression::default());
        let mut gzip = Vec::new();
        encoder.read_to_end(&mut gzip).unwrap();
        assert_eq!(read(&gzip), read(MASTER.as_bytes()));
        let error = read(&gzip[..gzip.len() - 4]).unwrap_err();
        assert!(error.to_string().contains("gzip"), "{error}");
    }

    #[test]
    fn a_name_in_latin_letters_of_the_nineties_is_kept() {
        let latin: Vec<u8> = MASTER
            .replace("MILLS", "M@HLE")
            .bytes()
            .map(|b| if b == b'@' { 0xdc } else { b })
            .collect();
        assert_eq!(read(&latin).unwrap()[0].company, "EXAMPLE M\u{dc}HLE INC");
    }

    #[test]
    fn pages_and_cut_lines_are_refused() {
        for (text, says) in [
            ("", "no EDGAR index"),
            ("<html><body>File Unavailable</body></html>", "no EDGAR index"),
            ("<html>Request Rate Threshold Exceeded</html>", "throttles"),
            (&MASTER[..MASTER.len() - 20], "line 8"),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
