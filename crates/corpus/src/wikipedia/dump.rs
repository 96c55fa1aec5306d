//! Streams the pages out of a `MediaWiki` export, plain or bzip2 (any number of streams).
//!
//! It holds one page at a time; it does not look into wikitext.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use bzip2::bufread::MultiBzDecoder;
use quick_xml::errors::SyntaxError;
use quick_xml::events::{BytesRef, Event};
use quick_xml::reader::Reader;

use super::page::RawPage;
use super::site::SiteInfo;
use super::utf16::Utf8Reader;
use crate::CorpusError;

/// A longer page is rejected; the longest of English Wikipedia has about 3 MB.
const MAX_PAGE_BYTES: usize = 64 << 20;
const BUFFER_BYTES: usize = 256 * 1024;

/// The pages of a dump, in its order.
pub(super) struct DumpPages<'a> {
    path: &'a Path,
    reader: Reader<BufReader<Box<dyn Read + Send>>>,
    buffer: Vec<u8>,
    /// What the dump says of its wiki; complete once the first page is read.
    pub(super) site: SiteInfo,
    state: PageState,
    is_finished: bool,
}

/// What has been read of the current page and where in it we are.
#[derive(Default)]
struct PageState {
    page: RawPage,
    element: Element,
    text: String,
    namespace_key: Option<i32>,
    is_in_revision: bool,
    is_in_contributor: bool,
    is_open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Element {
    #[default]
    Other,
    Title,
    Namespace,
    Id,
    Timestamp,
    Model,
    Text,
    Base,
    Database,
    NamespaceName,
}

impl<'a> DumpPages<'a> {
    /// Opens the dump and looks at its first bytes.
    pub(super) fn open(path: &'a Path) -> Result<Self, CorpusError> {
        let read_error = |source| CorpusError::Read {
            operation: "read",
            path: path.to_owned(),
            source,
        };
        let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path).map_err(read_error)?);
        let head = file.fill_buf().map_err(read_error)?;
        let is_compressed = head.starts_with(b"BZh");
        let bytes: Box<dyn Read + Send> = if is_compressed {
            Box::new(MultiBzDecoder::new(file))
        } else {
            Box::new(file)
        };
        let text = Utf8Reader::new(bytes).map_err(|source| damaged(path, 0, source.into()))?;
        let mut reader = Reader::from_reader(BufReader::with_capacity(
            BUFFER_BYTES,
            Box::new(text) as Box<dyn Read + Send>,
        ));
        reader.config_mut().allow_dangling_amp = true;
        Ok(Self {
            path,
            reader,
            buffer: Vec::new(),
            site: SiteInfo::default(),
            state: PageState::default(),
            is_finished: false,
        })
    }

    /// The next page; `None` after `</mediawiki>`.
    pub(super) fn next_page(&mut self) -> Result<Option<RawPage>, CorpusError> {
        while !self.is_finished {
            self.buffer.clear();
            let event = self.reader.read_event_into(&mut self.buffer);
            let event = event.map_err(|source| damaged(self.path, self.reader.buffer_position(), source))?;
            match event {
                Event::Start(tag) => {
                    let namespace_key = tag
                        .try_get_attribute("key")
                        .ok()
                        .flatten()
                        .and_then(|key| key.value.trim().parse().ok());
                    self.state.start(tag.local_name().as_ref(), namespace_key);
                }
                Event::Empty(tag) if self.state.is_open && tag.local_name().as_ref() == "redirect" => {
                    self.state.page.is_redirect = true;
                }
                Event::Text(text) => self.state.push(&text),
                Event::CData(text) => self.state.push(&text),
                Event::GeneralRef(entity) => self.state.push_entity(&entity),
                Event::End(tag) => {
                    let is_end = tag.local_name().as_ref() == "mediawiki";
                    let page = self.state.end(tag.local_name().as_ref(), &mut self.site);
                    self.is_finished = is_end;
                    if page.is_some() {
                        return Ok(page);
                    }
                }
                Event::Eof => return Err(self.ends_early()),
                _ => {}
            }
        }
        Ok(None)
    }

    fn ends_early(&self) -> CorpusError {
        CorpusError::TruncatedDump {
            path: self.path.to_owned(),
            position: self.reader.buffer_position(),
        }
    }
}

