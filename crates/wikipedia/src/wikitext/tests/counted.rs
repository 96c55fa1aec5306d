//! How many of the listed templates vanish, over the real pages.

use std::path::{Path, PathBuf};

use super::*;
use crate::cut::{Cutter, Piece};
use crate::export::{parse_header, parse_page};

type Counts = BTreeMap<String, TemplateCount>;

#[test]
fn templates_that_left_nothing_are_counted_by_name() {
    let article = parse_wikitext(
        "{{Cite web|x}} {{cite_web}}<ref>{{cite book}}</ref> {{convert|x|y}} {{convert|5|km}} {{z|{{inner}}}}",
        &SiteInfo::default(),
    );
    let counts = |name: &str| {
        let count = article.templates.get(name);
        count.map(|count| (count.uses, count.left_out))
    };
    assert_eq!(counts("cite web"), Some((2, 2)));
    assert_eq!(counts("convert"), Some((2, 1)));
    assert_eq!(counts("z"), Some((1, 1)));
    assert_eq!((counts("cite book"), counts("inner")), (None, None));
}

/// The bound: at most one in twenty uses of listed names leaves nothing.
#[test]
fn at_most_one_in_twenty_uses_of_listed_templates_vanishes_in_real_pages() {
    let Some(counts) = of_real_pages() else { return };
    let is_listed = |name: &str| templates::reading(name).is_some();
    let (listed, others): (Counts, Counts) = counts.into_iter().partition(|(name, _)| is_listed(name));
    let sum = |counts: &Counts| {
        let uses: u64 = counts.values().map(|count| count.uses).sum();
        let left_out: u64 = counts.values().map(|count| count.left_out).sum();
        (uses, left_out)
    };
    println!("listed name\tuses\tleft out");
    for (name, count) in &listed {
        println!("{name}\t{}\t{}", count.uses, count.left_out);
    }
    let (uses, left_out) = sum(&listed);
    println!("all listed\t{uses}\t{left_out}\nother names\t{:?}", sum(&others));
    let mut frequent: Vec<_> = others.iter().collect();
    frequent.sort_by_key(|(_, count)| std::cmp::Reverse(count.uses));
    for (name, count) in frequent.iter().take(100) {
        println!("not listed: {name}\t{}", count.uses);
    }
    assert!(uses > 1_500, "{uses}");
    assert!(20 * left_out <= uses, "{left_out} of {uses}");
    let convert = listed["convert"];
    assert!(20 * convert.left_out <= convert.uses, "{convert:?}");
}

/// Of all pages of the data folder that are raw; none without the folder.
fn of_real_pages() -> Option<Counts> {
    let (dumps, pages) = (test_data::find("wiki")?, test_data::find("wikitext-pages")?);
    let mut all = Counts::new();
    for path in files_of(&dumps, ".bz2") {
        add_dump(&mut all, &path);
    }
    for path in files_of(&pages, ".txt") {
        let wikitext = std::fs::read_to_string(&path).unwrap();
        add(&mut all, &wikitext, &SiteInfo::default());
    }
    Some(all)
}

fn files_of(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect()
}

fn add(all: &mut Counts, wikitext: &str, site: &SiteInfo) {
    for (name, count) in parse_wikitext(wikitext, site).templates {
        let sum = all.entry(name).or_default();
        sum.uses += count.uses;
        sum.left_out += count.left_out;
    }
}

fn add_dump(all: &mut Counts, path: &Path) {
    let mut bytes = Vec::new();
    let file = durable::open_file(path).unwrap();
    std::io::Read::read_to_end(&mut bzip2::read::MultiBzDecoder::new(file), &mut bytes).unwrap();
    let (encoding, _) = encoding_rs::Encoding::for_bom(&bytes).unwrap_or((encoding_rs::UTF_8, 0));
    let (text, _, _) = encoding.decode(&bytes);
    let (mut cutter, mut site) = (Cutter::default(), SiteInfo::default());
    cutter.push(text.as_bytes());
    while let Some(piece) = cutter.next_piece(true) {
        match piece {
            Piece::Header(xml) => site = parse_header(&xml),
            Piece::Page { xml, .. } => {
                let page = parse_page(&xml).unwrap();
                if page.namespace == Some(0) {
                    add(all, &page.wikitext, &site);
                }
            }
            _ => {}
        }
    }
}
