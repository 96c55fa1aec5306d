//! The headings of a page, and the anchors that a link may name.

use std::collections::{BTreeMap, BTreeSet};

/// The headings of a page in order, without their marks; what stands in code is none.
pub(crate) fn headings(page: &str) -> Vec<String> {
    let mut in_code = false;
    let mut found = Vec::new();
    for line in page.lines() {
        in_code ^= line.trim_start().starts_with("```");
        let text = line.trim_start_matches('#');
        let level = line.len() - text.len();
        if !in_code && (1..=6).contains(&level) && text.starts_with(' ') {
            found.push(text.trim().replace('`', ""));
        }
    }
    found
}

/// The anchors of a page as the pages of repositories name them; a heading that comes again gets a number.
pub(crate) fn anchors(page: &str) -> BTreeSet<String> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let names = headings(page).into_iter().map(|heading| {
        let anchor = anchor_of(&heading);
        let before = times.entry(anchor.clone()).or_insert(0);
        *before += 1;
        match *before {
            1 => anchor,
            more => format!("{anchor}-{}", more - 1),
        }
    });
    names.collect()
}

fn anchor_of(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_the_heading_in_small_letters_with_hyphens() {
        let page = "# The map, `x` & more\n```\n# no heading\n```\n## Parts\n#no heading\n## Parts\n";
        let expected = ["parts", "parts-1", "the-map-x--more"].map(str::to_owned);
        assert_eq!(anchors(page), BTreeSet::from(expected));
        assert_eq!(headings(page), ["The map, x & more", "Parts", "Parts"]);
    }
}
