//! Where every parameter lies in the flat buffer.
//!
//! The order is fixed: reverse order of use (head, last layer ... first, embeddings, the tied
//! word matrix last), so that gradients become ready from the front. Every leaf starts at a
//! multiple of 64 bytes. Query, key and value of a layer are one leaf [3D, D], so that one
//! matrix product makes all three; each keeps its Hugging Face name as a part of that leaf.

use std::ops::Range;

use tch::Kind;

use crate::RobertaConfig;
use crate::names::{
    EMBEDDINGS_LAYER_NORM, HEAD_BIAS, HEAD_DENSE, HEAD_LAYER_NORM, POSITION_EMBEDDINGS,
    TOKEN_TYPE_EMBEDDINGS, WORD_EMBEDDINGS, attention_inputs, layer_module,
};

/// Every leaf starts at a multiple of this: a cache line, and an AVX-512 register.
const ALIGNMENT_BYTES: usize = 64;

/// One tensor of the model as files know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterInfo {
    /// Hugging Face name.
    pub name: String,
    /// Shape in files.
    pub shape: Vec<i64>,
    /// First element in the flat buffer.
    pub offset: usize,
    /// Shape in the flat buffer: more rows where the vocabulary is padded.
    pub padded_shape: Vec<i64>,
    /// Whether weight decay applies: not to biases and `LayerNorm`.
    pub decay: bool,
}

/// A tensor that autograd differentiates; it holds one parameter, or several of equal shape
/// one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeafSpec {
    pub(crate) name: String,
    parts: Vec<String>,
    part_shape: Vec<i64>,
    padded_shape: Vec<i64>,
    decay: bool,
}

impl LeafSpec {
    fn single(name: String, shape: &[i64], decay: bool) -> Self {
        let shape = shape.to_vec();
        Self {
            parts: vec![name.clone()],
            name,
            part_shape: shape.clone(),
            padded_shape: shape,
            decay,
        }
    }

    /// Shape of the whole leaf: its parts one after the other.
    pub(crate) fn shape(&self) -> Vec<i64> {
        let mut shape = self.padded_shape.clone();
        shape[0] *= dimension(self.parts.len());
        shape
    }

    fn part_elements(&self) -> usize {
        elements(&self.padded_shape)
    }
}

/// Number of elements of a shape.
pub(crate) fn elements(shape: &[i64]) -> usize {
    usize::try_from(shape.iter().product::<i64>()).unwrap_or(0)
}

/// A size as libtorch takes it.
pub(crate) fn dimension(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Name of the leaf that holds query, key and value of a layer (`suffix`: weight or bias).
pub(crate) fn fused_attention_leaf(layer: usize, suffix: &str) -> String {
    layer_module(layer, &format!("attention.self.query_key_value.{suffix}"))
}

fn linear(module: &str, outputs: usize, inputs: usize) -> [LeafSpec; 2] {
    let (outputs, inputs) = (dimension(outputs), dimension(inputs));
    [
        LeafSpec::single(format!("{module}.bias"), &[outputs], false),
        LeafSpec::single(format!("{module}.weight"), &[outputs, inputs], true),
    ]
}

fn layer_norm(module: &str, width: usize) -> [LeafSpec; 2] {
    ["bias", "weight"]
        .map(|suffix| LeafSpec::single(format!("{module}.{suffix}"), &[dimension(width)], false))
}

fn fused_attention(layer: usize, width: usize) -> [LeafSpec; 2] {
    let width = dimension(width);
    [("bias", vec![width], false), ("weight", vec![width, width], true)].map(|(suffix, shape, decay)| {
        LeafSpec {
            name: fused_attention_leaf(layer, suffix),
            parts: attention_inputs(layer)
                .map(|module| format!("{module}.{suffix}"))
                .to_vec(),
            part_shape: shape.clone(),
            padded_shape: shape,
            decay,
        }
    })
}

fn padded(mut spec: LeafSpec, rows: usize) -> LeafSpec {
    spec.padded_shape[0] = dimension(rows);
    spec
}

/// All leaves in reverse order of use.
fn leaf_specs(config: &RobertaConfig) -> Vec<LeafSpec> {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let (vocabulary, padded_vocabulary) = (dimension(config.vocab_size), config.padded_vocab_size());
    let table = |name: &str, rows: usize| {
        LeafSpec::single(name.to_owned(), &[dimension(rows), dimension(width)], true)
    };
    let mut specs = vec![padded(
        LeafSpec::single(HEAD_BIAS.to_owned(), &[vocabulary], false),
        padded_vocabulary,
    )];
    specs.extend(layer_norm(HEAD_LAYER_NORM, width));
    specs.extend(linear(HEAD_DENSE, width, width));
    for layer in (0..config.num_hidden_layers).rev() {
        specs.extend(layer_norm(&layer_module(layer, "output.LayerNorm"), width));
        specs.extend(linear(&layer_module(layer, "output.dense"), width, inner));
        specs.extend(linear(&layer_module(layer, "intermediate.dense"), inner, width));
        specs.extend(layer_norm(
            &layer_module(layer, "attention.output.LayerNorm"),
            width,
        ));
        specs.extend(linear(
            &layer_module(layer, "attention.output.dense"),
            width,
            width,
        ));
        specs.extend(fused_attention(layer, width));
    }
    specs.extend(layer_norm(EMBEDDINGS_LAYER_NORM, width));
    specs.push(table(TOKEN_TYPE_EMBEDDINGS, config.type_vocab_size));
    specs.push(table(POSITION_EMBEDDINGS, config.max_position_embeddings));
    specs.push(padded(
        table(WORD_EMBEDDINGS, config.vocab_size),
        padded_vocabulary,
    ));
    specs
}

/// Where everything lies, without any tensor.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) specs: Vec<LeafSpec>,
    pub(crate) offsets: Vec<usize>,
    pub(crate) len: usize,
}

impl Layout {
    pub(crate) fn new(config: &RobertaConfig, kind: Kind) -> Self {
        let line = ALIGNMENT_BYTES / kind.elt_size_in_bytes();
        let specs = leaf_specs(config);
        let mut len = 0;
        let mut offsets = Vec::with_capacity(specs.len());
        for spec in &specs {
            offsets.push(len);
            len = (len + spec.part_elements() * spec.parts.len()).next_multiple_of(line);
        }
        Self { specs, offsets, len }
    }

    pub(crate) fn infos(&self) -> Vec<ParameterInfo> {
        let mut infos = Vec::new();
        for (spec, &start) in self.specs.iter().zip(&self.offsets) {
            for (index, name) in spec.parts.iter().enumerate() {
                infos.push(ParameterInfo {
                    name: name.clone(),
                    shape: spec.part_shape.clone(),
                    offset: start + index * spec.part_elements(),
                    padded_shape: spec.padded_shape.clone(),
                    decay: spec.decay,
                });
            }
        }
        infos
    }

    /// Ranges with decay, neighbors joined (the gaps between them are zero and stay zero).
    pub(crate) fn decay_ranges(&self) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let ends = self.offsets.iter().skip(1).copied().chain([self.len]);
        for ((spec, &start), end) in self.specs.iter().zip(&self.offsets).zip(ends) {
            match ranges.last_mut() {
                _ if !spec.decay => {}
                Some(last) if last.end == start => last.end = end,
                _ => ranges.push(start..end),
            }
        }
        ranges
    }
}
