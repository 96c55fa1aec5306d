//! Page furniture as people labeled it (`tests/labels/furniture/README.md` defines it), and how
//! well the blocks that a reader marks agree with them. Tests hold the bars, `make bench` prints
//! the figures.

use std::path::Path;

use crate::agreement::words;
use crate::labeled_text::{counted, place};

/// How far from its place a label is looked for: a later reader reads a few characters more or less.
const FARTHEST_SHIFT: usize = 2_000;

/// The labels of one document of a filing.
#[derive(Debug, Clone)]
pub struct FurnitureLabels {
    /// The filing, below the folder of the test data.
    pub path: String,
    /// The document's sequence number in its submission.
    pub document: usize,
    labels: Vec<Label>,
}

#[derive(Debug, Clone)]
struct Label {
    start: usize,
    end: usize,
    kind: LabelKind,
    check: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LabelKind {
    /// What was labeled: outside of it nothing counts.
    Judged,
    Furniture,
    /// Text that may be taken for furniture.
    Text,
    /// Counts neither way.
    Unsure,
}

/// A block of the document, and whether the reader says that it is furniture.
#[derive(Debug, Clone, Copy)]
pub struct MarkedBlock<'a> {
    /// Its kind is page furniture.
    pub is_marked: bool,
    /// Its text; white space and `|` are of no account.
    pub text: &'a str,
}

/// What the labels say of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgment {
    /// Marked, and it is furniture.
    RightMark,
    /// Marked, and it is text.
    FalseMark,
    /// Furniture that is not marked.
    Miss,
    /// Text that is not marked.
    Text,
    /// Not labeled, or labeled as unsure.
    LeftOut,
}

/// Numbers of blocks, a page number counting as much as a long header, and of words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FurnitureCounts {
    /// Blocks marked rightly.
    pub right: usize,
    /// Blocks marked that are text.
    pub false_marks: usize,
    /// Blocks of furniture that are not marked.
    pub misses: usize,
    /// Words of text.
    pub text_words: usize,
    /// Of these, the ones in marked blocks.
    pub lost_words: usize,
    /// Labels of which the text has changed since: they are taken where they should be.
    pub moved_labels: usize,
}

impl FurnitureCounts {
    /// Counts a block.
    pub fn count(&mut self, block: MarkedBlock<'_>, judgment: Judgment) {
        let num_words = words(block.text).len();
        match judgment {
            Judgment::RightMark => self.right += 1,
            Judgment::FalseMark => {
                self.false_marks += 1;
                self.text_words += num_words;
                self.lost_words += num_words;
            }
            Judgment::Miss => self.misses += 1,
            Judgment::Text => self.text_words += num_words,
            Judgment::LeftOut => {}
        }
    }

    /// Adds those of another document.
    pub fn add(&mut self, other: Self) {
        self.right += other.right;
        self.false_marks += other.false_marks;
        self.misses += other.misses;
        self.text_words += other.text_words;
        self.lost_words += other.lost_words;
        self.moved_labels += other.moved_labels;
    }

    /// The share of what is marked that is furniture.
    pub fn precision(&self) -> f64 {
        self.right as f64 / (self.right + self.false_marks).max(1) as f64
    }

    /// The share of the furniture that is marked.
    pub fn recall(&self) -> f64 {
        self.right as f64 / (self.right + self.misses).max(1) as f64
    }

    /// The share of the text's words that are in marked blocks.
    pub fn lost(&self) -> f64 {
        self.lost_words as f64 / self.text_words.max(1) as f64
    }
}

