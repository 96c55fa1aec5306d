//! Looks a document up, in a documents folder or as it stands in a corpus. It changes nothing.

use std::path::{Path, PathBuf};

use documents::{Document, DocumentReader};
use serde::Serialize;
use shards::{Corpus, DocumentRow, ShardReader, TOKENIZER_FOLDER};
use tokenizer::Tokenizer;

use crate::error::CorpusError;
use crate::selection::filer::DocumentHead;

/// Where a document of a corpus is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// By its id.
    Id(String),
    /// By its position in a shard.
    Shard {
        /// The shard.
        shard: u32,
        /// Index of the document in it.
        document: usize,
    },
    /// By a token of a shard.
    Token {
        /// The shard.
        shard: u32,
        /// Position of the token in it.
        token: u64,
    },
    /// By its position in a held-out file.
    HeldOut {
        /// The source.
        source: String,
        /// Index of the document in the file.
        document: usize,
    },
}

/// A document as it stands in a corpus.
#[derive(Debug, Clone, Serialize)]
pub struct CorpusDocument {
    /// Its row in the list of documents.
    pub row: DocumentRow,
    /// Its blocks.
    pub blocks: Vec<CorpusBlock>,
}

/// A block as it stands in a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CorpusBlock {
    /// The text that its tokens spell, without the closing line break.
    pub text: String,
    /// Its tokens, the closing newline token included.
    pub tokens: Vec<u32>,
}

/// The document of an id in a documents folder.
///
/// # Errors
/// [`CorpusError::UnknownDocument`], or what reading the folder gives.
pub fn find_document(docs: &Path, id: &str) -> Result<Document, CorpusError> {
    let mut reader = DocumentReader::open(docs)?;
    while let Some(line) = reader.next_line().transpose()? {
        if line.parse::<DocumentHead>()?.id == id {
            return Ok(line.parse()?);
        }
    }
    Err(CorpusError::UnknownDocument {
        wanted: format!("with the id {id}"),
        folder: docs.to_path_buf(),
    })
}

/// A corpus opened to be looked at, with the tokenizer that it was built with.
#[derive(Debug)]
pub struct CorpusInspector {
    folder: PathBuf,
    corpus: Corpus,
    tokenizer: Tokenizer,
}

