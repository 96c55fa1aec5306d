//! Where documents come from, and all that differs between the sources: one `match` a job.
//!
//! A further source is a variant of [`Source`], where the compiler then asks for each job, and a
//! file in `sources/` with what it does.

mod filings;
pub(crate) mod raw_text;
pub(crate) mod stream;
mod texts;
mod wiki;

use std::ops::ControlFlow;
use std::path::Path;

use documents::{Document, InputsReader, Outcome};
use edgar::Exhibits;
use rayon::ThreadPool;
use serde::{Deserialize, Serialize};
use wikipedia::DumpPlace;

use crate::error::CorpusError;
use raw_text::RawText;
use stream::{Stream, StreamEvent, StreamItem};
use texts::TextsPlace;

/// Where documents come from; in the order in which they stand in a documents folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Filings from EDGAR, a file each.
    Filings,
    /// Wikipedia dumps, and text that `WikiExtractor` took out of one.
    Wiki,
    /// Texts that somebody else took out of filings, or of anything: a JSON object a line.
    Texts,
}

/// How an input is read.
pub(crate) enum Cut {
    /// Whole, many at a time.
    Whole(ReadWhole),
    /// As a stream, in parts that begin at these places.
    Parts(Vec<StreamPlace>),
}

/// What became of an input, by its name, its content and the SHA-256 of that.
pub(crate) type ReadWhole = fn(&str, &[u8], &str, Exhibits) -> Vec<Outcome>;

/// A place in an input that is read as a stream, where a killed command goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StreamPlace {
    /// Between two pages of a dump.
    Wiki(DumpPlace),
    /// Between two lines of texts.
    Texts(TextsPlace),
}

/// By what a document's side, trained on or held out, is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HoldOutKey<'a> {
    /// By who filed it.
    Filer,
    /// By who filed it; where neither CIK nor company is stated, by the ticker.
    FilerOrTicker,
    /// By itself, under this name in all its revisions.
    Page(&'a str),
}

impl Source {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Filings, Self::Wiki, Self::Texts];

    /// What ids of its documents have before the first colon; a filing's have an accession number there.
    pub(crate) fn id_prefix(self) -> Option<&'static str> {
        match self {
            Self::Filings => None,
            Self::Wiki => Some(wiki::ID_PREFIX),
            Self::Texts => Some(texts::ID_PREFIX),
        }
    }

    /// The source of the document that has this id.
    pub(crate) fn of_id(id: &str) -> Self {
        let prefix = id.split_once(':').map(|(prefix, _)| prefix);
        let is_of = |source: &Self| prefix.is_some() && source.id_prefix() == prefix;
        Self::ALL.into_iter().find(is_of).unwrap_or(Self::Filings)
    }

    /// Begins the names of its documents files.
    pub(crate) fn series(self) -> &'static str {
        match self {
            Self::Filings => "filings",
            Self::Wiki => "wiki",
            Self::Texts => "texts",
        }
    }

    /// The option by which its files are given.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Filings => "--filings",
            Self::Wiki => "--wiki",
            Self::Texts => "--texts",
        }
    }

    /// What its files have to be called where they lie in a folder.
    pub(crate) fn file_names(self) -> &'static str {
        match self {
            Self::Filings => filings::FILE_NAMES,
            Self::Wiki => wiki::FILE_NAMES,
            Self::Texts => texts::FILE_NAMES,
        }
    }

    /// Whether a file of a folder is an input, by its name.
    pub(crate) fn is_input_name(self, file_name: &str) -> bool {
        match self {
            Self::Filings => filings::is_input_name(file_name),
            Self::Wiki => wikipedia::is_dump_name(file_name),
            Self::Texts => texts::is_input_name(file_name),
        }
    }

    /// The source whose files alone have such a name, where there is one.
    pub(crate) fn of_file_name(file_name: &str) -> Option<Self> {
        let is_packed_dump = || file_name.to_ascii_lowercase().ends_with(".xml.bz2");
        if texts::is_input_name(file_name) {
            Some(Self::Texts)
        } else {
            is_packed_dump().then_some(Self::Wiki)
        }
    }

    /// What reports call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Filings => "EDGAR filings",
            Self::Wiki => "Wikipedia",
            Self::Texts => "Texts",
        }
    }

    /// The version of what reads its inputs: what another one has read may be other documents.
    pub(crate) fn reader_version(self) -> u32 {
        match self {
            Self::Filings => edgar::READER_VERSION,
            Self::Wiki => wikipedia::READER_VERSION,
            Self::Texts => texts::READER_VERSION,
        }
    }

    /// Refuses an input that cannot be read to its end, as far as a look shows it: before hours of work.
    pub(crate) fn check(self, path: &Path) -> Result<(), CorpusError> {
        match self {
            Self::Filings => Ok(()),
            Self::Wiki => Ok(wikipedia::check_dump(path)?),
            Self::Texts => texts::check(path),
        }
    }

    /// How an input is read; parts have at least so many bytes of its file.
    pub(crate) fn cut(self, path: &Path, part_bytes: u64) -> Result<Cut, CorpusError> {
        Ok(match self {
            Self::Filings => Cut::Whole(filings::read),
            Self::Wiki => {
                let places = wikipedia::divide(path, part_bytes)?;
                Cut::Parts(places.into_iter().map(StreamPlace::Wiki).collect())
            }
            Self::Texts => Cut::Parts(vec![StreamPlace::Texts(TextsPlace::default())]),
        })
    }

    /// The raw text of a document, out of the inputs that its folder lists.
    pub(crate) fn raw_text(self, inputs: InputsReader, document: &Document) -> Result<RawText, CorpusError> {
        match self {
            Self::Filings => filings::raw_text(inputs, document),
            Self::Wiki => wiki::raw_text(inputs, document),
            Self::Texts => texts::raw_text(inputs, document),
        }
    }

    /// By what the document that has this id is held out or not.
    pub(crate) fn hold_out_key(self, id: &str) -> HoldOutKey<'_> {
        match self {
            Self::Filings => HoldOutKey::Filer,
            Self::Wiki => HoldOutKey::Page(wiki::page_of(id)),
            Self::Texts => HoldOutKey::FilerOrTicker,
        }
    }

    /// Whether its documents have a filer and a form or the like, by which reports count them.
    pub(crate) fn has_filer(self) -> bool {
        match self {
            Self::Filings | Self::Texts => true,
            Self::Wiki => false,
        }
    }

    /// How many values of `source` the documents of one ingest may have, where the input chooses them.
    pub(crate) fn most_names(self) -> Option<usize> {
        match self {
            Self::Filings | Self::Wiki => None,
            Self::Texts => Some(texts::MOST_SOURCES),
        }
    }

    /// In what two documents of one id must agree to say the same, besides source, CIK, date, title
    /// and text.
    pub(crate) fn further_facts(self, document: &Document) -> Vec<String> {
        match self {
            Self::Filings | Self::Wiki => Vec::new(),
            Self::Texts => texts::further_facts(document),
        }
    }
}