/// The labels of every filing in a folder below `tests/labels/furniture`, in the order of names.
///
/// # Panics
/// Where the folder cannot be read or a label is malformed.
pub fn furniture_labels(folder: &str) -> Vec<FurnitureLabels> {
    let folder = crate::repository().join("tests/labels/furniture").join(folder);
    let entries = std::fs::read_dir(&folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    assert!(entries.is_ok(), "cannot list {}", folder.display());
    let mut files: Vec<_> = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tsv"))
        .collect();
    files.sort();
    files.iter().map(|path| labels_of(path)).collect()
}

fn labels_of(path: &Path) -> FurnitureLabels {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let Some(labels) = parse(&text) else {
        panic!("{}: path, document, start, end, kind, check", path.display());
    };
    labels
}

fn parse(text: &str) -> Option<FurnitureLabels> {
    let mut rows = text.lines();
    (rows.next()? == "path\tdocument\tstart\tend\tkind\tcheck").then_some(())?;
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split('\t').collect()).collect();
    let first = rows.first()?;
    let (path, document) = (first.first()?, first.get(1)?.parse().ok()?);
    let mut labels = rows.iter().map(|row| label(row)).collect::<Option<Vec<_>>>()?;
    labels.sort_by_key(|label| label.start);
    Some(FurnitureLabels {
        path: (*path).to_owned(),
        document,
        labels,
    })
}

fn label(row: &[&str]) -> Option<Label> {
    let [_, _, start, end, kind, check] = row else {
        return None;
    };
    let kind = match *kind {
        "range" => LabelKind::Judged,
        "text_at_edge" => LabelKind::Text,
        "unsure" => LabelKind::Unsure,
        "page_number" | "running_header" | "running_footer" | "back_link" | "code" | "other" => {
            LabelKind::Furniture
        }
        _ => return None,
    };
    Some(Label {
        start: start.parse().ok()?,
        end: end.parse().ok()?,
        kind,
        check: (*check).to_owned(),
    })
}

impl FurnitureLabels {
    /// Whether these are the labels of the document of this id, in the filing.
    pub fn are_of(&self, id: &str) -> bool {
        let sequence = id.rsplit(':').next().and_then(|sequence| sequence.parse().ok());
        id.starts_with("file:") || sequence == Some(self.document)
    }

