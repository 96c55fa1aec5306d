//! One page of a dump, and what becomes of it.

use std::collections::BTreeMap;

use documents::{Block, BlockKind, Document, Outcome, TableRange};

use super::redirect::is_redirect;
use super::site::SiteInfo;
use super::wikitext::{TemplateCount, parse_wikitext};

/// A page as the dump has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawPage {
    /// Title, with its namespace's name.
    pub title: String,
    /// Namespace number; articles have 0.
    pub namespace: Option<i32>,
    /// Page number, which survives renaming.
    pub page_id: Option<u64>,
    /// Number of the revision that the dump holds.
    pub revision_id: Option<u64>,
    /// When that revision was saved, RFC 3339.
    pub timestamp: Option<String>,
    /// Content model (`wikitext`).
    pub model: Option<String>,
    /// The page only points to another.
    pub is_redirect: bool,
    /// The text.
    pub wikitext: String,
}

/// A page's title with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageResult {
    /// The title.
    pub title: String,
    /// Document, skip or rejection.
    pub outcome: Outcome,
    /// Templates that left nothing in the document, by name.
    pub templates_left_out: BTreeMap<String, u64>,
}

impl PageResult {
    /// What became of something that has no templates.
    pub(super) fn new(title: String, outcome: Outcome) -> Self {
        Self {
            title,
            outcome,
            templates_left_out: BTreeMap::new(),
        }
    }
}

impl RawPage {
    /// Reads the page as an article of `site`. Pure: any page gives an outcome.
    pub fn into_result(self, site: &SiteInfo) -> PageResult {
        let mut templates = BTreeMap::new();
        let outcome = self.outcome(site, &mut templates);
        let mut templates_left_out = BTreeMap::new();
        // What is no document has left everything out.
        if matches!(outcome, Outcome::Document(_)) {
            let left_out = templates.into_iter().filter(|(_, count)| count.left_out > 0);
            templates_left_out.extend(left_out.map(|(name, count)| (name, count.left_out)));
        }
        PageResult {
            title: self.title,
            outcome,
            templates_left_out,
        }
    }

    fn outcome(&self, site: &SiteInfo, templates: &mut BTreeMap<String, TemplateCount>) -> Outcome {
        if let Some(reason) = self.skip_reason() {
            return skipped(reason);
        }
        let (Some(page_id), Some(revision_id)) = (self.page_id, self.revision_id) else {
            return rejected("the page has no id or no revision id");
        };
        let article = parse_wikitext(&self.wikitext, site);
        *templates = article.templates;
        if article.is_disambiguation || self.title.ends_with("(disambiguation)") {
            return skipped("disambiguation page");
        }
        if article.blocks.is_empty() {
            return skipped("no text");
        }
        let mut blocks = vec![Block::new(
            BlockKind::Heading,
            self.title.split_whitespace().collect::<Vec<_>>().join(" "),
        )];
        blocks.retain(|block| !block.text.is_empty());
        let num_before = u32::try_from(blocks.len()).unwrap_or(0);
        blocks.extend(article.blocks);
        let tables = article.tables.into_iter().map(|table| TableRange {
            first_block: table.first_block + num_before,
            end_block: table.end_block + num_before,
        });
        Outcome::Document(Box::new(Document {
            id: format!("wiki:{page_id}:{revision_id}"),
            source: "wiki".to_owned(),
            accepted_at: self.timestamp.clone(),
            url: site.page_url(&self.title),
            title: Some(self.title.clone()),
            sha256: durable::sha256_hex(self.wikitext.as_bytes()),
            blocks,
            tables: tables.collect(),
            ..Document::default()
        }))
    }

    fn skip_reason(&self) -> Option<&'static str> {
        if self.namespace.is_some_and(|namespace| namespace != 0) {
            return Some("not an article (another namespace)");
        }
        // Old dumps have no `<redirect>` element.
        if self.is_redirect || is_redirect(&self.wikitext) {
            return Some("redirect");
        }
        let is_wikitext = self.model.as_deref().is_none_or(|model| model == "wikitext");
        (!is_wikitext).then_some("not wikitext")
    }
}

pub(super) fn skipped(reason: &str) -> Outcome {
    Outcome::Skipped {
        form: Some("wiki".to_owned()),
        reason: reason.to_owned(),
    }
}

pub(super) fn rejected(reason: &str) -> Outcome {
    Outcome::Rejected {
        reason: reason.to_owned(),
    }
}
