//! Writes a sample corpus of invented companies and articles in the real formats, so that every
//! command can be tried and tested without a download.
//!
//! It is made to be learned from: each industry has words of its own, names and figures recur
//! through a filing and its successors, totals are sums, "increased" fits the numbers, and
//! paragraphs say again what they said. It holds no text of a real filing or article. Everything
//! follows from (seed, number of filings, number of pages).

mod calendar;
mod company;
mod draw;
mod dump;
mod encyclopedia;
mod facts;
mod figures;
mod filing;
mod frames;
mod html;
mod parts;
mod plain_text;
mod plan;
mod prose;
mod submission;
mod tables;
mod topics;
mod words;

use std::path::PathBuf;

use durable::{DurableError, StagedDir};
use serde::Serialize;

use company::Company;
use draw::Draw;
use filing::filing_parts;
use plan::FilingPlan;
use submission::Body;

/// Filings of one company, in consecutive years.
const FILINGS_A_COMPANY: usize = 4;
/// The dump's name, as Wikimedia names its own.
const DUMP_NAME: &str = "samplewiki-latest-pages-articles.xml.bz2";

/// What to write, where.
#[derive(Debug, Clone)]
pub struct SampleOptions {
    /// The folder to make; it must not exist.
    pub out: PathBuf,
    /// Number of filings, four a company.
    pub filings: usize,
    /// Number of encyclopedia articles (redirects and the like come on top).
    pub pages: usize,
    /// Another seed gives other companies.
    pub seed: u64,
}

impl SampleOptions {
    /// The demo's size into `out`: about 4 MB of visible text.
    pub fn new(out: PathBuf) -> Self {
        Self {
            out,
            filings: 160,
            pages: 200,
            seed: 1,
        }
    }
}

/// What was written, as `manifest.json` says it.
#[derive(Debug, Clone, Serialize)]
pub struct SampleReport {
    /// Version of the sample's layout.
    pub format_version: u32,
    /// The seed.
    pub seed: u64,
    /// Files under `filings/`.
    pub filings: usize,
    /// Companies that filed them.
    pub companies: usize,
    /// Articles in the dump.
    pub pages: usize,
    /// Bytes under `filings/`.
    pub filing_bytes: u64,
    /// The dump, relative to the folder.
    pub dump: String,
    /// Version of the program, for information.
    pub program_version: String,
}