    /// What the labels say of each of the document's blocks, and the counts of it.
    pub fn judge(&self, blocks: &[MarkedBlock<'_>]) -> (Vec<Judgment>, FurnitureCounts) {
        let text: Vec<char> = blocks.iter().flat_map(|block| counted(block.text)).collect();
        let (kinds, moved_labels) = self.kinds(&text);
        let mut counts = FurnitureCounts {
            moved_labels,
            ..FurnitureCounts::default()
        };
        let mut start = 0;
        let mut judgments = Vec::with_capacity(blocks.len());
        for block in blocks {
            let end = start + counted(block.text).count();
            let judgment = judge(block.is_marked, &kinds[start..end]);
            counts.count(*block, judgment);
            judgments.push(judgment);
            start = end;
        }
        (judgments, counts)
    }

    /// What each character is labeled as (`None` outside of what was labeled), and how many labels
    /// do not stand where they should.
    fn kinds(&self, text: &[char]) -> (Vec<Option<LabelKind>>, usize) {
        let mut moved = 0;
        let mut anchor = Anchor::default();
        let mut placed = Vec::with_capacity(self.labels.len());
        for label in &self.labels {
            match place(text, anchor.place_of(label.start), FARTHEST_SHIFT, &label.check) {
                Some(found) => {
                    anchor = Anchor {
                        labeled: label.start,
                        found,
                    }
                }
                None => moved += 1,
            }
            placed.push((label, anchor));
        }
        let mut kinds = vec![None; text.len()];
        let mut paint = |start: usize, end: usize, kind| {
            let end = end.min(text.len());
            kinds[start.min(end)..end].fill(Some(kind));
        };
        for (label, anchor) in placed.iter().filter(|(label, _)| label.kind == LabelKind::Judged) {
            // What was judged ends as far from its place as the last label inside it.
            let last = placed.iter().rfind(|(other, _)| other.start < label.end);
            let last = last.map_or(anchor, |(_, anchor)| anchor);
            paint(
                anchor.place_of(label.start),
                last.place_of(label.end),
                LabelKind::Text,
            );
        }
        for (label, anchor) in placed.iter().filter(|(label, _)| label.kind != LabelKind::Judged) {
            paint(
                anchor.place_of(label.start),
                anchor.place_of(label.end),
                label.kind,
            );
        }
        (kinds, moved)
    }
}

/// A label whose place is known: others stand as far from it as they did.
#[derive(Debug, Clone, Copy, Default)]
struct Anchor {
    labeled: usize,
    found: usize,
}

impl Anchor {
    fn place_of(self, position: usize) -> usize {
        (position + self.found).saturating_sub(self.labeled)
    }
}

fn judge(is_marked: bool, kinds: &[Option<LabelKind>]) -> Judgment {
    let is_left_out = |kind: &Option<LabelKind>| matches!(kind, None | Some(LabelKind::Unsure));
    if kinds.iter().any(is_left_out) {
        return Judgment::LeftOut;
    }
    let is_furniture = kinds.iter().all(|kind| *kind == Some(LabelKind::Furniture));
    match (is_marked, is_furniture) {
        (true, true) => Judgment::RightMark,
        (true, false) => Judgment::FalseMark,
        (false, true) => Judgment::Miss,
        (false, false) => Judgment::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled_text::check_of;

    /// Labels of a text of three pages with a footer each, the last one unsure.
    fn labels(text: &str) -> FurnitureLabels {
        let characters: Vec<char> = counted(text).collect();
        let row = |start: usize, end: usize, kind: &str| {
            let check = check_of(&characters[start..]);
            format!("alder.htm\t1\t{start}\t{end}\t{kind}\t{check}\n")
        };
        let rows = [
            row(0, characters.len(), "range"),
            row(12, 14, "page_number"),
            row(26, 28, "page_number"),
            row(40, 42, "unsure"),
        ];
        parse(&format!(
            "path\tdocument\tstart\tend\tkind\tcheck\n{}",
            rows.concat()
        ))
        .unwrap()
    }

    fn judge_all(labels: &FurnitureLabels, blocks: &[(bool, &str)]) -> (Vec<Judgment>, FurnitureCounts) {
        let block = |&(is_marked, text)| MarkedBlock { is_marked, text };
        labels.judge(&blocks.iter().map(block).collect::<Vec<_>>())
    }

    #[test]
    fn blocks_are_judged_by_the_labels_of_all_their_characters() {
        use Judgment::{FalseMark, LeftOut, Miss, RightMark, Text};
        let labels = labels("oak sold well, 10 elm sold well, 11 fir sold well, 12");
        let blocks = [
            (true, "oak"),
            (false, "sold | | well, 1"),
            (false, "0"),
            (false, "elm sold well,"),
            (true, "11"),
            (false, "fir sold well,"),
            (true, "12"),
        ];
        let (judgments, counts) = judge_all(&labels, &blocks);
        assert_eq!(judgments, [FalseMark, Text, Miss, Text, RightMark, Text, LeftOut]);
        assert_eq!((counts.right, counts.false_marks, counts.misses), (1, 1, 1));
        assert_eq!(
            (counts.text_words, counts.lost_words, counts.moved_labels),
            (10, 1, 0)
        );
    }

    #[test]
    fn labels_are_found_where_a_later_reader_reads_more_or_raises_digits() {
        let labels = labels("oak sold well, 10 elm sold well, 11 fir sold well, 12");
        let blocks = [
            (false, "A new line. oak sold well,"),
            (true, "10"),
            (false, "elm sold well,"),
            (true, "1\u{b9}"),
            (false, "fir sold well,"),
            (true, "1\u{b2}"),
        ];
        let (_, counts) = judge_all(&labels, &blocks);
        assert_eq!((counts.right, counts.false_marks, counts.moved_labels), (2, 0, 0));
    }
}
