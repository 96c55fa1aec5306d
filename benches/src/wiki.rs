//! Wikipedia dumps: XML to text beside gensim, and beside decompression alone.

use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bzip2::read::{BzDecoder, BzEncoder, MultiBzDecoder};
use documents::Outcome;
use rayon::prelude::*;
use wikipedia::{PageResult, read_dump};

use crate::measure::print_rate;

/// Pages a stream: a stream of Wikimedia's has 100, of about the same length in all.
const PAGES_PER_STREAM: usize = 20;
/// How long the dump is made, by repetition.
const DUMP_BYTES: usize = 60_000_000;

/// A dump of many streams: its file, the same without compression, and the length of that.
#[derive(Debug, Clone)]
pub(crate) struct Dump {
    pub(crate) path: PathBuf,
    pub(crate) plain: PathBuf,
    pub(crate) xml_bytes: usize,
}

/// Makes a multistream dump of the pages of another one, in `folder`.
pub(crate) fn make_dump(pages_of: &Path, folder: &Path) -> Result<Dump> {
    let file = std::fs::File::open(pages_of).with_context(|| format!("opening {}", pages_of.display()))?;
    let mut xml = String::new();
    MultiBzDecoder::new(file).read_to_string(&mut xml)?;
    let start = xml.find("<page>").context("the dump has no page")?;
    let end = xml.rfind("</mediawiki>").context("the dump is cut")?;
    let (header, pages) = (&xml[..start], &xml[start..end]);
    let pages: Vec<&str> = pages.split_inclusive("</page>").collect();
    let streams: Vec<String> = pages.chunks(PAGES_PER_STREAM).map(<[&str]>::concat).collect();
    let packed: Vec<Vec<u8>> = streams
        .par_iter()
        .map(|text| compressed(text))
        .collect::<Result<_>>()?;

    let create = |path: &Path| {
        std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(path)
    };
    let (path, plain) = (folder.join("dump.xml.bz2"), folder.join("dump.xml"));
    let (mut out, mut plain_out) = (create(&path)?, create(&plain)?);
    let mut write = |bytes: &[u8]| out.write_all(bytes);
    write(&compressed(header)?)?;
    let repetitions = DUMP_BYTES.div_ceil(pages.iter().map(|page| page.len()).sum());
    for _ in 0..repetitions {
        packed.iter().try_for_each(|stream| write(stream))?;
    }
    plain_out.write_all(header.as_bytes())?;
    for _ in 0..repetitions {
        plain_out.write_all(&xml.as_bytes()[start..end])?;
    }
    plain_out.write_all(b"</mediawiki>\n")?;
    write(&compressed("</mediawiki>\n")?)?;
    let xml_bytes = header.len() + repetitions * (end - start) + "</mediawiki>\n".len();
    Ok(Dump {
        path,
        plain,
        xml_bytes,
    })
}

fn compressed(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    BzEncoder::new(text.as_bytes(), bzip2::Compression::best()).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A dump to documents on so many threads, 0 for all cores; MB/s of XML.
pub(crate) fn text(dump: &Path, xml_bytes: usize, threads: usize) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let start = Instant::now();
    let mut letters = 0;
    let prepare = |page: PageResult| match page.outcome {
        Outcome::Document(document) => document.blocks.iter().map(|block| block.text.len()).sum(),
        _ => 0,
    };
    let sink = |length: usize| {
        letters += length;
        ControlFlow::Continue(())
    };
    read_dump(dump, &pool, prepare, sink)?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(letters > 0, "no text came out");
    print_rate(xml_bytes as f64 / seconds / 1e6, letters);
    Ok(())
}

/// The streams of a dump decompressed on all cores, and nothing else; MB/s of XML.
pub(crate) fn decompression(dump: &Path, xml_bytes: usize) -> Result<()> {
    let start = Instant::now();
    let bytes = std::fs::read(dump)?;
    let mut starts: Vec<usize> = memchr::memmem::find_iter(&bytes, b"BZh91AY&SY").collect();
    starts.push(bytes.len());
    let lengths = starts.par_windows(2).with_max_len(1).map(|ends| {
        Ok(std::io::copy(
            &mut BzDecoder::new(&bytes[ends[0]..ends[1]]),
            &mut std::io::sink(),
        )?)
    });
    let length: usize = lengths
        .map(|length: Result<u64>| Ok(usize::try_from(length?)?))
        .sum::<Result<usize>>()?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(length == xml_bytes, "{length} bytes came out of {xml_bytes}");
    print_rate(xml_bytes as f64 / seconds / 1e6, length);
    Ok(())
}
