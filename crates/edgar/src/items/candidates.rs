//! Lines that may be the heading of an item or a part, each with how much speaks for it. Which of
//! them are headings is decided later, from their order.

use documents::{Block, BlockKind};

use super::form::{Form, squeezed};
use super::heading::{Heading, read_heading, second_number, with_letter, without_separators};
use super::pages::ends_with_page;

/// What a line would begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begins {
    /// One item, or several under one heading: indices into the form's items.
    Items(Vec<usize>),
    /// An item that the form does not have, by its number.
    Other(String),
    Part(u8),
    /// The signatures, behind all items.
    Signatures,
}

/// A line that may be a heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Index of its block.
    pub(crate) block: usize,
    pub(crate) begins: Begins,
    /// Its place in the form's order, and that of its last item.
    pub(crate) first_place: u16,
    pub(crate) last_place: u16,
    /// How much speaks for it.
    pub(crate) score: i32,
    /// The same, as far as the text behind it bears it out.
    pub(crate) weight: i32,
    /// It ends with a page number.
    pub(crate) has_page: bool,
    /// It has the word `Item`.
    pub(crate) has_word: bool,
    /// A sentence about several items, not a heading over them.
    pub(crate) is_sentence: bool,
    /// Byte of its block at which the title begins.
    pub(crate) title_at: usize,
}

/// What is found where the number and the title agree.
pub(crate) const AGREES: i32 = 10;
/// The title is in the next line.
const TITLE_FOLLOWS: i32 = 9;
/// Text stands behind the title in the same line.
const TEXT_FOLLOWS: i32 = 8;
const NUMBER_ALONE: i32 = 4;
const OTHER_TITLE: i32 = 3;
const TITLE_ALONE: i32 = 3;
const SHARED_PARAGRAPH: i32 = 5;
const PART: i32 = 3;
const SIGNATURES: i32 = 4;

/// Longer lines hold more than a heading.
const LONGEST_HEADING_BYTES: usize = 230;
const LONGEST_SHORT_LINE_BYTES: usize = 120;
/// In what stands behind a number the title is looked for.
const TITLE_BYTES_OF_TEXT: usize = 110;

/// The candidates of a document, in the order of the text; those of one line follow each other.
pub(crate) fn candidates(form: Form, blocks: &[Block]) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        if may_begin(&block.text) {
            let line = Line { form, blocks, index };
            line.push_candidates(&mut found);
        }
    }
    found
}

/// Whether the first letter allows a heading: most lines end here.
fn may_begin(text: &str) -> bool {
    let first = text.bytes().find(|byte| !matches!(byte, b' ' | b'|' | b'*'));
    first.is_some_and(|byte| byte.is_ascii_alphanumeric())
}

/// One line and its neighbors.
#[derive(Clone, Copy)]
struct Line<'b> {
    form: Form,
    blocks: &'b [Block],
    index: usize,
}

