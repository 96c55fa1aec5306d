//! One page of a dump, and what becomes of it.

use documents::{Block, BlockKind, Document, Outcome};

use super::site::SiteInfo;
use super::wikitext::parse_wikitext;

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
}

impl RawPage {
    /// Reads the page as an article of `site`. Pure: any page gives an outcome.
    pub fn into_result(self, site: &SiteInfo) -> PageResult {
        let outcome = self.outcome(site);
        PageResult {
            title: self.title,
            outcome,
        }
    }

    fn outcome(&self, site: &SiteInfo) -> Outcome {
        if let Some(reason) = self.skip_reason() {
            return skipped(reason);
        }
        let (Some(page_id), Some(revision_id)) = (self.page_id, self.revision_id) else {
            return rejected("the page has no id or no revision id");
        };
        let article = parse_wikitext(&self.wikitext, site);
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
        blocks.extend(article.blocks);
        Outcome::Document(Box::new(Document {
            id: format!("wiki:{page_id}:{revision_id}"),
            source: "wiki".to_owned(),
            accepted_at: self.timestamp.clone(),
            url: site.page_url(&self.title),
            title: Some(self.title.clone()),
            sha256: durable::sha256_hex(self.wikitext.as_bytes()),
            blocks,
            ..Document::default()
        }))
    }

    fn skip_reason(&self) -> Option<&'static str> {
        if self.namespace.is_some_and(|namespace| namespace != 0) {
            return Some("not an article (another namespace)");
        }
        if self.is_redirect || self.starts_as_redirect() {
            return Some("redirect");
        }
        let is_wikitext = self.model.as_deref().is_none_or(|model| model == "wikitext");
        (!is_wikitext).then_some("not wikitext")
    }

    /// Old dumps have no `<redirect>` element.
    fn starts_as_redirect(&self) -> bool {
        let start = self.wikitext.trim_start();
        start
            .get(..9)
            .is_some_and(|start| start.eq_ignore_ascii_case("#redirect"))
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
