//! Initial weights: normal(0, `initializer_range`) from Philox(seed, parameter name), biases
//! 0, `LayerNorm` 1, the padding rows of word and position embeddings 0, as `transformers` does.
//!
//! The numbers depend on seed, name and element index in the unpadded tensor, never on
//! padding, layout, device or world.

use tch::{Device, Kind, Tensor};
use torch_native::{fill_normal, purpose_key};

use crate::names::{POSITION_EMBEDDINGS, WORD_EMBEDDINGS};
use crate::{ModelError, ParameterInfo, Parameters, RobertaConfig};

/// Purpose of the streams of this module: "init" in ASCII.
const PURPOSE: u32 = 0x696e_6974;

/// FNV-1a, 64 bits (Fowler, Noll, Vo, 1991): fixed for ever, unlike the standard library's.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn initial(info: &ParameterInfo, config: &RobertaConfig, seed: u64) -> Result<Tensor, ModelError> {
    let options = (Kind::Double, Device::Cpu);
    if !info.decay {
        let is_bias = info.name.ends_with("bias");
        return Ok(if is_bias {
            Tensor::f_zeros(&info.shape[..], options)?
        } else {
            Tensor::f_ones(&info.shape[..], options)?
        });
    }
    let tensor = Tensor::f_empty(&info.shape[..], options)?;
    fill_normal(
        &tensor,
        config.initializer_range,
        purpose_key(seed, PURPOSE, 0, 0),
        name_hash(&info.name),
    )?;
    if info.name == WORD_EMBEDDINGS || info.name == POSITION_EMBEDDINGS {
        let _ = tensor.f_narrow(0, i64::from(config.pad_token_id), 1)?.f_zero_()?;
    }
    Ok(tensor)
}

/// Fills all parameters.
pub(crate) fn initialize(
    parameters: &Parameters,
    config: &RobertaConfig,
    seed: u64,
) -> Result<(), ModelError> {
    let _no_grad = tch::no_grad_guard();
    for (name, mut view) in parameters.views_of(parameters.flat())? {
        if let Some(info) = parameters.infos().iter().find(|info| info.name == name) {
            view.f_copy_(&initial(info, config, seed)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::tests::tiny_config;
    use crate::{Precision, RobertaConfig, RobertaForMaskedLm};
    use tch::{Device, Kind, Tensor};

    fn initialized(config: &RobertaConfig, precision: Precision, seed: u64) -> Vec<(String, Tensor)> {
        let mut model = RobertaForMaskedLm::new(config, precision, Device::Cpu).unwrap();
        model.initialize(seed).unwrap();
        model.named_tensors().unwrap()
    }

    #[test]
    fn weights_are_normal_biases_zero_layer_norms_one() {
        let config = RobertaConfig {
            vocab_size: 5000,
            ..tiny_config()
        };
        for (name, tensor) in initialized(&config, Precision::F64, 3) {
            if name.ends_with("bias") {
                assert_eq!(tensor, tensor.zeros_like(), "{name}");
            } else if name.contains("LayerNorm") || name.contains("layer_norm") {
                assert_eq!(tensor, tensor.ones_like(), "{name}");
            } else if name.contains("word_embeddings") {
                let rows = Tensor::cat(&[tensor.narrow(0, 0, 1), tensor.narrow(0, 2, 4998)], 0) / 0.02;
                assert_eq!(tensor.get(1), tensor.get(1).zeros_like());
                let count = rows.numel() as f64;
                // Five deviations of the mean, the variance and the fourth moment.
                assert!(rows.mean(Kind::Double).double_value(&[]).abs() < 5.0 / count.sqrt());
                assert!(
                    (rows.square().mean(Kind::Double).double_value(&[]) - 1.0).abs()
                        < 5.0 * (2.0 / count).sqrt()
                );
                assert!(
                    (rows.pow_tensor_scalar(4).mean(Kind::Double).double_value(&[]) - 3.0).abs()
                        < 5.0 * (96.0 / count).sqrt()
                );
            }
        }
    }

    #[test]
    fn weights_depend_on_seed_and_name_alone() {
        let narrow = initialized(&tiny_config(), Precision::F32, 3);
        // 104 is the padded size: more layers and rows change no value of what both have.
        let wide = initialized(
            &RobertaConfig {
                vocab_size: 104,
                num_hidden_layers: 3,
                ..tiny_config()
            },
            Precision::F32,
            3,
        );
        for (name, tensor) in &narrow {
            let (_, other) = wide.iter().find(|(other, _)| other == name).unwrap();
            assert_eq!(*tensor, other.narrow(0, 0, tensor.size()[0]), "{name}");
        }
        let double = initialized(&tiny_config(), Precision::F64, 3);
        let another = initialized(&tiny_config(), Precision::F32, 4);
        for ((name, tensor), ((_, double), (_, another))) in narrow.iter().zip(double.iter().zip(&another)) {
            assert_eq!(*tensor, double.to_kind(Kind::Float), "{name}");
            assert!(!name.ends_with("dense.weight") || tensor != another, "{name}");
        }
    }
}