impl<'b> Line<'b> {
    fn block(self) -> &'b Block {
        &self.blocks[self.index]
    }

    fn push_candidates(self, found: &mut Vec<Candidate>) {
        let text = self.block().text.trim_start_matches(['|', ' ', '*']);
        let first = text.bytes().next().unwrap_or_default().to_ascii_lowercase();
        let read = if matches!(first, b'i' | b'p' | b'0'..=b'9') {
            read_heading(text)
        } else {
            None
        };
        match read {
            Some(heading) if heading.numbers.is_empty() => self.push_part(&heading, found),
            Some(heading) => self.push_items(&heading, found),
            None => self.push_title_alone(text, found),
        }
    }

    fn push_part(self, heading: &Heading<'_>, found: &mut Vec<Candidate>) {
        let Some(part) = heading.part else { return };
        let block = self.block();
        let is_named = block.text.starts_with("PART ") || block.text.len() <= LONGEST_SHORT_LINE_BYTES;
        let goes_on = heading.title.starts_with(char::is_lowercase) || heading.has_comma;
        if !is_named || goes_on {
            return;
        }
        for place in self.form.part_places(part) {
            let score = PART + kind_score(block.kind).max(1 - PART);
            found.push(self.candidate(Begins::Part(part), place, score, heading));
        }
    }

    fn candidate(self, begins: Begins, place: u16, score: i32, heading: &Heading<'_>) -> Candidate {
        let text = &self.block().text;
        Candidate {
            block: self.index,
            begins,
            first_place: place,
            last_place: place,
            score,
            weight: score,
            has_page: ends_with_page(heading.title),
            has_word: heading.has_word,
            is_sentence: false,
            title_at: text.len() - heading.title.len(),
        }
    }

    fn push_items(self, heading: &Heading<'_>, found: &mut Vec<Candidate>) {
        let before = found.len();
        if let Some(other) = with_letter(heading).filter(|other| self.agrees(other)) {
            self.push_number(&other.numbers[0], &other, found);
        } else if heading.has_word && is_mention(heading) && !is_of_regulation(heading) {
            self.push_shared_paragraph(heading, found);
            return;
        } else if let [number] = &heading.numbers[..] {
            match second_number(heading.title) {
                Some(second) => self.push_several(&[number.clone(), second], heading, found),
                None => self.push_number(number, heading, found),
            }
        } else {
            self.push_several(&heading.numbers, heading, found);
        }
        if found.len() == before && heading.has_word {
            self.push_other(heading, found);
        }
    }

    /// Whether number and title of a heading belong to one item.
    fn agrees(self, heading: &Heading<'_>) -> bool {
        let title = squeezed(heading.title);
        let mut items = self.form.of_number(&heading.numbers[0]);
        items.any(|index| self.form.items()[index].has_title(&title))
    }

    fn push_number(self, number: &str, heading: &Heading<'_>, found: &mut Vec<Candidate>) {
        let number = number.strip_suffix('T').unwrap_or(number);
        let title = self.title(heading);
        for index in self.form.of_number(number) {
            if heading
                .part
                .is_some_and(|part| part != self.form.items()[index].part)
            {
                continue;
            }
            let Some(score) = self.score(heading, &title, index) else {
                continue;
            };
            let begins = Begins::Items(vec![index]);
            found.push(self.candidate(begins, Form::place(index), score, heading));
        }
        self.push_by_title(number, heading, &title, found);
    }

    /// A number that is wrong: the title belongs to another item.
    fn push_by_title(self, number: &str, heading: &Heading<'_>, title: &str, found: &mut Vec<Candidate>) {
        let is_right = found
            .iter()
            .rev()
            .take_while(|candidate| candidate.block == self.index)
            .any(|candidate| candidate.score > AGREES / 2);
        if is_right || !heading.has_word || self.block().kind != BlockKind::Heading {
            return;
        }
        let items = self.form.items().iter().enumerate();
        let titled = items.filter(|(_, item)| {
            item.number != number
                && item.alone.contains(&title)
                && heading.part.is_none_or(|part| part == item.part)
        });
        for (index, _) in titled {
            let score = AGREES - 2;
            found.push(self.candidate(Begins::Items(vec![index]), Form::place(index), score, heading));
        }
    }

    /// The squeezed title, of this line or, where it has none, of the next.
    fn title(self, heading: &Heading<'_>) -> String {
        let title = heading.title;
        if has_letters(title) {
            return squeezed(
                &title[..title.floor_char_boundary(TITLE_BYTES_OF_TEXT.max(self.title_reach()))],
            );
        }
        let next = self.next_line().map(|block| block.text.as_str());
        next.filter(|next| next.len() <= LONGEST_HEADING_BYTES && read_heading(next).is_none())
            .map(squeezed)
            .unwrap_or_default()
    }

    /// How far a title may reach: to the end of a line that is no text.
    fn title_reach(self) -> usize {
        let length = self.block().text.len();
        if length <= LONGEST_HEADING_BYTES {
            length
        } else {
            0
        }
    }

    fn next_line(self) -> Option<&'b Block> {
        const FARTHEST: usize = 3;
        let rest = &self.blocks[self.index + 1..];
        let mut near = rest.iter().take(FARTHEST);
        near.find(|block| block.kind != BlockKind::PageFurniture)
    }

    /// How much speaks for a heading being this item's; `None` where it is no heading.
    fn score(self, heading: &Heading<'_>, title: &str, index: usize) -> Option<i32> {
        let block = self.block();
        let item = &self.form.items()[index];
        let is_long = block.text.len() > LONGEST_HEADING_BYTES;
        let agrees = item.has_title(title) || is_formula_title(heading.title);
        let base = if !heading.has_word {
            // Numbers begin many lines: a title must be the form's, and nothing else in the line.
            let alone = item.alone.contains(&title) && !is_long;
            return alone
                .then(|| TITLE_ALONE + 1 + kind_score(block.kind))
                .filter(|score| *score > 0);
        } else if title.is_empty() {
            NUMBER_ALONE
        } else if !agrees {
            if is_long || block.kind == BlockKind::PageFurniture {
                return None;
            }
            if has_letters(heading.title) {
                OTHER_TITLE
            } else {
                NUMBER_ALONE
            }
        } else if !has_letters(heading.title) {
            TITLE_FOLLOWS
        } else if is_long {
            TEXT_FOLLOWS
        } else {
            AGREES
        };
        let score = base + kind_score(block.kind) + looks_score(heading);
        (score > 0).then_some(score)
    }

    fn push_several(self, numbers: &[String], heading: &Heading<'_>, found: &mut Vec<Candidate>) {
        let items: Vec<usize> = numbers
            .iter()
            .filter_map(|number| self.item_of(number, heading.part))
            .collect();
        let is_ascending = items.windows(2).all(|pair| pair[0] < pair[1]);
        // Lists of numbers alone are running heads.
        let is_list = !heading.is_range && !has_letters(heading.title);
        if items.len() < 2 || !is_ascending || is_list || !heading.has_word {
            return;
        }
        let items: Vec<usize> = if heading.is_range {
            (items[0]..=items[items.len() - 1]).collect()
        } else {
            items
        };
        let score = AGREES - 1 + kind_score(self.block().kind) + looks_score(heading).min(0);
        if score > 0 {
            found.push(self.shared(items, score, heading));
        }
    }

    fn item_of(self, number: &str, part: Option<u8>) -> Option<usize> {
        let mut items = self.form.of_number(number);
        items.find(|index| part.is_none_or(|part| part == self.form.items()[*index].part))
    }

    fn shared(self, items: Vec<usize>, score: i32, heading: &Heading<'_>) -> Candidate {
        let first = items[0];
        // Behind `Items 1 and 2` item 1A may follow: the place is that of the items without a gap.
        let gapless = items.windows(2).take_while(|pair| pair[1] == pair[0] + 1).count();
        let last = items[gapless];
        let mut candidate = self.candidate(Begins::Items(items), Form::place(first), score, heading);
        candidate.last_place = Form::place(last);
        candidate
    }

    /// `Items 2, 3 and 4 are not applicable.`
    fn push_shared_paragraph(self, heading: &Heading<'_>, found: &mut Vec<Candidate>) {
        let says = ["are ", "is ", "have been ", "of part iii "];
        let lower = heading.title.to_lowercase();
        let items: Vec<usize> = heading
            .numbers
            .iter()
            .filter_map(|number| self.item_of(number, heading.part))
            .collect();
        let is_ascending = items.windows(2).all(|pair| pair[0] < pair[1]);
        if items.len() < 2 || !is_ascending || !says.iter().any(|verb| lower.starts_with(verb)) {
            return;
        }
        let items = if heading.is_range {
            (items[0]..=items[items.len() - 1]).collect()
        } else {
            items
        };
        found.push(Candidate {
            is_sentence: true,
            ..self.shared(items, SHARED_PARAGRAPH, heading)
        });
    }

    /// Numbers that the form does not have: `Item 4A`, `Item X`, `Item 1112(b)`.
    fn push_other(self, heading: &Heading<'_>, found: &mut Vec<Candidate>) {
        let [number] = &heading.numbers[..] else { return };
        let is_heading =
            self.block().kind == BlockKind::Heading || self.block().text.len() <= LONGEST_SHORT_LINE_BYTES;
        let is_other = !self.form.of_number(number).any(|_| true);
        let of_regulation = is_of_regulation(heading);
        let is_title = has_letters(heading.title) && !is_mention(heading);
        let is_number = number.len() <= 3 && (number == "X" || self.form.place_beside(number).is_some());
        if !(is_heading && is_other && (is_title && is_number || of_regulation)) {
            return;
        }
        let place = self.form.place_beside(number).unwrap_or_default();
        let score = AGREES - 2 + kind_score(self.block().kind) + looks_score(heading);
        if score > 0 {
            found.push(self.candidate(Begins::Other(number.clone()), place, score, heading));
        }
    }

    /// The form's own titles without a number, and signatures.
    fn push_title_alone(self, text: &str, found: &mut Vec<Candidate>) {
        let block = self.block();
        if block.text.len() > LONGEST_SHORT_LINE_BYTES || block.kind == BlockKind::PageFurniture {
            return self.push_signing(text, found);
        }
        let title = squeezed(text);
        let heading = Heading::of_title(text);
        if matches!(
            title.as_str(),
            "signatures" | "signature" | "signaturepage" | "signaturess"
        ) {
            let place = self.form.end_place();
            found.push(self.candidate(Begins::Signatures, place, SIGNATURES, &heading));
            return;
        }
        if block.kind != BlockKind::Heading {
            return;
        }
        let items = self.form.items().iter().enumerate();
        for (index, _) in items.filter(|(_, item)| item.alone.contains(&title.as_str())) {
            let begins = Begins::Items(vec![index]);
            found.push(self.candidate(begins, Form::place(index), TITLE_ALONE, &heading));
        }
    }

    /// `Pursuant to the requirements of Section 13 or 15(d)` where the signatures have no heading; the
    /// form's supplement before them.
    fn push_signing(self, text: &str, found: &mut Vec<Candidate>) {
        const WORDS: [&str; 2] = ["pursuanttotherequirements", "inaccordancewithsection"];
        const SUPPLEMENT: &str = "supplementalinformationtobefurnished";
        if !text.starts_with(['P', 'p', 'I', 'i', 'S', 's']) {
            return;
        }
        let title = squeezed(text);
        let signs =
            WORDS.iter().any(|words| title.starts_with(words)) && title.contains("securitiesexchangeact");
        let supplements = title.starts_with(SUPPLEMENT);
        if signs || supplements {
            let heading = Heading::of_title(text);
            let place = self.form.end_place() - u16::from(supplements);
            found.push(self.candidate(Begins::Signatures, place, SIGNATURES - 2, &heading));
        }
    }
}