impl CorpusInspector {
    /// Opens a corpus folder.
    ///
    /// # Errors
    /// When it is not a corpus, or its tokenizer is not the one that its tokens come from.
    pub fn open(folder: &Path) -> Result<Self, CorpusError> {
        let corpus = Corpus::open(folder)?;
        let path = folder.join(TOKENIZER_FOLDER);
        let tokenizer = Tokenizer::open(&path)?;
        if tokenizer.hash() != corpus.manifest().tokenizer_hash {
            return Err(CorpusError::OtherTokenizer {
                corpus: folder.to_path_buf(),
                expected: corpus.manifest().tokenizer_hash.clone(),
                tokenizer: path,
                found: tokenizer.hash().to_owned(),
            });
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            corpus,
            tokenizer,
        })
    }

    /// The tokenizer that the corpus was built with.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    pub(crate) fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// The blocks of a document of the list.
    pub(crate) fn blocks_of(&self, row: &DocumentRow) -> Result<Vec<CorpusBlock>, CorpusError> {
        match row.shard {
            Some(shard) => self.blocks(self.corpus.shard(shard)?, row),
            None => self.blocks(&self.held_out(&row.source)?, row),
        }
    }

    /// The document at a place.
    ///
    /// # Errors
    /// [`CorpusError::UnknownDocument`] or [`CorpusError::UnknownHeldOut`] when nothing is there.
    pub fn document(&self, place: &Place) -> Result<CorpusDocument, CorpusError> {
        let row = self.row(place)?;
        let blocks = self.blocks_of(&row)?;
        Ok(CorpusDocument { row, blocks })
    }

    /// Up to `num_sentences` sentences of held-out documents of a source, spread over all of
    /// them: blocks of running text first, other lines only where those do not suffice.
    ///
    /// # Errors
    /// [`CorpusError::UnknownHeldOut`] when the source has no held-out documents.
    pub fn held_out_sentences(&self, source: &str, num_sentences: usize) -> Result<Vec<String>, CorpusError> {
        let reader = self.held_out(source)?;
        let (mut sentences, mut others) = (Vec::new(), Vec::new());
        for block in spread(
            reader.num_blocks(),
            num_sentences.saturating_mul(CANDIDATES_A_SENTENCE),
        ) {
            // Longer ones are not decoded: no sentence has so many tokens.
            if reader.block_length(block) <= MOST_SENTENCE_TOKENS {
                let text = self.block(&reader, block)?.text;
                if is_sentence(&text) {
                    sentences.push(block);
                } else {
                    others.push(block);
                }
            }
        }
        let mut chosen = pick(&sentences, num_sentences);
        chosen.extend(pick(&others, num_sentences - chosen.len()));
        chosen
            .into_iter()
            .map(|block| Ok(self.block(&reader, block)?.text))
            .collect()
    }

    fn row(&self, place: &Place) -> Result<DocumentRow, CorpusError> {
        let unknown = |wanted: String| CorpusError::UnknownDocument {
            wanted,
            folder: self.folder.clone(),
        };
        match place {
            Place::Id(id) => {
                for row in self.corpus.documents().rows() {
                    let row = row?;
                    if row.id == *id {
                        return Ok(row);
                    }
                }
                Err(unknown(format!("with the id {id}")))
            }
            Place::Shard { shard, document } => {
                self.corpus.shard(*shard)?;
                let rows = self.corpus.manifest().shards[*shard as usize].documents;
                if *document as u64 >= rows {
                    return Err(unknown(format!("{document} in shard {shard}, which has {rows}")));
                }
                Ok(self.corpus.document_row(*shard, *document)?)
            }
            Place::Token { shard, token } => self.row_of_token(*shard, *token),
            Place::HeldOut { source, document } => {
                let rows = self.held_out(source)?.num_documents();
                if *document >= rows {
                    return Err(unknown(format!(
                        "{document} among the {rows} held out of {source}"
                    )));
                }
                Ok(self.corpus.held_out_row(source, *document)?)
            }
        }
    }

    fn row_of_token(&self, shard: u32, token: u64) -> Result<DocumentRow, CorpusError> {
        let reader = self.corpus.shard(shard)?;
        let mut end = 0;
        for block in 0..reader.num_blocks() {
            end += reader.block_length(block) as u64;
            if token < end {
                return Ok(self.corpus.document_row(shard, reader.document_of_block(block))?);
            }
        }
        let wanted = format!("at token {token} of shard {shard}, which has {end} tokens");
        Err(CorpusError::UnknownDocument {
            wanted,
            folder: self.folder.clone(),
        })
    }

    fn held_out(&self, source: &str) -> Result<ShardReader, CorpusError> {
        self.corpus
            .held_out(source)?
            .ok_or_else(|| CorpusError::UnknownHeldOut {
                wanted: source.to_owned(),
                folder: self.folder.clone(),
                available: self.corpus.held_out_sources().collect::<Vec<_>>().join(", "),
            })
    }

    fn blocks(&self, reader: &ShardReader, row: &DocumentRow) -> Result<Vec<CorpusBlock>, CorpusError> {
        reader
            .document_blocks(row.document as usize)
            .map(|block| self.block(reader, block))
            .collect()
    }

    fn block(&self, reader: &ShardReader, block: usize) -> Result<CorpusBlock, CorpusError> {
        let tokens = reader.block(block)?.to_vec();
        let text = match tokens.split_last() {
            Some((last, rest)) if *last == self.tokenizer.newline() => self.tokenizer.decode(rest),
            _ => self.tokenizer.decode(&tokens),
        };
        Ok(CorpusBlock { text, tokens })
    }
}

/// Longest block that is taken for one sentence.
const MOST_SENTENCE_TOKENS: usize = 80;

/// Blocks that are looked at for each sentence asked for: enough of any filing or article, and a
/// bound on the work.
const CANDIDATES_A_SENTENCE: usize = 200;

/// Running text of a length that says something by itself.
fn is_sentence(text: &str) -> bool {
    text.ends_with('.') && !text.contains(documents::CELL_SEPARATOR) && text.split(' ').count() >= 8
}

/// `count` of `total` indices at even distances, or all.
fn spread(total: usize, count: usize) -> impl Iterator<Item = usize> {
    let count = count.min(total);
    (0..count).map(move |index| index * total / count)
}

/// `count` items at even distances, or all.
fn pick(items: &[usize], count: usize) -> Vec<usize> {
    spread(items.len(), count).map(|index| items[index]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_spread_evenly_and_never_repeated() {
        assert_eq!(pick(&[1, 2, 3, 4, 5, 6], 3), [1, 3, 5]);
        assert_eq!(pick(&[1, 2], 5), [1, 2]);
        assert!(pick(&[], 5).is_empty());
        assert!(pick(&[1], 0).is_empty());
    }

    #[test]
    fn headings_and_table_rows_are_not_sentences() {
        assert!(is_sentence(
            "Net sales rose by seven percent over the prior year."
        ));
        assert!(!is_sentence("Item 1A. Risk Factors."));
        assert!(!is_sentence("Net sales of the year | 12 | 13 | 14 | 15 | 16."));
    }
}
