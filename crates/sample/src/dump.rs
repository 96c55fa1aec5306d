//! Writes the invented encyclopedia as `MediaWiki` writes a dump: export XML in several bzip2
//! streams, with redirects, a talk page and a disambiguation page between the articles.

use std::io::{self, Write as _};

use super::draw::Draw;
use super::encyclopedia::article;

/// Pages of one bzip2 stream; Wikimedia's dumps have 100.
const PAGES_A_STREAM: usize = 25;

const HEAD: &str =
    "<mediawiki xmlns=\"http://www.mediawiki.org/xml/export-0.11/\" version=\"0.11\" xml:lang=\"en\">
  <siteinfo>
    <sitename>Sample Encyclopedia</sitename>
    <dbname>samplewiki</dbname>
    <base>https://wiki.example/wiki/Main_Page</base>
    <generator>tenk sample</generator>
    <case>first-letter</case>
    <namespaces>
      <namespace key=\"-1\" case=\"first-letter\">Special</namespace>
      <namespace key=\"0\" case=\"first-letter\" />
      <namespace key=\"1\" case=\"first-letter\">Talk</namespace>
      <namespace key=\"6\" case=\"first-letter\">File</namespace>
      <namespace key=\"10\" case=\"first-letter\">Template</namespace>
      <namespace key=\"14\" case=\"first-letter\">Category</namespace>
    </namespaces>
  </siteinfo>
";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

struct Page<'a> {
    title: &'a str,
    namespace: u8,
    redirect: Option<&'a str>,
    wikitext: &'a str,
}

fn page_xml(seed: u64, number: u64, page: &Page<'_>) -> String {
    let mut draw = Draw::new(seed, "revision", number);
    let redirect = page
        .redirect
        .map(|to| format!("    <redirect title=\"{}\" />\n", escaped(to)))
        .unwrap_or_default();
    format!(
        "  <page>\n    <title>{}</title>\n    <ns>{}</ns>\n    <id>{}</id>\n{redirect}    <revision>\n      <id>{}</id>\n      <timestamp>20{:02}-{:02}-{:02}T{:02}:00:00Z</timestamp>\n      <contributor>\n        <username>sample</username>\n        <id>1</id>\n      </contributor>\n      <model>wikitext</model>\n      <format>text/x-wiki</format>\n      <text bytes=\"{}\" xml:space=\"preserve\">{}</text>\n    </revision>\n  </page>\n",
        escaped(page.title),
        page.namespace,
        number + 10,
        900_000 + number * 7,
        draw.between(8, 24),
        draw.between(1, 12),
        draw.between(1, 28),
        draw.between(0, 23),
        page.wikitext.len(),
        escaped(page.wikitext)
    )
}

/// The pages of a dump with `num_articles` articles, in order, each as XML.
fn pages(seed: u64, num_articles: usize) -> Vec<String> {
    let mut pages = Vec::new();
    let mut push = |page: &Page<'_>| pages.push(page_xml(seed, pages.len() as u64, page));
    for index in 0..num_articles {
        let article = article(seed, index as u64);
        push(&Page {
            title: &article.title,
            namespace: 0,
            redirect: None,
            wikitext: &article.wikitext,
        });
        if index % 10 == 3 {
            let text = format!("#REDIRECT [[{}]]", article.title);
            push(&Page {
                title: &format!("The {}", article.title),
                namespace: 0,
                redirect: Some(&article.title),
                wikitext: &text,
            });
        }
    }
    if num_articles > 0 {
        let title = article(seed, 0).title;
        push(&Page {
            title: &format!("Talk:{title}"),
            namespace: 1,
            redirect: None,
            wikitext: "Is the length right? ~~~~",
        });
        let listed = format!("'''Sample''' may refer to:\n* [[{title}]]\n{{{{disambiguation}}}}");
        push(&Page {
            title: "Sample (disambiguation)",
            namespace: 0,
            redirect: None,
            wikitext: &listed,
        });
    }
    pages
}

/// Writes the dump: the head, the pages by 25 and the end, each in a bzip2 stream of its own.
pub(super) fn write_dump(out: &mut dyn io::Write, seed: u64, num_articles: usize) -> io::Result<()> {
    let pages = pages(seed, num_articles);
    let mut streams = vec![HEAD.to_owned()];
    streams.extend(pages.chunks(PAGES_A_STREAM).map(<[String]>::concat));
    streams.push("</mediawiki>\n".to_owned());
    for stream in streams {
        let mut encoder = bzip2::write::BzEncoder::new(&mut *out, bzip2::Compression::best());
        encoder.write_all(stream.as_bytes())?;
        encoder.finish()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn a_dump_of_several_streams_reads_as_one_text() {
        let mut bytes = Vec::new();
        write_dump(&mut bytes, 1, 60).unwrap();
        let mut text = String::new();
        bzip2::read::MultiBzDecoder::new(bytes.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        assert!(text.starts_with("<mediawiki") && text.ends_with("</mediawiki>\n"));
        assert_eq!(text.matches("<page>").count(), 60 + 6 + 2);
    }
}