fn has_letters(text: &str) -> bool {
    text.chars().any(char::is_alphabetic)
}

/// A sentence that names an item goes on in lower case.
fn is_mention(heading: &Heading<'_>) -> bool {
    let title = heading.title.trim_start_matches(|c: char| !c.is_alphanumeric());
    title.starts_with(char::is_lowercase)
}

/// `Item 1117 of Regulation AB`: what issuers of asset-backed securities have instead of items.
fn is_of_regulation(heading: &Heading<'_>) -> bool {
    let is_one = heading.numbers.len() == 1 && heading.numbers[0].starts_with("11");
    is_one && heading.title.starts_with("of Regulation AB")
}

/// `Item 6. [Reserved]`, `Item 4. None`, `Item 9. Not applicable`: titles of any item.
fn is_formula_title(title: &str) -> bool {
    let title = squeezed(title);
    [
        "reserved",
        "removedandreserved",
        "none",
        "notapplicable",
        "omitted",
        "intentionallyomitted",
    ]
    .contains(&title.as_str())
}

fn kind_score(kind: BlockKind) -> i32 {
    match kind {
        BlockKind::Heading => 0,
        BlockKind::Paragraph | BlockKind::ListItem | BlockKind::TableRow => -1,
        // Running heads: where nothing else is, the first one begins its item.
        BlockKind::PageFurniture => -8,
    }
}

fn looks_score(heading: &Heading<'_>) -> i32 {
    let title = heading.title;
    let lower = title.to_ascii_lowercase();
    let is_quoted = title.starts_with(['"', '\u{201c}', '\u{2018}', '\'']);
    let is_continued = lower.contains("continued") || lower.contains("(cont");
    i32::from(is_quoted) * -6 + i32::from(heading.has_comma) * -3 + i32::from(is_continued) * -8
}

/// The title of a candidate as it stands in its block.
pub(crate) fn title_of<'b>(candidate: &Candidate, blocks: &'b [Block]) -> &'b str {
    without_separators(
        blocks[candidate.block]
            .text
            .get(candidate.title_at..)
            .unwrap_or_default(),
    )
}
