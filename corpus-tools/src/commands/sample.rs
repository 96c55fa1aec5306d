//! `tenk-corpus sample`.

use anyhow::Result;
use corpus::grouped;
use sample::{SampleOptions, write_sample};

use crate::arguments::Sample;
use crate::output::print;

pub(crate) fn run(arguments: &Sample) -> Result<()> {
    let mut options = SampleOptions::new(arguments.out.clone());
    options.filings = arguments.filings.unwrap_or(options.filings);
    options.pages = arguments.pages.unwrap_or(options.pages);
    options.seed = arguments.seed.unwrap_or(options.seed);
    let report = write_sample(&options)?;
    print(&format!(
        "{} filings of {} invented companies ({} bytes) and {} articles\nwritten: {}\n",
        grouped(report.filings as u64),
        grouped(report.companies as u64),
        grouped(report.filing_bytes),
        grouped(report.pages as u64),
        arguments.out.display()
    ))
}
