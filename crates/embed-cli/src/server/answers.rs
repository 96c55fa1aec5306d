//! Answers with vectors, written as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::error::ApiError;
use super::json::EncodingFormat;

/// Largest bytes of a number: itself, and its digits with sign, point, exponent and comma. In base64 it
/// is written twice, in less.
const NUMBER_BYTES: usize = 4 + 16;
/// Largest bytes of what stands around a vector or a list of them.
const AROUND_BYTES: usize = 96;
/// Largest bytes of what stands around the whole answer, the name of the model included.
const HEAD_BYTES: usize = 4 << 10;

/// The form that a request wants its vectors in. Counts are those of a list's texts; none stands for a
/// text that is no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// `{"embedding": [...]}` for a text, `{"embedding": [[...], ...]}` for a list.
    One(Option<usize>),
    /// The same for each of several lines.
    Lines(Vec<Option<usize>>),
    /// An object of `OpenAI`'s.
    OpenAi(EncodingFormat),
}

impl Form {
    /// How many lists stand in the answer, at most.
    pub(crate) fn num_lists(&self) -> usize {
        match self {
            Self::Lines(counts) => counts.len(),
            Self::One(_) | Self::OpenAi(_) => 1,
        }
    }
}

/// Bytes of an answer and its vectors, at most.
pub(crate) fn max_answer_bytes(num_texts: usize, num_lists: usize, dimension: usize) -> usize {
    let vectors = num_texts.saturating_mul(
        dimension
            .saturating_mul(NUMBER_BYTES)
            .saturating_add(AROUND_BYTES),
    );
    vectors.saturating_add(num_lists.saturating_mul(AROUND_BYTES) + HEAD_BYTES)
}

/// The vectors of a request's texts.
#[derive(Debug)]
pub(crate) struct Vectors {
    pub(crate) values: Vec<f32>,
    pub(crate) dimension: usize,
    pub(crate) num_tokens: usize,
}

impl Vectors {
    fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.dimension)
    }

    /// The answer's body. Takes a while.
    ///
    /// # Errors
    /// [`ApiError::Unwritten`].
    pub(crate) fn write(self, form: &Form, model_name: &str) -> Result<Vec<u8>, ApiError> {
        let num_texts = self.values.len() / self.dimension.max(1);
        // Memory that is not written to is not taken.
        let mut body = Vec::with_capacity(max_answer_bytes(num_texts, form.num_lists(), self.dimension));
        let written = match form {
            Form::One(count) => embedding(&mut body, &mut self.rows(), *count),
            Form::Lines(counts) => lines(&mut body, &mut self.rows(), counts),
            Form::OpenAi(format) => serde_json::to_writer(&mut body, &self.list(*format, model_name)),
        };
        written.map_err(|error| ApiError::Unwritten {
            message: error.to_string(),
        })?;
        body.shrink_to_fit();
        Ok(body)
    }

    fn list<'a>(&'a self, format: EncodingFormat, model: &'a str) -> EmbeddingList<'a> {
        let objects = self.rows().enumerate().map(|(index, values)| EmbeddingObject {
            object: "embedding",
            index,
            embedding: Vector { values, format },
        });
        EmbeddingList {
            object: "list",
            data: objects.collect(),
            model,
            usage: json!({"prompt_tokens": self.num_tokens, "total_tokens": self.num_tokens}),
        }
    }
}

type Rows<'a> = std::slice::ChunksExact<'a, f32>;

fn embedding(body: &mut Vec<u8>, rows: &mut Rows<'_>, count: Option<usize>) -> serde_json::Result<()> {
    body.extend_from_slice(b"{\"embedding\":");
    match count {
        None => serde_json::to_writer(&mut *body, rows.next().unwrap_or_default())?,
        Some(count) => serde_json::to_writer(&mut *body, &rows.take(count).collect::<Vec<_>>())?,
    }
    body.push(b'}');
    Ok(())
}

fn lines(body: &mut Vec<u8>, rows: &mut Rows<'_>, counts: &[Option<usize>]) -> serde_json::Result<()> {
    for (index, count) in counts.iter().enumerate() {
        if index > 0 {
            body.push(b'\n');
        }
        embedding(body, rows, *count)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct EmbeddingList<'a> {
    object: &'static str,
    data: Vec<EmbeddingObject<'a>>,
    model: &'a str,
    usage: serde_json::Value,
}

#[derive(Serialize)]
struct EmbeddingObject<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

struct Vector<'a> {
    values: &'a [f32],
    format: EncodingFormat,
}

impl Serialize for Vector<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.format {
            EncodingFormat::Float => self.values.serialize(serializer),
            EncodingFormat::Base64 => {
                let bytes: Vec<u8> = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
                serializer.serialize_str(&STANDARD.encode(bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: &Form, values: &[f32]) -> Vec<u8> {
        let vectors = Vectors {
            values: values.to_vec(),
            dimension: 2,
            num_tokens: usize::MAX,
        };
        vectors.write(form, "model").unwrap()
    }

    #[test]
    fn an_answer_has_the_form_of_its_request() {
        let values = [1.0, -0.5, 2.0, 0.25];
        let text = |form: &Form| String::from_utf8(written(form, &values)).unwrap();
        assert_eq!(text(&Form::One(None)), r#"{"embedding":[1.0,-0.5]}"#);
        assert_eq!(
            text(&Form::One(Some(2))),
            r#"{"embedding":[[1.0,-0.5],[2.0,0.25]]}"#
        );
        let lines = Form::Lines(vec![None, Some(0), Some(1)]);
        assert_eq!(
            text(&lines),
            "{\"embedding\":[1.0,-0.5]}\n{\"embedding\":[]}\n{\"embedding\":[[2.0,0.25]]}"
        );
        assert!(text(&Form::OpenAi(EncodingFormat::Base64)).contains(r#""embedding":"AACAPwAAAL8=""#));
    }

    #[test]
    fn no_answer_is_larger_than_was_set_aside_for_it() {
        // Those with most digits.
        let values = [-1.234_567_9e-38_f32, f32::MIN].repeat(500);
        for form in [
            Form::One(Some(500)),
            Form::Lines(vec![Some(1); 500]),
            Form::OpenAi(EncodingFormat::Float),
            Form::OpenAi(EncodingFormat::Base64),
        ] {
            let answer = written(&form, &values);
            let with_vectors = answer.len() + values.len() * 4;
            assert!(
                with_vectors <= max_answer_bytes(500, form.num_lists(), 2),
                "{form:?}: {with_vectors}"
            );
        }
    }
}
