//! The tables of an invented filing.

use super::company::Company;
use super::figures::{Figures, grouped};
use super::parts::{Row, Table};
use super::plan::FilingPlan;

/// A line of a statement: label, XBRL concept and where its number is.
type Line = (&'static str, &'static str, fn(&Figures) -> i64);

/// Cents as dollars: `$1.05`.
pub(super) fn cents(amount: i64) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    format!("{sign}${}.{:02}", amount.abs() / 100, amount.abs() % 100)
}

fn row(label: &str, concept: &'static str, now: i64, before: i64) -> Row {
    Row {
        label: label.to_owned(),
        concept,
        cells: vec![grouped(now), grouped(before)],
        is_total: label.starts_with("Total") || label.starts_with("Net income"),
    }
}

fn columns(plan: &FilingPlan) -> Vec<String> {
    vec![plan.year.to_string(), (plan.year - 1).to_string()]
}

/// Revenue by segment, with its total.
pub(super) fn segments(plan: &FilingPlan, now: &Figures, before: &Figures) -> Table {
    let mut rows: Vec<Row> = Vec::new();
    for (index, segment) in plan.company.segments.iter().enumerate() {
        rows.push(row(
            segment,
            "Revenues",
            now.segments[index],
            before.segments[index],
        ));
    }
    rows.push(row("Total revenue", "Revenues", now.revenue, before.revenue));
    Table {
        caption: "Revenue by segment (in thousands)".to_owned(),
        columns: columns(plan),
        rows,
    }
}

/// The statement of income.
pub(super) fn income(plan: &FilingPlan, now: &Figures, before: &Figures) -> Table {
    let lines: [Line; 10] = [
        ("Revenue", "Revenues", |f| f.revenue),
        ("Cost of sales", "CostOfRevenue", |f| -f.cost_of_sales),
        ("Gross profit", "GrossProfit", |f| f.gross_profit),
        (
            "Selling, general and administrative",
            "SellingGeneralAndAdministrativeExpense",
            |f| -f.selling,
        ),
        ("Research and development", "ResearchAndDevelopmentExpense", |f| {
            -f.research
        }),
        ("Operating income", "OperatingIncomeLoss", |f| f.operating_income),
        ("Interest expense", "InterestExpense", |f| -f.interest),
        ("Income before income taxes", "IncomeLossBeforeIncomeTaxes", |f| {
            f.pretax_income
        }),
        ("Provision for income taxes", "IncomeTaxExpenseBenefit", |f| {
            -f.tax
        }),
        ("Net income", "NetIncomeLoss", |f| f.net_income),
    ];
    let mut rows = lines
        .map(|(label, concept, of)| row(label, concept, of(now), of(before)))
        .to_vec();
    rows.push(row(
        "Weighted average shares outstanding",
        "WeightedAverageNumberOfSharesOutstandingBasic",
        now.shares,
        before.shares,
    ));
    let per_share = [now, before]
        .map(|f| cents(f.earnings_cents).replace('$', ""))
        .to_vec();
    rows.push(Row {
        label: "Earnings per share".to_owned(),
        concept: "EarningsPerShareBasic",
        cells: per_share,
        is_total: true,
    });
    Table {
        caption: "Consolidated Statements of Income (in thousands, except per share)".to_owned(),
        columns: columns(plan),
        rows,
    }
}

/// The balance sheet.
pub(super) fn balance(plan: &FilingPlan, now: &Figures, before: &Figures) -> Table {
    let lines: [Line; 11] = [
        ("Cash and cash equivalents", "CashAndCashEquivalents", |f| f.cash),
        ("Accounts receivable, net", "AccountsReceivableNetCurrent", |f| {
            f.receivables
        }),
        ("Inventories", "InventoryNet", |f| f.inventories),
        (
            "Property, plant and equipment, net",
            "PropertyPlantAndEquipmentNet",
            |f| f.property,
        ),
        ("Goodwill", "Goodwill", |f| f.goodwill),
        ("Total assets", "Assets", |f| f.total_assets),
        ("Accounts payable", "AccountsPayableCurrent", |f| f.payables),
        ("Long-term debt", "LongTermDebt", |f| f.debt),
        ("Other liabilities", "OtherLiabilities", |f| f.other_liabilities),
        ("Total liabilities", "Liabilities", |f| f.total_liabilities),
        ("Total shareholders' equity", "StockholdersEquity", |f| f.equity),
    ];
    let rows = lines
        .map(|(label, concept, of)| row(label, concept, of(now), of(before)))
        .to_vec();
    Table {
        caption: "Consolidated Balance Sheets (in thousands)".to_owned(),
        columns: columns(plan),
        rows,
    }
}

/// Name, age and position of the executive officers.
pub(super) fn officers(company: &Company) -> Table {
    let rows = company.officers.iter().map(|officer| Row {
        label: officer.name.clone(),
        concept: "",
        cells: vec![officer.age.to_string(), officer.title.to_owned()],
        is_total: false,
    });
    Table {
        caption: "Executive officers".to_owned(),
        columns: vec!["Age".to_owned(), "Position".to_owned()],
        rows: rows.collect(),
    }
}
