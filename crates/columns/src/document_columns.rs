//! What a document has in the columns that all tables share, and in those of its items. It reads no
//! folders and writes no files.

use documents::{Document, Item, document_text, form_type};

use crate::column::{Column, Kind, Value};
use crate::members::Members;

/// The columns of a document before those of its items and its text, in the order that all tables have.
const COLUMNS: [(&str, Kind); 12] = [
    ("id", Kind::Word),
    ("cik", Kind::Word),
    ("ticker", Kind::Word),
    ("company", Kind::Word),
    ("form", Kind::Word),
    ("accession", Kind::Word),
    ("filed", Kind::Date),
    ("accepted_at", Kind::Instant),
    ("period", Kind::Date),
    ("fiscal_year", Kind::Integer),
    ("is_amendment", Kind::Flag),
    ("sic", Kind::Word),
];
pub(crate) const TICKER: usize = 2;
const ACCESSION: usize = 5;
const IS_AMENDMENT: usize = 10;

/// The columns of a table with a row a document: those that all tables share, `text`, and for each
/// item two, `item_1A` and `item_1A_status`.
#[derive(Debug, Clone, Default)]
pub struct DocumentColumns {
    items: Vec<Item>,
    members: Option<Members>,
}

/// A document as a row.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentRow {
    /// A value for each column.
    pub values: Vec<Value>,
    /// Dates of the document that are none; in their columns nothing stands.
    pub unreadable_dates: u64,
}

impl DocumentColumns {
    /// Those with these items; an item that is named twice has its columns once.
    pub fn with_items(items: &[Item]) -> Self {
        let mut own = Vec::new();
        for item in items {
            if !own.contains(item) {
                own.push(*item);
            }
        }
        Self {
            items: own,
            members: None,
        }
    }

    /// The same with the tickers of a table of members, each that of the day of filing: what the table does
    /// not say is null.
    #[must_use]
    pub fn and_members(self, members: Members) -> Self {
        Self {
            members: Some(members),
            ..self
        }
    }

    /// The items that have columns.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// All columns in order.
    pub fn columns(&self) -> Vec<Column> {
        let shared = COLUMNS.iter().map(|(name, kind)| Column::new(*name, *kind));
        let text = Column::new("text", Kind::Text);
        let items = self.items.iter().flat_map(|item| {
            [
                Column::new(format!("item_{item}"), Kind::Text),
                Column::new(format!("item_{item}_status"), Kind::Word),
            ]
        });
        shared.chain([text]).chain(items).collect()
    }

    /// What a document has in each column. Whether an exhibit is part of an amendment is left open:
    /// its report says so, which [`Amendments`] has seen before it.
    pub fn row(&self, document: &Document) -> DocumentRow {
        let mut unreadable_dates = 0;
        let mut date = |text: &Option<String>, read: fn(&str) -> Option<Value>| {
            let value = text.as_deref().map(read);
            unreadable_dates += u64::from(matches!(value, Some(None)));
            value.flatten().unwrap_or(Value::Null)
        };
        let (filed, accepted_at, period) = (
            date(&document.filed, Value::date),
            date(&document.accepted_at, Value::instant),
            date(&document.period, Value::date),
        );
        let ticker = self.ticker(document, &filed);
        let mut values = vec![
            Value::Text(document.id.clone()),
            Value::text(document.cik.as_deref()),
            Value::text(ticker),
            Value::text(document.company.as_deref()),
            Value::Text(document.source.clone()),
            Value::text(accession(&document.id)),
            filed,
            accepted_at,
            period,
            document
                .fiscal_year
                .map_or(Value::Null, |year| Value::Integer(year.into())),
            is_amendment(document).map_or(Value::Null, Value::Flag),
            Value::text(document.sic.as_deref()),
            Value::Text(document_text(document)),
        ];
        for item in &self.items {
            values.push(item.text(document).map_or(Value::Null, Value::Text));
            values.push(Value::text(
                item.status(document).map(documents::SectionStatus::name),
            ));
        }
        DocumentRow {
            values,
            unreadable_dates,
        }
    }
}

impl DocumentColumns {
    fn ticker<'d>(&'d self, document: &'d Document, filed: &Value) -> Option<&'d str> {
        match (&self.members, &document.cik, filed) {
            (None, ..) => document.tickers.first().map(String::as_str),
            (Some(members), Some(cik), Value::Date(day)) => members.ticker(cik, *day, &document.tickers),
            (Some(_), ..) => None,
        }
    }
}