fn damaged(path: &Path, position: u64, source: quick_xml::Error) -> CorpusError {
    let is_cut = match &source {
        quick_xml::Error::Io(cause) => cause.kind() == io::ErrorKind::UnexpectedEof,
        // All others say that the text ended inside a tag or comment.
        quick_xml::Error::Syntax(syntax) => *syntax != SyntaxError::InvalidBangMarkup,
        _ => false,
    };
    if is_cut {
        return CorpusError::TruncatedDump {
            path: path.to_owned(),
            position,
        };
    }
    CorpusError::DamagedDump {
        path: path.to_owned(),
        position,
        source,
    }
}

impl PageState {
    fn start(&mut self, name: &str, namespace_key: Option<i32>) {
        self.text.clear();
        match name {
            "page" => {
                self.page = RawPage::default();
                self.is_open = true;
            }
            // Dumps with history have several revisions a page; the last one read stays.
            "revision" => self.is_in_revision = true,
            "contributor" => self.is_in_contributor = true,
            "redirect" if self.is_open => self.page.is_redirect = true,
            _ => {}
        }
        self.namespace_key = namespace_key;
        self.element = match name {
            "title" => Element::Title,
            "ns" => Element::Namespace,
            "id" if !self.is_in_contributor => Element::Id,
            "timestamp" => Element::Timestamp,
            "model" => Element::Model,
            "text" => Element::Text,
            "base" => Element::Base,
            "dbname" => Element::Database,
            "namespace" => Element::NamespaceName,
            _ => Element::Other,
        };
    }

    fn push(&mut self, text: &str) {
        if self.element == Element::Other {
            return;
        }
        if self.text.len() + text.len() > MAX_PAGE_BYTES {
            self.page.is_too_long = true;
            return;
        }
        self.text.push_str(text);
    }

    /// The five entities of XML and numbers; a dump defines no others, so others stay as written.
    fn push_entity(&mut self, entity: &BytesRef<'_>) {
        if let Ok(Some(letter)) = entity.resolve_char_ref() {
            return self.push(letter.encode_utf8(&mut [0; 4]));
        }
        if let Some(text) = quick_xml::escape::resolve_xml_entity(entity) {
            self.push(text);
        } else {
            self.push("&");
            self.push(entity);
            self.push(";");
        }
    }

    fn end(&mut self, name: &str, site: &mut SiteInfo) -> Option<RawPage> {
        match name {
            "revision" => self.is_in_revision = false,
            "contributor" => self.is_in_contributor = false,
            "page" => {
                self.is_open = false;
                return Some(std::mem::take(&mut self.page));
            }
            _ => {}
        }
        let element = std::mem::take(&mut self.element);
        if element != Element::Other {
            self.take(element, site);
        }
        None
    }

    fn take(&mut self, element: Element, site: &mut SiteInfo) {
        let text = std::mem::take(&mut self.text);
        let page = &mut self.page;
        match element {
            Element::Title => page.title = text,
            Element::Namespace => page.namespace = text.trim().parse().ok(),
            Element::Id if self.is_in_revision => page.revision_id = text.trim().parse().ok(),
            Element::Id => page.page_id = text.trim().parse().ok(),
            Element::Timestamp => page.timestamp = Some(text.trim().to_owned()),
            Element::Model => page.model = Some(text.trim().to_owned()),
            Element::Text => page.wikitext = text,
            Element::Base => site.base = Some(text.trim().to_owned()),
            Element::Database => site.database = Some(text.trim().to_owned()),
            Element::NamespaceName => {
                if let Some(key) = self.namespace_key.filter(|key| *key != 0) {
                    site.namespaces.push((text.trim().to_lowercase(), key));
                }
            }
            Element::Other => {}
        }
    }
}
