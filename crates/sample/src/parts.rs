//! The pieces that a filing is made of, before any format.

/// A piece of a filing.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// A centered line of the cover page.
    Cover(String),
    /// `Item 7. ...`
    Heading(String),
    /// A heading inside an item.
    SubHeading(String),
    /// A paragraph of prose.
    Paragraph(String),
    /// A list item.
    Bullet(String),
    /// A financial table.
    Table(Table),
    /// A page ends here.
    PageBreak,
}

/// A table: column heads, then rows of a label and its cells.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// A row of a financial table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) label: String,
    /// The XBRL concept of the row's numbers.
    pub(super) concept: &'static str,
    pub(super) cells: Vec<String>,
    /// Totals have a dollar sign and a rule above them.
    pub(super) is_total: bool,
}
