//! Wikitext to blocks: headings, paragraphs, list items and table rows as a reader sees them.
//!
//! Three passes, each linear in the text whatever is nested or left open in it: [`scan`] pairs
//! the markup with a stack, [`resolve`] writes the text that the markup stands for, [`lines`]
//! cuts it into blocks. No pass looks at the clock, so the corpus does not depend on load.
//! Templates are dropped and counted by name, but for those whose words belong to the sentence
//! (`convert`, `lang`): [`templates`] lists them. So are references, files, categories and
//! galleries. Nothing is fetched or expanded.

mod arguments;
mod cells;
mod dates;
mod lines;
mod measures;
mod numbers;
mod parameters;
mod resolve;
mod scan;
mod sentinel;
mod switches;
mod table;
mod tags;
mod template_names;
mod templates;
mod tidy;
mod tokens;
mod values;
mod variants;
mod work;

use std::collections::BTreeMap;

use documents::{Block, TableRange};

pub use resolve::TemplateCount;

use super::site::SiteInfo;

/// What a page's wikitext says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Article {
    /// The text in reading order.
    pub blocks: Vec<Block>,
    /// The tables among the blocks.
    pub tables: Vec<TableRange>,
    /// Templates by name.
    pub templates: BTreeMap<String, TemplateCount>,
    /// The page only lists what its title may mean.
    pub is_disambiguation: bool,
}

/// Reads the wikitext of a page of `site`.
pub fn parse_wikitext(wikitext: &str, site: &SiteInfo) -> Article {
    let scanned = scan::scan(wikitext);
    let resolved = resolve::resolve(wikitext, &scanned, site);
    let (blocks, tables) = lines::blocks(&resolved.text);
    Article {
        blocks,
        tables,
        templates: resolved.templates,
        is_disambiguation: resolved.is_disambiguation,
    }
}

/// One line of text that was extracted before: entities and blanks in order, nothing that looks
/// like markup.
pub(super) fn plain_line(text: &str) -> String {
    let letters = text.chars().filter(|letter| !sentinel::is_ours(*letter));
    tidy::tidied(&letters.collect::<String>())
}

#[cfg(test)]
mod tests;
