//! What a filing's sentences may say: its company's names, its figures, and the words that agree
//! with how the figures moved.

use super::figures::{Figures, dollars, grouped, percent_change};
use super::plan::FilingPlan;
use super::prose::{Lexicon, Prose};
use super::tables;
use super::words;

/// `increased` or `decreased` and its company, by what the figures did.
pub(super) fn set_direction(prose: &mut Prose, names: [&'static str; 4], before: i64, now: i64) {
    let up = now >= before;
    prose.fact(names[0], if up { "increased" } else { "decreased" });
    prose.fact(names[1], percent_change(before, now));
    prose.fact(names[2], if up { "higher" } else { "lower" });
    prose.fact(names[3], if up { "increase" } else { "decrease" });
}

/// `part` of `whole` in percent with one decimal place.
fn ratio(part: i64, whole: i64) -> String {
    let tenths = part * 1_000 / whole.max(1);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// The words and facts of one filing.
pub(super) fn filing_prose(plan: &FilingPlan, now: &Figures, before: &Figures) -> Prose {
    let company = &plan.company;
    let topic = company.topic;
    let mut lexicon = Lexicon::general(usize::try_from(company.index % 12).expect("below 12"));
    for (name, list) in [
        ("materials", topic.materials),
        ("process", topic.processes),
        ("customers", topic.customers),
        ("hazards", topic.hazards),
        ("quality", topic.qualities),
    ] {
        lexicon.insert(name, words::items(list));
    }
    lexicon.insert("segment", company.segments.clone());
    lexicon.insert(
        "products",
        company
            .products
            .iter()
            .map(|product| words::plural(product))
            .collect(),
    );
    lexicon.insert(
        "site",
        company.sites.iter().map(|(site, _)| site.clone()).collect(),
    );
    lexicon.insert(
        "place",
        company.sites.iter().map(|(_, place)| place.clone()).collect(),
    );
    let mut prose = Prose::new(lexicon);
    company_facts(&mut prose, plan);
    money_facts(&mut prose, now, before);
    prose
}

fn company_facts(prose: &mut Prose, plan: &FilingPlan) {
    let company = &plan.company;
    prose.fact("company", company.name.as_str());
    prose.fact("short", company.short_name.as_str());
    prose.fact("city", company.city.as_str());
    prose.fact("state", company.state.1);
    prose.fact("street", company.street.as_str());
    prose.fact("founded", company.founded.to_string());
    prose.fact("industry", company.topic.industry);
    prose.fact("competitor", company.competitor.as_str());
    prose.fact("auditor", company.auditor.as_str());
    prose.fact("ceo", company.officers[0].name.as_str());
    prose.fact("cfo", company.officers[1].name.as_str());
    prose.fact("year", plan.year.to_string());
    prose.fact("prior_year", (plan.year - 1).to_string());
    prose.fact("next_year", (plan.year + 1).to_string());
    prose.fact("late_year", (plan.year + 11).to_string());
    prose.fact("period", plan.period_name(plan.year));
    prose.fact("prior_period", plan.period_name(plan.year - 1));
}

/// Reads one amount out of the figures.
type Amount = fn(&Figures) -> i64;

fn money_facts(prose: &mut Prose, now: &Figures, before: &Figures) {
    let amounts: [(&'static str, &'static str, Amount); 12] = [
        ("revenue", "prior_revenue", |f| f.revenue),
        ("gross", "prior_gross", |f| f.gross_profit),
        ("selling", "prior_selling", |f| f.selling),
        ("research", "prior_research", |f| f.research),
        ("net", "prior_net", |f| f.net_income),
        ("interest", "prior_interest", |f| f.interest),
        ("cash", "prior_cash", |f| f.cash),
        ("debt", "prior_debt", |f| f.debt),
        ("capital", "prior_capital", |f| f.capital_spending),
        ("operating_cash", "prior_operating_cash", |f| f.operating_cash),
        ("receivables", "prior_receivables", |f| f.receivables),
        ("inventories", "prior_inventories", |f| f.inventories),
    ];
    for (name, prior_name, of) in amounts {
        prose.fact(name, dollars(of(now)));
        prose.fact(prior_name, dollars(of(before)));
    }
    money_directions(prose, now, before);
    money_ratios(prose, now, before);
    prose.fact("goodwill", dollars(now.goodwill));
    prose.fact("employees", grouped(now.employees));
    prose.fact("eps", tables::cents(now.earnings_cents));
    prose.fact("prior_eps", tables::cents(before.earnings_cents));
    prose.fact("risk_amount", dollars(now.cost_of_sales / 90));
    prose.fact("rate_amount", dollars(now.debt / 100));
}

/// Which amounts rose and which fell, and by how much.
fn money_directions(prose: &mut Prose, now: &Figures, before: &Figures) {
    set_direction(
        prose,
        ["revenue_dir", "revenue_pct", "revenue_adj", "revenue_noun"],
        before.revenue,
        now.revenue,
    );
    set_direction(
        prose,
        ["selling_dir", "selling_pct", "selling_adj", "selling_noun"],
        before.selling,
        now.selling,
    );
    set_direction(
        prose,
        ["research_dir", "research_pct", "research_adj", "research_noun"],
        before.research,
        now.research,
    );
    set_direction(
        prose,
        ["net_dir", "net_pct", "net_adj", "net_noun"],
        before.net_income,
        now.net_income,
    );
    let names = [
        "operating_cash_dir",
        "operating_cash_pct",
        "operating_cash_adj",
        "operating_cash_noun",
    ];
    set_direction(prose, names, before.operating_cash, now.operating_cash);
}

/// The margin and the tax rate, and where they went.
fn money_ratios(prose: &mut Prose, now: &Figures, before: &Figures) {
    let margins = [before, now].map(|f| f.gross_profit * 1_000 / f.revenue.max(1));
    prose.fact(
        "margin_dir",
        if margins[1] >= margins[0] {
            "improved"
        } else {
            "declined"
        },
    );
    prose.fact(
        "margin_cause",
        if margins[1] >= margins[0] { "fell" } else { "rose" },
    );
    prose.fact("margin", ratio(now.gross_profit, now.revenue));
    prose.fact("prior_margin", ratio(before.gross_profit, before.revenue));
    let taxes = [before, now].map(|f| f.tax * 1_000 / f.pretax_income.max(1));
    prose.fact("tax_dir", if taxes[1] >= taxes[0] { "rose" } else { "fell" });
    prose.fact("tax_rate", ratio(now.tax, now.pretax_income));
    prose.fact("prior_tax_rate", ratio(before.tax, before.pretax_income));
}
