//! Text to ids and back. Bytes and characters; both exact, so nats per token are nats per byte or
//! character.

use super::corpus::CorpusFile;
use super::error::{DataError, Missing};
use crate::check::spec::{Tokenizer, Vocab};

/// How ids stand for text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    Bytes,
    /// In code-point order: the id is the index.
    Chars(Vec<char>),
}

impl Codec {
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        match self {
            Codec::Bytes => Ok(text.bytes().map(u32::from).collect()),
            Codec::Chars(alphabet) => text
                .chars()
                .enumerate()
                .map(|(i, c)| match alphabet.binary_search(&c) {
                    Ok(id) => Ok(id as u32),
                    Err(_) => Err(DataError::UnknownCharacter { character: c, position: i as u64 }),
                })
                .collect(),
        }
    }

    /// Ids that stand for no text (end of document, mask) are shown as what `special` says.
    pub fn decode(&self, ids: &[u32], special: impl Fn(u32) -> String) -> String {
        match self {
            Codec::Bytes => {
                let mut bytes = Vec::with_capacity(ids.len());
                for id in ids {
                    match u8::try_from(*id) {
                        Ok(byte) => bytes.push(byte),
                        Err(_) => bytes.extend_from_slice(special(*id).as_bytes()),
                    }
                }
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Codec::Chars(alphabet) => {
                ids.iter().map(|id| alphabet.get(*id as usize).map_or_else(|| special(*id), char::to_string)).collect()
            }
        }
    }

    /// What a loss in nats per token is per.
    /// Bytes of text that an id stands for; 0 for ids that are no text.
    pub fn n_bytes(&self, id: u32) -> u64 {
        match self {
            Codec::Bytes => u64::from(id < 256),
            Codec::Chars(alphabet) => alphabet.get(id as usize).map_or(0, |c| c.len_utf8() as u64),
        }
    }

    pub fn loss_unit(&self) -> &'static str {
        match self {
            Codec::Bytes => "nats/byte",
            Codec::Chars(_) => "nats/char",
        }
    }
}

/// The documents of a corpus: one per file that is not empty. Lengths are known without reading
/// where the tokenizer allows it, so a small budget of a large corpus reads few files.
#[derive(Clone, Debug)]
pub(super) struct Documents {
    files: Vec<CorpusFile>,
    eod: u32,
    pub codec: Codec,
    /// Read and encoded already; only for characters, whose alphabet needs the whole corpus.
    encoded: Vec<Vec<u32>>,
    pub empty_files: u64,
}

impl Documents {
    pub fn open(files: Vec<CorpusFile>, tokenizer: &Tokenizer, vocab: &Vocab) -> Result<Documents, DataError> {
        let n_files = files.len();
        let files: Vec<CorpusFile> = files.into_iter().filter(|file| file.bytes > 0).collect();
        let empty_files = (n_files - files.len()) as u64;
        let (codec, encoded) = match tokenizer {
            Tokenizer::Bytes => (Codec::Bytes, vec![]),
            Tokenizer::Chars { n } => {
                let texts = files.iter().map(read_text).collect::<Result<Vec<String>, _>>()?;
                let codec = Codec::Chars(alphabet(&texts, *n)?);
                let encoded = texts.iter().map(|text| codec.encode(text)).collect::<Result<_, _>>()?;
                (codec, encoded)
            }
            _ => (Codec::Bytes, vec![]),
        };
        Ok(Documents { files, eod: vocab.eod as u32, codec, encoded, empty_files })
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Tokens of a document without its end.
    pub fn text_len(&self, document: usize) -> u64 {
        match &self.codec {
            Codec::Bytes => self.files.get(document).map_or(0, |file| file.bytes),
            Codec::Chars(_) => self.encoded.get(document).map_or(0, |ids| ids.len() as u64),
        }
    }

    /// Tokens of a document with its end.
    pub fn full_len(&self, document: usize) -> u64 {
        self.text_len(document) + 1
    }

    /// The ids of a document without its end.
    pub fn text(&self, document: usize) -> Result<Vec<u32>, DataError> {
        match &self.codec {
            Codec::Bytes => match self.files.get(document) {
                Some(file) => Ok(read(file)?.into_iter().map(u32::from).collect()),
                None => Ok(vec![]),
            },
            Codec::Chars(_) => Ok(self.encoded.get(document).cloned().unwrap_or_default()),
        }
    }

    /// The ids of a document and its end.
    pub fn full(&self, document: usize) -> Result<Vec<u32>, DataError> {
        let mut ids = self.text(document)?;
        ids.push(self.eod);
        Ok(ids)
    }

    pub fn eod(&self) -> u32 {
        self.eod
    }
}

fn unreadable(file: &CorpusFile, reason: impl ToString) -> DataError {
    DataError::Missing(vec![Missing::Unreadable { path: file.path.clone(), reason: reason.to_string() }])
}

fn read(file: &CorpusFile) -> Result<Vec<u8>, DataError> {
    let bytes = std::fs::read(&file.path).map_err(|e| unreadable(file, e))?;
    // Lengths were used to choose documents; a file that changed meanwhile would falsify the choice.
    if bytes.len() as u64 == file.bytes { Ok(bytes) } else { Err(unreadable(file, "it changed while it was read")) }
}

fn read_text(file: &CorpusFile) -> Result<String, DataError> {
    String::from_utf8(read(file)?)
        .map_err(|e| DataError::NotText { path: file.path.clone(), offset: e.utf8_error().valid_up_to() as u64 })
}

/// The distinct characters in code-point order.
fn alphabet(texts: &[String], declared: u64) -> Result<Vec<char>, DataError> {
    let mut seen = vec![false; char::MAX as usize + 1];
    for c in texts.iter().flat_map(|text| text.chars()) {
        if let Some(flag) = seen.get_mut(c as usize) {
            *flag = true;
        }
    }
    let all: Vec<char> =
        (0u32..).zip(&seen).filter(|(_, seen)| **seen).filter_map(|(code, _)| char::from_u32(code)).collect();
    if all.len() as u64 == declared {
        return Ok(all);
    }
    let extra = all.iter().skip(declared as usize).copied().collect();
    Err(DataError::Alphabet { declared, found: all.len() as u64, extra })
}
