//! Checksum files as dumps.wikimedia.org has them: a hash, two spaces and a name a line.

use md5::Md5;
use sha1::Sha1;
use sha2::Digest;

use crate::web::{Fault, hex};

/// The hash of a checksum file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sha1,
    Md5,
}

impl Kind {
    /// The stronger one first.
    pub(super) const ALL: [Self; 2] = [Self::Sha1, Self::Md5];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Md5 => "MD5",
        }
    }

    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1sums.txt",
            Self::Md5 => "md5sums.txt",
        }
    }

    fn num_digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Md5 => 32,
        }
    }
}

/// What a file must hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checksum {
    pub(super) kind: Kind,
    pub(super) hex: String,
}

impl std::fmt::Display for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.hex)
    }
}

/// Names and their checksums.
///
/// # Errors
/// [`Fault::Unsound`] for what is no checksum file, a page for instance.
pub(super) fn read(bytes: &[u8], kind: Kind) -> Result<Vec<(String, Checksum)>, Fault> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let list: Option<Vec<_>> = lines.map(|line| read_line(line, kind)).collect();
    list.filter(|list| !list.is_empty())
        .ok_or_else(|| Fault::unsound("no checksum file"))
}

fn read_line(line: &str, kind: Kind) -> Option<(String, Checksum)> {
    let (hex, name) = line.split_once(char::is_whitespace)?;
    let is_hash = hex.len() == kind.num_digits() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = name.trim_start().trim_start_matches('*').trim_end();
    is_hash.then(|| {
        let hex = hex.to_ascii_lowercase();
        (name.to_owned(), Checksum { kind, hex })
    })
}

/// The entry of a file of the dump. The list of the dump `latest` has names with its day.
pub(super) fn find(
    list: Vec<(String, Checksum)>,
    wiki: &str,
    dump: &str,
    file: &str,
) -> Option<(String, Checksum)> {
    let is_file = |name: &str| {
        name.strip_prefix(wiki)
            .and_then(|rest| rest.strip_prefix('-')?.strip_suffix(file)?.strip_suffix('-'))
            .is_some_and(|day| {
                let is_day = day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit());
                day == dump || (dump == "latest" && is_day)
            })
    };
    list.into_iter().find(|(name, _)| is_file(name))
}

/// A hash in the making.
pub(super) enum Hasher {
    Sha1(Sha1),
    Md5(Md5),
}

impl Hasher {
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sha1 => Self::Sha1(Sha1::new()),
            Kind::Md5 => Self::Md5(Md5::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(bytes),
            Self::Md5(hash) => hash.update(bytes),
        }
    }

    /// Of what has passed so far.
    pub(super) fn hex(&self) -> String {
        match self {
            Self::Sha1(hash) => hex(&hash.clone().finalize()),
            Self::Md5(hash) => hex(&hash.clone().finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_of_a_file_is_found_under_its_day_and_under_latest() {
        let sum = |digit: &str| digit.repeat(40);
        let text = format!(
            "{}  enwiki-20240501-pages-articles.xml.bz2\n{}  enwiki-20240501-pages-articles-multistream.xml.bz2\n",
            sum("A"),
            sum("b")
        );
        for dump in ["20240501", "latest"] {
            let list = read(text.as_bytes(), Kind::Sha1).unwrap();
            let (name, checksum) = find(list, "enwiki", dump, "pages-articles.xml.bz2").unwrap();
            assert_eq!(
                (name.as_str(), checksum.hex),
                ("enwiki-20240501-pages-articles.xml.bz2", sum("a"))
            );
        }
        for (wiki, dump, file) in [
            ("dewiki", "20240501", "pages-articles.xml.bz2"),
            ("enwiki", "20240401", "pages-articles.xml.bz2"),
            ("enwiki", "latest", "articles.xml.bz2"),
        ] {
            let list = read(text.as_bytes(), Kind::Sha1).unwrap();
            assert_eq!(find(list, wiki, dump, file), None, "{wiki} {dump} {file}");
        }
    }

    #[test]
    fn a_page_and_the_other_kind_of_hash_are_no_checksum_file() {
        for text in ["", "<html>\n", &format!("{}  name\n", "0".repeat(32))] {
            read(text.as_bytes(), Kind::Sha1).unwrap_err();
        }
    }
}
