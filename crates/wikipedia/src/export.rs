//! Reads the XML of a dump's header and of one page. It does not look into wikitext.
//!
//! Only XML's own entities and numbers are replaced: a dump defines no others, so entities that
//! multiply each other stay as they are written.

use quick_xml::events::{BytesRef, Event};
use quick_xml::reader::Reader;

use super::page::RawPage;
use super::site::SiteInfo;

/// What a header says of its wiki, as far as it can be read.
pub(super) fn parse_header(xml: &[u8]) -> SiteInfo {
    let mut state = State::default();
    // The header's outermost element stays open; what comes before damage counts.
    let _ = read(&String::from_utf8_lossy(xml), &mut state);
    state.site
}

/// The page that `<page>` to `</page>` holds; why not, when it cannot be read.
pub(super) fn parse_page(xml: &[u8]) -> Result<RawPage, &'static str> {
    let text = std::str::from_utf8(xml).map_err(|_| "the page is not UTF-8")?;
    let mut state = State::default();
    read(text, &mut state).map_err(|_| "the page's XML is damaged")?;
    Ok(state.page)
}

/// The title at the beginning of a page that cannot be read.
pub(super) fn title_of(xml: &[u8]) -> Option<String> {
    let mut state = State::default();
    let _ = read(&String::from_utf8_lossy(xml), &mut state);
    Some(state.page.title).filter(|title| !title.is_empty())
}

fn read(text: &str, state: &mut State) -> Result<(), quick_xml::Error> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = true;
    loop {
        match reader.read_event()? {
            Event::Start(tag) => {
                let namespace_key = tag
                    .try_get_attribute("key")
                    .ok()
                    .flatten()
                    .and_then(|key| key.value.trim().parse().ok());
                state.start(tag.local_name().as_ref(), namespace_key);
            }
            Event::Empty(tag) if tag.local_name().as_ref() == "redirect" => state.page.is_redirect = true,
            Event::Text(text) => state.push(&text),
            Event::CData(text) => state.push(&text),
            Event::GeneralRef(entity) => state.push_entity(&entity),
            Event::End(tag) => state.end(tag.local_name().as_ref()),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// What has been read and where we are.
#[derive(Default)]
struct State {
    site: SiteInfo,
    page: RawPage,
    element: Element,
    text: String,
    namespace_key: Option<i32>,
    is_in_revision: bool,
    is_in_contributor: bool,
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

impl State {
    fn start(&mut self, name: &str, namespace_key: Option<i32>) {
        self.text.clear();
        match name {
            "revision" => self.is_in_revision = true,
            "contributor" => self.is_in_contributor = true,
            "redirect" => self.page.is_redirect = true,
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
        if self.element != Element::Other {
            self.text.push_str(text);
        }
    }

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

    fn end(&mut self, name: &str) {
        match name {
            "revision" => self.is_in_revision = false,
            "contributor" => self.is_in_contributor = false,
            _ => {}
        }
        let element = std::mem::take(&mut self.element);
        if element != Element::Other {
            self.take(element);
        }
    }

    fn take(&mut self, element: Element) {
        let text = std::mem::take(&mut self.text);
        let (page, site) = (&mut self.page, &mut self.site);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_that_multiply_each_other_stay_as_they_are_written() {
        let xml = b"<page><title>T</title><ns>0</ns><id>1</id><revision><id>2</id><text>&lol9; &amp; &#65;&#x42; & c</text></revision></page>";
        let page = parse_page(xml).unwrap();
        assert_eq!(page.wikitext, "&lol9; & AB & c");
        assert_eq!((page.page_id, page.revision_id), (Some(1), Some(2)));
    }

    #[test]
    fn damaged_xml_and_bytes_that_are_no_text_are_told_apart() {
        assert_eq!(
            parse_page(b"<page><title>\xff</title></page>"),
            Err("the page is not UTF-8")
        );
        assert_eq!(
            parse_page(b"<page><title>a</text></page>"),
            Err("the page's XML is damaged")
        );
        assert_eq!(
            title_of(b"<page><title>Tom &amp; J</title><id>3").as_deref(),
            Some("Tom & J")
        );
        assert_eq!(title_of(b"<page><tit"), None);
    }
}
