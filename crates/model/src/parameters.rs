//! One flat buffer for all parameters, one for all gradients, and the leaves over them.
//!
//! The gaps between leaves, and the rows beyond the vocabulary, are zero and stay zero. Where
//! what lies stands in `layout.rs`.

use std::ops::Range;

use tch::{Device, Kind, Tensor};
use torch_native::{leaf_view, on_gradient_ready, preset_grad};

use crate::layout::{Layout, ParameterInfo, dimension, elements};
use crate::{ModelError, RobertaConfig};

/// The parameters of a model and their gradients.
#[derive(Debug)]
pub struct Parameters {
    flat: Tensor,
    grad: Tensor,
    infos: Vec<ParameterInfo>,
    decay_ranges: Vec<Range<usize>>,
    leaf_ranges: Vec<Range<usize>>,
    leaves: Vec<(String, Tensor)>,
}

impl Parameters {
    /// Zeroed buffers and the leaves over them, `.grad` of each preset.
    pub(crate) fn new(config: &RobertaConfig, kind: Kind, device: Device) -> Result<Self, ModelError> {
        let layout = Layout::new(config, kind);
        let flat = Tensor::f_zeros([dimension(layout.len)], (kind, device))?;
        let grad = Tensor::f_zeros([dimension(layout.len)], (kind, device))?;
        let (mut leaves, mut leaf_ranges) = (Vec::new(), Vec::new());
        for (spec, &offset) in layout.specs.iter().zip(&layout.offsets) {
            let shape = spec.shape();
            let leaf = leaf_view(&flat, offset, &shape)?;
            let len = elements(&shape);
            preset_grad(
                &leaf,
                &grad
                    .f_narrow(0, dimension(offset), dimension(len))?
                    .f_view(&shape[..])?,
            )?;
            leaves.push((spec.name.clone(), leaf));
            leaf_ranges.push(offset..offset + len);
        }
        let (infos, decay_ranges) = (layout.infos(), layout.decay_ranges());
        Ok(Self {
            flat,
            grad,
            infos,
            decay_ranges,
            leaf_ranges,
            leaves,
        })
    }

    /// All parameters: one dimension, f32 (f64 at that precision). Updating it updates the model.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// All gradients, in the same layout. Backward passes add to it.
    pub fn grad(&self) -> &Tensor {
        &self.grad
    }

    /// Fills the gradients with zeros; the memory stays.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when libtorch fails.
    pub fn zero_grad(&self) -> Result<(), ModelError> {
        let _no_grad = tch::no_grad_guard();
        let _ = self.grad.shallow_clone().f_zero_()?;
        Ok(())
    }

    /// Calls `ready` in every backward pass with the index of each leaf (as in
    /// [`Parameters::leaf_ranges`]) as soon as its gradient has all that the pass adds to it.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when libtorch fails.
    pub fn on_gradient_ready(
        &self,
        ready: impl Fn(usize) + Clone + Send + Sync + 'static,
    ) -> Result<(), ModelError> {
        for (index, (_, leaf)) in self.leaves.iter().enumerate() {
            let ready = ready.clone();
            on_gradient_ready(leaf, move || ready(index))?;
        }
        Ok(())
    }

    /// Every tensor of the model, in the order of the flat buffer.
    pub fn infos(&self) -> &[ParameterInfo] {
        &self.infos
    }

    /// Element ranges with weight decay, ascending and disjoint.
    pub fn decay_ranges(&self) -> &[Range<usize>] {
        &self.decay_ranges
    }

    /// The flat range of each leaf, in the order in which gradients become ready.
    pub fn leaf_ranges(&self) -> &[Range<usize>] {
        &self.leaf_ranges
    }

    /// Number of elements of the flat buffers, gaps and padding included.
    pub fn len(&self) -> usize {
        self.flat.numel()
    }

    /// Whether there are no parameters; never, for a checked configuration.
    pub fn is_empty(&self) -> bool {
        self.infos.is_empty()
    }

    /// Number of parameters as files hold them.
    pub fn num_parameters(&self) -> usize {
        self.infos.iter().map(|info| elements(&info.shape)).sum()
    }

    /// The tensors of `flat` (these parameters, their gradients or a moment of the optimizer)
    /// as views without padding, sorted by Hugging Face name.
    ///
    /// # Errors
    /// [`ModelError::FlatLength`] when `flat` has another length than [`Parameters::flat`].
    pub fn views_of(&self, flat: &Tensor) -> Result<Vec<(String, Tensor)>, ModelError> {
        if flat.numel() != self.len() {
            return Err(ModelError::FlatLength {
                expected: self.len(),
                found: flat.numel(),
            });
        }
        let _no_grad = tch::no_grad_guard();
        let mut views = Vec::with_capacity(self.infos.len());
        for info in &self.infos {
            let len = dimension(elements(&info.shape));
            let view = flat
                .f_narrow(0, dimension(info.offset), len)?
                .f_view(&info.shape[..])?;
            views.push((info.name.clone(), view));
        }
        views.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(views)
    }

    /// The elements of one tensor in `flat` (in the layout of these parameters) as they lie: one
    /// dimension, with the padding of the vocabulary.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when libtorch fails.
    pub fn elements_of(&self, flat: &Tensor, info: &ParameterInfo) -> Result<Tensor, ModelError> {
        let length = info.padded_shape.iter().product();
        Ok(flat.f_narrow(0, dimension(info.offset), length)?)
    }

