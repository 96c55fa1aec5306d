//! The inline-XBRL facts that say what a filing is (`dei:DocumentType` and its kin), gathered
//! while the page is read. It neither resolves contexts nor reads figures: the first statement of
//! a fact is the registrant's own.

use documents::{form_type, one_line};

use super::dates;

/// What the cover page's facts say; `None` where there is no such fact.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct InlineFacts {
    pub(crate) form: Option<String>,
    pub(crate) company: Option<String>,
    pub(crate) cik: Option<String>,
    pub(crate) tickers: Vec<String>,
    pub(crate) period: Option<String>,
    pub(crate) fiscal_year: Option<i32>,
    pub(crate) fiscal_period: Option<String>,
    pub(crate) fiscal_year_end: Option<String>,
    pub(crate) filer_category: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Fact {
    Form,
    Company,
    Cik,
    Ticker,
    Period,
    FiscalYear,
    FiscalPeriod,
    FiscalYearEnd,
    FilerCategory,
}

/// Facts hold a few words; text beyond this is not one.
const LONGEST_FACT_BYTES: usize = 512;

/// Real pages nest two; more would cost time for each piece of text.
const MOST_OPEN_FACTS: usize = 8;

#[derive(Debug)]
struct OpenFact {
    fact: Fact,
    depth: usize,
    text: String,
}

/// Gathers facts from a stream of elements and text.
#[derive(Debug, Default)]
pub(crate) struct FactCollector {
    facts: InlineFacts,
    announced: Option<Fact>,
    open: Vec<OpenFact>,
}

impl FactCollector {
    /// The `name` attribute of an `ix:nonNumeric` element.
    pub(crate) fn announce(&mut self, name: &[u8]) {
        let Some(name) = name
            .get(..4)
            .filter(|prefix| prefix.eq_ignore_ascii_case(b"dei:"))
            .map(|_| &name[4..])
        else {
            return;
        };
        self.announced = Some(match name {
            b"DocumentType" => Fact::Form,
            b"EntityRegistrantName" => Fact::Company,
            b"EntityCentralIndexKey" => Fact::Cik,
            b"TradingSymbol" => Fact::Ticker,
            b"DocumentPeriodEndDate" => Fact::Period,
            b"DocumentFiscalYearFocus" => Fact::FiscalYear,
            b"DocumentFiscalPeriodFocus" => Fact::FiscalPeriod,
            b"CurrentFiscalYearEndDate" => Fact::FiscalYearEnd,
            b"EntityFilerCategory" => Fact::FilerCategory,
            _ => return,
        });
    }

    /// The element that the announced name stood on has no content.
    pub(crate) fn forget_announced(&mut self) {
        self.announced = None;
    }

    /// The element opens; the stack of elements has `depth` with it.
    pub(crate) fn open(&mut self, depth: usize) {
        if let Some(fact) = self
            .announced
            .take()
            .filter(|_| self.open.len() < MOST_OPEN_FACTS)
        {
            self.open.push(OpenFact {
                fact,
                depth,
                text: String::new(),
            });
        }
    }

    /// Text inside whatever is open, shown or hidden.
    pub(crate) fn text(&mut self, text: &str) {
        for open in &mut self.open {
            if open.text.len() < LONGEST_FACT_BYTES {
                open.text.push_str(text);
            }
        }
    }

    /// The element at `depth` closes.
    pub(crate) fn close(&mut self, depth: usize) {
        while let Some(open) = self.open.pop_if(|open| open.depth >= depth) {
            self.record(open.fact, one_line(&open.text));
        }
    }

    /// The element at `position` has left the middle of the stack.
    pub(crate) fn removed(&mut self, position: usize) {
        for open in self.open.iter_mut().filter(|open| open.depth > position) {
            open.depth -= 1;
        }
    }

    fn record(&mut self, fact: Fact, text: String) {
        if text.is_empty() || text.len() > LONGEST_FACT_BYTES {
            return;
        }
        let facts = &mut self.facts;
        let keep = |field: &mut Option<String>, value: Option<String>| {
            if field.is_none() {
                *field = value;
            }
        };
        match fact {
            Fact::Form => keep(&mut facts.form, Some(form_type::normalize(&text))),
            Fact::Company => keep(&mut facts.company, Some(text)),
            Fact::Cik => keep(&mut facts.cik, cik(&text)),
            Fact::Ticker => {
                if !is_none_word(&text) && !facts.tickers.contains(&text) {
                    facts.tickers.push(text);
                }
            }
            Fact::Period => keep(&mut facts.period, dates::first_date(&text)),
            Fact::FiscalYear => facts.fiscal_year = facts.fiscal_year.or_else(|| text.parse().ok()),
            Fact::FiscalPeriod => keep(&mut facts.fiscal_period, Some(text.to_ascii_uppercase())),
            Fact::FiscalYearEnd => keep(&mut facts.fiscal_year_end, dates::year_end(&text)),
            Fact::FilerCategory => keep(&mut facts.filer_category, Some(text)),
        }
    }

    pub(crate) fn finish(self) -> InlineFacts {
        self.facts
    }
}

/// A Central Index Key with its leading zeros.
pub(crate) fn cik(text: &str) -> Option<String> {
    let digits = text.trim();
    let is_key = (1..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_key.then(|| format!("{digits:0>10}"))
}

fn is_none_word(text: &str) -> bool {
    ["none", "n/a", "not applicable"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_statement_of_a_fact_counts_and_tickers_add_up() {
        let mut collector = FactCollector::default();
        for (name, text) in [
            ("dei:DocumentType", "10\u{2011}k"),
            ("dei:EntityRegistrantName", "Alder Mills, Inc."),
            ("dei:EntityRegistrantName", "Alder Mills Leasing"),
            ("dei:TradingSymbol", "ALDR"),
            ("dei:TradingSymbol", "None"),
            ("dei:TradingSymbol", "ALDR"),
            ("dei:TradingSymbol", "ALDR30"),
            ("dei:EntityCentralIndexKey", "12345"),
            ("us-gaap:Revenues", "1"),
        ] {
            collector.announce(name.as_bytes());
            collector.open(3);
            collector.text(text);
            collector.close(3);
        }
        let facts = collector.finish();
        assert_eq!(facts.form.as_deref(), Some("10-K"));
        assert_eq!(facts.company.as_deref(), Some("Alder Mills, Inc."));
        assert_eq!(facts.tickers, ["ALDR", "ALDR30"]);
        assert_eq!(facts.cik.as_deref(), Some("0000012345"));
    }

    #[test]
    fn a_fact_that_swallows_the_page_is_no_fact() {
        let mut collector = FactCollector::default();
        collector.announce(b"dei:DocumentType");
        collector.open(1);
        for _ in 0..1000 {
            collector.text("10-K or not");
        }
        collector.close(1);
        assert_eq!(collector.finish(), InlineFacts::default());
    }
}
