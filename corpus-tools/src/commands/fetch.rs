//! `tenk-corpus fetch`.

use anyhow::{Result, bail};
use corpus::grouped;
use fetch::{
    Connection,
    edgar::{CompanyChoice, FetchOptions, FetchReport, fetch_filings, read_cik_list, read_list},
    wikipedia::{DumpFetched, DumpOptions, fetch_dump},
};

use crate::arguments::Fetch;
use crate::output::{Table, print, print_json, push_line};
use crate::progress_bar::Bar;

pub(crate) fn run(arguments: &Fetch) -> Result<()> {
    let connection = Connection {
        user_agent: arguments.user_agent.clone(),
        rate: arguments.requests_per_second,
        retries: arguments.retries,
        base_url: arguments.base_url.clone(),
    };
    match &arguments.wiki {
        Some(wiki) => dump(arguments, connection, wiki),
        None => filings(arguments, connection),
    }
}

fn dump(arguments: &Fetch, connection: Connection, wiki: &str) -> Result<()> {
    let options = DumpOptions {
        out: arguments.out.clone(),
        connection,
        wiki: wiki.to_owned(),
        dump: arguments.dump.clone(),
        file: arguments.wiki_file.clone(),
    };
    let fetched = fetch_dump(&options, &Bar::default())?;
    if arguments.json {
        return print_json(&fetched);
    }
    print(&dump_summary(&fetched))
}

fn dump_summary(fetched: &DumpFetched) -> String {
    format!(
        "{} bytes, {} of them fetched now; {} as the archive states it\nwritten: {}\n",
        grouped(fetched.bytes),
        grouped(fetched.fetched_bytes),
        fetched.checksum,
        fetched.path.display()
    )
}

fn filings(arguments: &Fetch, connection: Connection) -> Result<()> {
    let options = FetchOptions {
        out: arguments.out.clone(),
        connection,
        companies: companies(arguments)?,
        forms: arguments.form.clone(),
        filed_from: arguments.filed_from,
        filed_to: arguments.filed_to,
        listing: arguments.listing,
        threads: arguments.threads,
    };
    let report = fetch_filings(&options, &Bar::default())?;
    if arguments.json {
        print_json(&report)?;
    } else {
        print(&summary(&report))?;
        print(&format!("written: {}\n", arguments.out.display()))?;
    }
    if report.not_fetched.is_empty() {
        return Ok(());
    }
    bail!(
        "{} of {} filings could not be fetched, listed with their reasons in {}; run the command again to try only them",
        grouped(report.not_fetched.len() as u64),
        grouped(report.selected),
        arguments.out.join("not_fetched.tsv").display()
    )
}

fn companies(arguments: &Fetch) -> Result<CompanyChoice> {
    let mut choice = CompanyChoice {
        ciks: arguments.cik.clone(),
        tickers: arguments.ticker.clone(),
        members: arguments.members.clone(),
    };
    if let Some(path) = &arguments.cik_list {
        choice.ciks.extend(read_cik_list(path)?);
    }
    if let Some(path) = &arguments.ticker_list {
        choice.tickers.extend(read_list(path)?);
    }
    // An empty list asks for nobody, not for everybody.
    if choice.is_everybody() && !arguments.all_companies {
        bail!("the lists name no company; add some, or ask for all of them with --all-companies");
    }
    Ok(choice)
}

fn summary(report: &FetchReport) -> String {
    let mut table = Table::new(&["form", "filings"]);
    for (form, filings) in &report.forms {
        table.row(vec![form.clone(), grouped(*filings)]);
    }
    table.row(vec!["all".into(), grouped(report.selected)]);
    let mut text = table.render();
    push_line(
        &mut text,
        format_args!(
            "{} were there, {} were fetched ({} bytes), {} could not be; {} requests, {} of them repeated",
            grouped(report.already_there),
            grouped(report.fetched),
            grouped(report.fetched_bytes),
            grouped(report.not_fetched.len() as u64),
            grouped(report.requests),
            grouped(report.retries)
        ),
    );
    if report.damaged > 0 {
        push_line(
            &mut text,
            format_args!(
                "{} of those fetched replace files that were no longer what filings.tsv says",
                grouped(report.damaged)
            ),
        );
    }
    for (what, names, advice) in [
        (
            "tickers not found",
            &report.tickers_not_found,
            "; give their CIKs in the members file",
        ),
        (
            "former members found by who has their ticker today",
            &report.former_members_by_todays_ticker,
            "; a CIK in the members file makes sure",
        ),
        (
            "companies without such filings",
            &report.companies_without_filings,
            "",
        ),
    ] {
        if !names.is_empty() {
            push_line(
                &mut text,
                format_args!("{what}: {}{advice}", grouped(names.len() as u64)),
            );
            push_line(&mut text, format_args!("  {}", names.join(", ")));
        }
    }
    text
}