    /// Fills `flat` (in the layout of these parameters) from tensors by Hugging Face name, of
    /// any float kind. Padding is left as it is.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`] and [`ModelError::TensorShape`]; `flat` may then be
    /// filled in part.
    pub fn load_into(
        &self,
        flat: &Tensor,
        mut lookup: impl FnMut(&str) -> Option<Tensor>,
    ) -> Result<(), ModelError> {
        for (name, mut view) in self.views_of(flat)? {
            let Some(source) = lookup(&name) else {
                return Err(ModelError::MissingTensor { name });
            };
            if source.size() != view.size() {
                return Err(ModelError::TensorShape {
                    name,
                    expected: view.size(),
                    found: source.size(),
                });
            }
            let _no_grad = tch::no_grad_guard();
            view.f_copy_(&source)?;
        }
        Ok(())
    }

    /// A handle of the leaf with this name.
    pub(crate) fn leaf(&self, name: &str) -> Result<Tensor, ModelError> {
        let found = self.leaves.iter().find(|(leaf, _)| leaf == name);
        found
            .map(|(_, leaf)| leaf.shallow_clone())
            .ok_or_else(|| ModelError::MissingTensor {
                name: name.to_owned(),
            })
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{HEAD_BIAS, WORD_EMBEDDINGS};
    use crate::tests::tiny_config;

    #[test]
    fn the_order_is_the_reverse_order_of_use() {
        let parameters = Parameters::new(&tiny_config(), Kind::Float, Device::Cpu).unwrap();
        let names: Vec<&str> = parameters.infos().iter().map(|info| info.name.as_str()).collect();
        let layer = |layer: usize| {
            let names = [
                "output.LayerNorm.bias",
                "output.LayerNorm.weight",
                "output.dense.bias",
                "output.dense.weight",
                "intermediate.dense.bias",
                "intermediate.dense.weight",
                "attention.output.LayerNorm.bias",
                "attention.output.LayerNorm.weight",
                "attention.output.dense.bias",
                "attention.output.dense.weight",
                "attention.self.query.bias",
                "attention.self.key.bias",
                "attention.self.value.bias",
                "attention.self.query.weight",
                "attention.self.key.weight",
                "attention.self.value.weight",
            ];
            names.map(|name| format!("roberta.encoder.layer.{layer}.{name}"))
        };
        let mut expected: Vec<String> = [
            "lm_head.bias",
            "lm_head.layer_norm.bias",
            "lm_head.layer_norm.weight",
            "lm_head.dense.bias",
            "lm_head.dense.weight",
        ]
        .map(str::to_owned)
        .to_vec();
        expected.extend(layer(1));
        expected.extend(layer(0));
        expected.extend(
            [
                "LayerNorm.bias",
                "LayerNorm.weight",
                "token_type_embeddings.weight",
                "position_embeddings.weight",
                "word_embeddings.weight",
            ]
            .map(|name| format!("roberta.embeddings.{name}")),
        );
        assert_eq!(names, expected);
    }

    #[test]
    fn leaves_start_at_64_bytes_and_never_overlap() {
        for (kind, line) in [(Kind::Float, 16), (Kind::Double, 8)] {
            let parameters = Parameters::new(&tiny_config(), kind, Device::Cpu).unwrap();
            let mut end = 0;
            for range in parameters.leaf_ranges() {
                assert!(range.start >= end && range.start - end < line && range.start % line == 0);
                end = range.end;
            }
            assert!(parameters.len() - end < line);
        }
    }

    #[test]
    fn decay_covers_matrices_and_nothing_else() {
        let parameters = Parameters::new(&tiny_config(), Kind::Float, Device::Cpu).unwrap();
        for info in parameters.infos() {
            let is_matrix = info.shape.len() == 2;
            assert_eq!(info.decay, is_matrix, "{}", info.name);
            let range = info.offset..info.offset + elements(&info.padded_shape);
            let inside = parameters
                .decay_ranges()
                .iter()
                .any(|decay| decay.start <= range.start && range.end <= decay.end);
            let apart = parameters
                .decay_ranges()
                .iter()
                .all(|decay| decay.end <= range.start || range.end <= decay.start);
            assert!(if is_matrix { inside } else { apart }, "{}", info.name);
        }
    }

    #[test]
    fn the_vocabulary_is_padded_in_memory_alone() {
        let config = tiny_config();
        let parameters = Parameters::new(&config, Kind::Float, Device::Cpu).unwrap();
        let word = parameters.infos().last().unwrap();
        assert_eq!(
            (word.shape[0], word.padded_shape[0]),
            (dimension(config.vocab_size), 104)
        );
        let views = parameters.views_of(parameters.flat()).unwrap();
        assert!(views.is_sorted_by(|a, b| a.0 < b.0));
        let (_, view) = views.iter().find(|(name, _)| name == WORD_EMBEDDINGS).unwrap();
        assert_eq!(view.size(), word.shape);
        assert_eq!(
            parameters.num_parameters(),
            views.iter().map(|(_, view)| view.numel()).sum::<usize>()
        );
    }

    #[test]
    fn loading_names_what_is_missing_or_has_another_shape() {
        let parameters = Parameters::new(&tiny_config(), Kind::Float, Device::Cpu).unwrap();
        let source: Vec<(String, Tensor)> = parameters.views_of(parameters.flat()).unwrap();
        let find = |wanted: &str| {
            source
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, view)| view.shallow_clone())
        };
        let missing =
            parameters.load_into(parameters.flat(), |name| find(name).filter(|_| name != HEAD_BIAS));
        assert!(matches!(missing, Err(ModelError::MissingTensor { name }) if name == HEAD_BIAS));
        let transposed =
            parameters.load_into(parameters.flat(), |name| find(name).map(|view| view.unsqueeze(0)));
        assert!(matches!(transposed, Err(ModelError::TensorShape { .. })));
        let short = Tensor::zeros([3], (Kind::Float, Device::Cpu));
        assert!(matches!(
            parameters.views_of(&short),
            Err(ModelError::FlatLength { found: 3, .. })
        ));
    }
}