impl StreamPlace {
    /// Where it is in the file, or in what is unpacked from it; 0 is the beginning.
    pub(crate) fn offset(&self) -> u64 {
        match self {
            Self::Wiki(place) => place.offset,
            Self::Texts(place) => place.offset(),
        }
    }

    /// What the stream consists of, in the plural.
    pub(crate) fn unit(&self) -> &'static str {
        match self {
            Self::Wiki(_) => "pages",
            Self::Texts(_) => "lines",
        }
    }

    /// Reads on from here on the threads of `pool`: `prepare` is called on them for each item, `sink` on
    /// the calling thread for what it gave, in the order of the stream.
    pub(crate) fn read<T: Send>(
        self,
        stream: &Stream<'_>,
        pool: &ThreadPool,
        prepare: impl Fn(StreamItem) -> T + Sync,
        mut sink: impl FnMut(StreamEvent<T, Self>) -> ControlFlow<()>,
    ) -> Result<(), CorpusError> {
        match self {
            Self::Wiki(from) => wiki::read(stream, from, pool, prepare, |event| sink(event.at(Self::Wiki))),
            Self::Texts(from) => {
                texts::read(stream, &from, pool, prepare, |event| sink(event.at(Self::Texts)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids as the readers make them.
    fn ids(source: Source) -> &'static [&'static str] {
        match source {
            Source::Filings => &["0000000009-94-000003:1", "file:0123456789abcdef"],
            Source::Wiki => &["wiki:12:100"],
            Source::Texts => &["text:1", "text:wiki:1"],
        }
    }

    #[test]
    fn the_ids_of_every_source_come_back_to_it() {
        for source in Source::ALL {
            for id in ids(source) {
                assert_eq!(Source::of_id(id), source, "{id}");
            }
        }
        let prefixes: std::collections::BTreeSet<_> = Source::ALL.map(Source::id_prefix).into();
        assert_eq!(prefixes.len(), Source::ALL.len());
    }

    #[test]
    fn a_name_that_files_of_one_source_alone_have_tells_it() {
        for (name, source) in [
            ("a.jsonl", Some(Source::Texts)),
            ("A.JSONL.ZST", Some(Source::Texts)),
            ("dump.xml.bz2", Some(Source::Wiki)),
            ("a.htm", None),
            ("notes.txt", None),
            ("a.xml", None),
        ] {
            assert_eq!(Source::of_file_name(name), source, "{name}");
        }
    }

    #[test]
    fn ids_tell_the_source() {
        for (id, source) in [
            ("0000000009-94-000003:1", Source::Filings),
            ("file:0123456789abcdef", Source::Filings),
            ("wiki:12:100", Source::Wiki),
            ("text:0000000009-94-000003:1", Source::Texts),
            ("wiki", Source::Filings),
        ] {
            assert_eq!(Source::of_id(id), source, "{id}");
        }
        assert_eq!(Source::Wiki.hold_out_key("wiki:12:100"), HoldOutKey::Page("12"));
    }
}