/// Tells exhibits whether they are part of an amendment: they follow the report of their filing.
#[derive(Debug, Clone, Default)]
pub struct Amendments {
    /// The accession number of the last report, and whether it is an amendment.
    last_report: Option<(Value, Value)>,
}

impl Amendments {
    /// Fills in what a row of [`DocumentColumns`] leaves open; rows come in the order of the folder.
    pub fn complete(&mut self, values: &mut [Value]) {
        let Some([accession, .., is_amendment]) = values.get_mut(ACCESSION..=IS_AMENDMENT) else {
            return;
        };
        if *accession == Value::Null {
            return;
        }
        if *is_amendment != Value::Null {
            self.last_report = Some((accession.clone(), is_amendment.clone()));
        } else if let Some((of_report, flag)) = &self.last_report
            && of_report == accession
        {
            *is_amendment = flag.clone();
        }
    }
}

/// The accession number that the id of a filing's document begins with.
fn accession(id: &str) -> Option<&str> {
    let (number, _) = id.split_once(':')?;
    let is_plain = |(at, byte): (usize, u8)| match at {
        10 | 13 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    (number.len() == 20 && number.bytes().enumerate().all(is_plain)).then_some(number)
}

/// Whether a report is an amendment; nothing for a document that is no report.
fn is_amendment(document: &Document) -> Option<bool> {
    let form = document.source.as_str();
    form_type::is_periodic_report(form).then(|| form_type::without_amendment(form) != form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use documents::{Block, BlockKind, Section, SectionStatus};

    fn filing() -> Document {
        let line = |text: &str| Block::new(BlockKind::Paragraph, text);
        Document {
            id: "0000000009-18-000001:1".to_owned(),
            source: "10-K".to_owned(),
            cik: Some("0000000009".to_owned()),
            company: Some("Oak Mills Inc".to_owned()),
            tickers: vec!["OAK".to_owned(), "OAK-P".to_owned()],
            sic: Some("2400".to_owned()),
            filed: Some("2018-02-16".to_owned()),
            accepted_at: Some("2018-02-16T16:30:12-05:00".to_owned()),
            period: Some("2017-12-31".to_owned()),
            fiscal_year: Some(2017),
            blocks: vec![
                line("Item 7"),
                line("Sales rose."),
                line("Item 8"),
                line("See F-1."),
            ],
            sections: vec![
                Section::new("7", SectionStatus::Found, 0..2),
                Section::new("8", SectionStatus::NotFound, 0..0),
            ],
            ..Document::default()
        }
    }

    /// The values of a row by the names of their columns.
    fn values(columns: &DocumentColumns, document: &Document) -> Vec<(String, Value)> {
        let names = columns.columns().into_iter().map(|column| column.name);
        names.zip(columns.row(document).values).collect()
    }

    fn value(columns: &DocumentColumns, document: &Document, name: &str) -> Value {
        let values = values(columns, document);
        let found = values.into_iter().find(|(own, _)| own == name);
        found.unwrap_or_else(|| panic!("there is no column {name}")).1
    }

    fn items(names: &[&str]) -> Vec<Item> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn columns_stand_in_their_order_and_an_item_has_two() {
        let columns = DocumentColumns::with_items(&items(&["1A", "I.2", "1a"]));
        let names: Vec<String> = columns.columns().into_iter().map(|column| column.name).collect();
        assert_eq!(
            names.join(" "),
            "id cik ticker company form accession filed accepted_at period fiscal_year is_amendment sic text \
             item_1A item_1A_status item_I.2 item_I.2_status"
        );
        assert_eq!(columns.row(&filing()).values.len(), names.len());
        assert_eq!(COLUMNS[TICKER].0, "ticker");
        assert_eq!(COLUMNS[ACCESSION].0, "accession");
        assert_eq!(COLUMNS[IS_AMENDMENT].0, "is_amendment");
    }

    #[test]
    fn every_value_fits_its_column() {
        let columns = DocumentColumns::with_items(&items(&["7", "8"]));
        for document in [filing(), Document::default()] {
            let kinds = columns.columns().into_iter().map(|column| column.kind);
            for (kind, value) in kinds.zip(columns.row(&document).values) {
                assert!(value.is_of(kind), "{value:?} of {kind:?}");
            }
        }
    }

    #[test]
    fn a_filing_has_its_accession_number_first_ticker_and_text() {
        let columns = DocumentColumns::default();
        for (name, text) in [
            ("accession", "0000000009-18-000001"),
            ("ticker", "OAK"),
            ("form", "10-K"),
            ("text", "Item 7\nSales rose.\nItem 8\nSee F-1."),
        ] {
            assert_eq!(
                value(&columns, &filing(), name),
                Value::Text(text.to_owned()),
                "{name}"
            );
        }
        assert_eq!(value(&columns, &filing(), "fiscal_year"), Value::Integer(2017));
        for id in [
            "text:0000000009-18-000001",
            "wiki:1:2",
            "file:0123456789abcdef",
            "0000000009-18-00000a:1",
        ] {
            let other = Document {
                id: id.to_owned(),
                ..filing()
            };
            assert_eq!(value(&columns, &other, "accession"), Value::Null, "{id}");
        }
    }

    #[test]
    fn an_item_has_its_text_and_an_item_without_text_a_status_that_says_why() {
        let columns = DocumentColumns::with_items(&items(&["7", "8", "I.2"]));
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(value(&columns, &filing(), "item_7"), text("Item 7\nSales rose."));
        assert_eq!(value(&columns, &filing(), "item_7_status"), text("found"));
        assert_eq!(value(&columns, &filing(), "item_8"), Value::Null);
        assert_eq!(value(&columns, &filing(), "item_8_status"), text("not_found"));
        assert_eq!(value(&columns, &filing(), "item_I.2_status"), Value::Null);
        let columns = DocumentColumns::with_items(&items(&["1A"]));
        assert_eq!(value(&columns, &filing(), "item_1A_status"), Value::Null);
    }

    #[test]
    fn with_members_the_ticker_is_theirs_on_the_day_of_filing_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("members.csv");
        let text = "cik,ticker,start_date,end_date\n9,LOG,2010-01-04,2018-02-16\n9,OAK-P,2018-02-16,\n";
        durable::commit_bytes(&durable::DISK, &path, text.as_bytes()).unwrap();
        let columns = DocumentColumns::default().and_members(Members::read(&path).unwrap());
        let on = |filed: Option<&str>, cik: Option<&str>| {
            let document = Document {
                filed: filed.map(str::to_owned),
                cik: cik.map(str::to_owned),
                ..filing()
            };
            value(&columns, &document, "ticker")
        };
        let cik = Some("0000000009");
        assert_eq!(on(Some("2018-02-15"), cik), Value::Text("LOG".to_owned()));
        assert_eq!(on(Some("2018-02-16"), cik), Value::Text("OAK-P".to_owned()));
        assert_eq!(on(Some("2009-02-16"), cik), Value::Null);
        assert_eq!(on(None, cik), Value::Null);
        assert_eq!(on(Some("2018-02-15"), None), Value::Null);
    }

    #[test]
    fn a_date_that_is_none_is_null_and_counted() {
        let document = Document {
            filed: Some("soon".to_owned()),
            accepted_at: Some("2018-02-16".to_owned()),
            period: None,
            ..filing()
        };
        let columns = DocumentColumns::default();
        assert_eq!(columns.row(&document).unreadable_dates, 2);
        for name in ["filed", "accepted_at", "period"] {
            assert_eq!(value(&columns, &document, name), Value::Null, "{name}");
        }
        assert_eq!(columns.row(&filing()).unreadable_dates, 0);
    }

    #[test]
    fn an_exhibit_is_an_amendment_with_the_report_before_it() {
        let columns = DocumentColumns::default();
        let mut amendments = Amendments::default();
        let mut flag = |id: &str, form: &str| {
            let document = Document {
                id: id.to_owned(),
                source: form.to_owned(),
                ..filing()
            };
            let mut row = columns.row(&document);
            amendments.complete(&mut row.values);
            row.values[IS_AMENDMENT].clone()
        };
        for (id, form, expected) in [
            ("0000000009-18-000001:2", "EX-13", Value::Null),
            ("0000000009-18-000001:1", "10-K/A", Value::Flag(true)),
            ("0000000009-18-000001:3", "EX-13", Value::Flag(true)),
            ("wiki:1:2", "wiki", Value::Null),
            ("0000000009-18-000002:3", "EX-13", Value::Null),
            ("0000000009-18-000003:1", "10-Q", Value::Flag(false)),
            ("0000000009-18-000003:2", "EX-13", Value::Flag(false)),
            ("text:1", "10-K/A", Value::Flag(true)),
            ("text:2", "news", Value::Null),
        ] {
            assert_eq!(flag(id, form), expected, "{id}");
        }
    }
}