/// Writes the sample: `OUT/filings/*.{txt,nc,htm}`, `OUT/wiki/*.xml.bz2`, `OUT/manifest.json`.
///
/// # Errors
/// [`DurableError`] when the folder exists or cannot be written.
pub fn write_sample(options: &SampleOptions) -> Result<SampleReport, DurableError> {
    let mut report = SampleReport {
        format_version: 1,
        seed: options.seed,
        filings: options.filings,
        companies: options.filings.div_ceil(FILINGS_A_COMPANY),
        pages: options.pages,
        filing_bytes: 0,
        dump: format!("wiki/{DUMP_NAME}"),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    durable::commit_dir(&durable::DISK, &options.out, |staged| {
        report.filing_bytes = write_filings(staged, options)?;
        write_wiki(staged, options)?;
        let manifest = serde_json::to_vec_pretty(&report).map_err(std::io::Error::from);
        staged.write_file("manifest.json", |file| file.write_all(&manifest?))
    })?;
    Ok(report)
}

fn write_filings(staged: &StagedDir<'_>, options: &SampleOptions) -> Result<u64, DurableError> {
    staged.create_dir("filings")?;
    let mut total_bytes = 0;
    for index in 0..options.filings {
        let (name, text) = sample_filing(options.seed, index);
        staged.write_file(format!("filings/{name}"), |file| file.write_all(text.as_bytes()))?;
        total_bytes += text.len() as u64;
    }
    Ok(total_bytes)
}

fn write_wiki(staged: &StagedDir<'_>, options: &SampleOptions) -> Result<(), DurableError> {
    staged.create_dir("wiki")?;
    staged.write_file(format!("wiki/{DUMP_NAME}"), |file| {
        dump::write_dump(file, options.seed, options.pages)
    })
}

/// The dialects, by the years in which they were filed.
#[derive(Debug, Clone, Copy)]
enum Era {
    Text1990s,
    Html2010,
    LoneInlineXbrl,
    Dissemination,
    SubmissionInlineXbrl,
}

const ERAS: [(Era, i64); 5] = [
    (Era::Text1990s, 1_994),
    (Era::Html2010, 2_009),
    (Era::LoneInlineXbrl, 2_019),
    (Era::Dissemination, 2_020),
    (Era::SubmissionInlineXbrl, 2_019),
];

/// Filing number `index`: which company, which period. A company files a 10-K, a 10-Q and two
/// more 10-Ks.
fn plan_filing(seed: u64, index: usize) -> (FilingPlan, Era) {
    let company = Company::new(seed, (index / FILINGS_A_COMPANY) as u64);
    let mut draw = Draw::new(seed, "era", company.index);
    let (era, first_year) = ERAS[usize::try_from(company.index % ERAS.len() as u64).expect("below five")];
    let start = first_year + draw.between(0, 2);
    let (years, quarter) = match index % FILINGS_A_COMPANY {
        0 => (0, None),
        1 => (1, Some(u8::try_from(draw.between(1, 3)).expect("one to three"))),
        2 => (1, None),
        _ => (2, None),
    };
    (
        FilingPlan {
            company,
            year: start + years,
            quarter,
            index: index as u64,
            seed,
        },
        era,
    )
}

/// The file name and content of filing number `index`.
fn sample_filing(seed: u64, index: usize) -> (String, String) {
    let (plan, era) = plan_filing(seed, index);
    let parts = filing_parts(&plan);
    let accession = plan.accession();
    match era {
        Era::Text1990s => {
            let text = plain_text::plain_text(&plan, &parts);
            (
                format!("{accession}.txt"),
                submission::full_submission(&plan, Body::Text, &text),
            )
        }
        Era::Html2010 => {
            let text = html::html_of_2010(&plan, &parts);
            (
                format!("{accession}.txt"),
                submission::full_submission(&plan, Body::Html, &text),
            )
        }
        Era::LoneInlineXbrl => {
            let (ticker, period) = (plan.company.ticker.to_lowercase(), plan.period_end().compact());
            (
                format!("{ticker}-{period}-{index}.htm"),
                html::inline_xbrl(&plan, &parts),
            )
        }
        Era::Dissemination => {
            let text = html::inline_xbrl(&plan, &parts);
            (
                format!("{accession}.nc"),
                submission::dissemination(&plan, Body::InlineXbrl, &text),
            )
        }
        Era::SubmissionInlineXbrl => {
            let text = html::inline_xbrl(&plan, &parts);
            (
                format!("{accession}.txt"),
                submission::full_submission(&plan, Body::InlineXbrl, &text),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_same_seed_writes_the_same_bytes_and_another_seed_others() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, seed| {
            let options = SampleOptions {
                filings: 10,
                pages: 6,
                seed,
                out: folder.path().join(name),
            };
            write_sample(&options).unwrap();
            let mut names: Vec<_> = std::fs::read_dir(options.out.join("filings"))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            names.sort();
            assert_eq!(names.len(), 10);
            names.push(options.out.join("wiki").join(DUMP_NAME));
            names
                .iter()
                .map(|path| std::fs::read(path).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(write("a", 1), write("b", 1));
        assert_ne!(write("c", 1), write("d", 2));
    }

    #[test]
    fn an_existing_folder_is_left_alone_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let options = SampleOptions {
            filings: 1,
            pages: 0,
            ..SampleOptions::new(folder.path().to_owned())
        };
        assert!(write_sample(&options).is_err());
    }

    #[test]
    fn the_demo_sample_has_a_large_vocabulary_and_every_dialect() {
        let texts: Vec<(String, String)> = (0..40).map(|index| sample_filing(1, index)).collect();
        let words: BTreeSet<&str> = texts
            .iter()
            .flat_map(|(_, text)| text.split(|letter: char| !letter.is_ascii_lowercase()))
            .filter(|word| word.len() > 2)
            .collect();
        assert!(words.len() > 2_500, "{}", words.len());
        for mark in [
            "<PAGE>",
            "<S>",
            "<SEC-HEADER>",
            "<IMS-HEADER>",
            "<SUBMISSION>",
            "<ix:header>",
            "<FONT",
            "<TYPE>10-Q",
            "<TYPE>10-K",
        ] {
            assert!(texts.iter().any(|(_, text)| text.contains(mark)), "{mark}");
        }
        assert!(texts.iter().any(|(name, text)| text.starts_with("<?xml")
            && PathBuf::from(name).extension().is_some_and(|ext| ext == "htm")));
    }

    #[test]
    fn accession_numbers_and_names_are_unique() {
        let names: BTreeSet<String> = (0..200).map(|index| sample_filing(1, index).0).collect();
        assert_eq!(names.len(), 200);
    }
}
