//! Tests of the model as a whole, and what the tests of its modules share.

mod parity;

use tch::{Device, Kind, Tensor};
use torch_native::inexact_kernels;

use crate::{
    BatchSlices, BatchTensors, DropoutKey, HiddenAct, ModelError, Precision, RobertaConfig,
    RobertaForMaskedLm,
};

/// Two layers, width 12 (odd against every alignment), vocabulary 100 (padded to 104).
pub(crate) fn tiny_config() -> RobertaConfig {
    RobertaConfig {
        vocab_size: 100,
        hidden_size: 12,
        num_hidden_layers: 2,
        num_attention_heads: 3,
        intermediate_size: 20,
        max_position_embeddings: 34,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        ..RobertaConfig::from_json(r#"{"model_type": "roberta"}"#).unwrap()
    }
}

pub(crate) fn initialized(config: &RobertaConfig, precision: Precision) -> RobertaForMaskedLm {
    let mut model = RobertaForMaskedLm::new(config, precision, Device::Cpu).unwrap();
    model.initialize(5).unwrap();
    model
}

/// Three sequences of 8, the second padded, two masked slots each, one unused.
fn batch(config: &RobertaConfig) -> BatchTensors {
    let ids: Vec<i64> = vec![
        0, 5, 7, 9, 11, 13, 15, 2, 0, 21, 23, 25, 2, 1, 1, 1, 0, 31, 33, 35, 37, 39, 41, 2,
    ];
    let slices = BatchSlices {
        sequences: 3,
        sequence_length: 8,
        input_ids: &ids,
        lengths: &[8, 5, 8],
        masked_positions: &[1, 5, 10, 8, 18, 22],
        labels: &[50, 51, 52, 0, 53, 54],
        weights: &[1.0, 1.0, 1.0, 0.0, 1.0, 1.0],
    };
    BatchTensors::from_slices(&slices, config, Device::Cpu).unwrap()
}

const ACTS: [HiddenAct; 3] = [HiddenAct::Gelu, HiddenAct::GeluNew, HiddenAct::Relu];

const KEY: DropoutKey = DropoutKey {
    seed: 1,
    step: 2,
    micro_batch: 3,
};

fn gradients(model: &RobertaForMaskedLm, key: Option<&DropoutKey>) -> Vec<f64> {
    model.parameters().zero_grad().unwrap();
    model
        .loss_sum(&batch(model.config()), key)
        .unwrap()
        .f_backward()
        .unwrap();
    Vec::<f64>::try_from(model.parameters().grad().to_kind(Kind::Double)).unwrap()
}

#[test]
fn no_model_computes_with_attention_of_cudnn_or_with_tf32() {
    let name = "tests::no_model_computes_with_attention_of_cudnn_or_with_tf32";
    if test_data::own_process(name).is_some() {
        return;
    }
    assert!(inexact_kernels().unwrap().cudnn_attention);
    let model = RobertaForMaskedLm::new(&tiny_config(), Precision::F32, Device::Cpu).unwrap();
    let may_run = inexact_kernels().unwrap();
    assert!(!may_run.cudnn_attention && !may_run.tf32, "{may_run:?}");
    drop(model);
}

#[test]
fn attention_alone_computes_without_cudnn_too() {
    if test_data::own_process("tests::attention_alone_computes_without_cudnn_too").is_some() {
        return;
    }
    let fused = Tensor::zeros([1, 4, 24], (Kind::Float, Device::Cpu));
    let context = crate::attention(&fused, 2, None, None).unwrap();
    assert_eq!(context.size(), [1, 4, 8]);
    assert!(!inexact_kernels().unwrap().cudnn_attention);
}

#[test]
fn the_sparse_head_equals_the_dense_head() {
    let model = initialized(&tiny_config(), Precision::F64);
    let batch = batch(model.config());
    let sparse = model.masked_logits(&batch).unwrap();
    let dense = model
        .logits(&batch.input_ids, batch.attention_mask.as_ref())
        .unwrap();
    let picked = dense.view([24, 100]).index_select(0, &batch.masked_positions);
    assert_eq!(sparse.size(), [6, 100]);
    assert!((sparse - picked).abs().max().double_value(&[]) < 1e-14);
}

#[test]
fn the_initial_loss_is_the_logarithm_of_the_vocabulary() {
    // Logits of the untrained head have variance D x initializer_range^2, which adds half of
    // itself to the loss: within 0.05 up to a width of 250.
    for (width, excess) in [(64, 0.0128), (768, 0.1536)] {
        let config = RobertaConfig {
            vocab_size: 5000,
            hidden_size: width,
            num_attention_heads: 4,
            ..tiny_config()
        };
        let model = initialized(&config, Precision::F32);
        let batch = batch(&config);
        let loss = tch::no_grad(|| model.loss_sum(&batch, None))
            .unwrap()
            .double_value(&[])
            / 5.0;
        // Five rows: the mean of five label logits deviates by sqrt(variance / 5).
        let tolerance = 3.0 * (width as f64 * 4e-4 / 5.0).sqrt();
        let expected = 5000f64.ln() + excess;
        assert!(
            (loss - expected).abs() < tolerance,
            "width {width}: {loss} against {expected}"
        );
    }
}

#[test]
fn padding_changes_nothing_for_the_tokens_before_it() {
    let model = initialized(&tiny_config(), Precision::F64);
    let padded = Tensor::from_slice2(&[[0i64, 21, 23, 25, 2, 1, 1, 1]]);
    let mask = padded.ne(1);
    let hidden = model.hidden_states(&padded, Some(&mask)).unwrap().narrow(1, 0, 5);
    let alone = model.hidden_states(&padded.narrow(1, 0, 5), None).unwrap();
    assert!((hidden - alone).abs().max().double_value(&[]) < 1e-14);
}

#[test]
fn rows_of_weight_zero_have_no_part_in_loss_and_gradient() {
    let model = initialized(&tiny_config(), Precision::F64);
    let before = gradients(&model, None);
    let mut other = batch(model.config());
    other.labels = Tensor::from_slice(&[50i64, 51, 52, 77, 53, 54]);
    model.parameters().zero_grad().unwrap();
    model.loss_sum(&other, None).unwrap().backward();
    assert_eq!(before, Vec::<f64>::try_from(model.parameters().grad()).unwrap());
}

#[test]
fn a_micro_batch_without_masked_tokens_has_loss_and_gradient_zero() {
    let model = initialized(&tiny_config(), Precision::F32);
    let mut unused = batch(model.config());
    unused.weights = unused.weights.zeros_like();
    let mut no_slots = batch(model.config());
    no_slots.masked_positions = no_slots.masked_positions.narrow(0, 0, 0);
    if let Some(packing) = &mut no_slots.packing {
        packing.masked_rows = packing.masked_rows.narrow(0, 0, 0);
    }
    no_slots.labels = no_slots.labels.narrow(0, 0, 0);
    no_slots.weights = no_slots.weights.narrow(0, 0, 0);
    for batch in [unused, no_slots] {
        model.parameters().zero_grad().unwrap();
        let loss = model.loss_sum(&batch, Some(&KEY)).unwrap();
        loss.backward();
        assert_eq!(loss.detach(), Tensor::from(0f32));
        assert_eq!(*model.parameters().grad(), model.parameters().grad().zeros_like());
    }
}

#[test]
fn nothing_is_recorded_under_no_grad() {
    let model = initialized(&tiny_config(), Precision::F32);
    let batch = batch(model.config());
    let (loss, hidden) = tch::no_grad(|| {
        (
            model.loss_sum(&batch, Some(&KEY)),
            model.hidden_states(&batch.input_ids, None),
        )
    });
    assert!(!loss.unwrap().requires_grad() && !hidden.unwrap().requires_grad());
}

#[test]
fn gradients_add_up_in_place_over_micro_batches() {
    let model = initialized(&tiny_config(), Precision::F64);
    let once = gradients(&model, None);
    let address = model.parameters().grad().data_ptr();
    model.loss_sum(&batch(model.config()), None).unwrap().backward();
    let twice = Vec::<f64>::try_from(model.parameters().grad()).unwrap();
    assert_eq!(model.parameters().grad().data_ptr(), address);
    for (once, twice) in once.iter().zip(twice) {
        assert!((2.0 * once - twice).abs() <= 1e-12 * once.abs().max(1e-3));
    }
    assert!(once.iter().any(|&value| value != 0.0));
}

#[test]
fn gradients_are_those_of_finite_differences_with_dropout_on() {
    let model = initialized(&tiny_config(), Precision::F64);
    let batch = batch(model.config());
    let gradient = gradients(&model, Some(&KEY));
    let loss = || {
        tch::no_grad(|| model.loss_sum(&batch, Some(&KEY)))
            .unwrap()
            .double_value(&[])
    };
    for info in model.parameters().infos() {
        let index = info.offset + 7 % usize::try_from(info.shape.iter().product::<i64>()).unwrap();
        let element = model.parameters().flat().get(i64::try_from(index).unwrap());
        let original = element.double_value(&[]);
        let at = |value: f64| {
            let _ = element.shallow_clone().fill_(value);
            loss()
        };
        let numeric = (at(original + 1e-5) - at(original - 1e-5)) / 2e-5;
        at(original);
        assert!(
            (numeric - gradient[index]).abs() < 1e-6 + 1e-5 * numeric.abs(),
            "{}: {numeric} against {}",
            info.name,
            gradient[index]
        );
    }
}

#[test]
fn padding_and_gaps_of_the_flat_buffer_never_get_a_gradient() {
    let model = initialized(&tiny_config(), Precision::F64);
    let gradient = gradients(&model, Some(&KEY));
    let mut covered = vec![false; gradient.len()];
    for info in model.parameters().infos() {
        let len = usize::try_from(info.shape.iter().product::<i64>()).unwrap();
        covered[info.offset..info.offset + len].fill(true);
    }
    assert!(covered.iter().any(|&covered| !covered));
    assert!(
        gradient
            .iter()
            .zip(covered)
            .all(|(&value, covered)| covered || value == 0.0)
    );
}

#[test]
fn a_pass_is_repeated_bit_for_bit_under_its_key_and_changes_with_it() {
    let model = initialized(&tiny_config(), Precision::F32);
    let first = gradients(&model, Some(&KEY));
    assert_eq!(first, gradients(&model, Some(&KEY)));
    for other in [
        DropoutKey { step: 3, ..KEY },
        DropoutKey {
            micro_batch: 4,
            ..KEY
        },
        DropoutKey { seed: 2, ..KEY },
    ] {
        assert_ne!(first, gradients(&model, Some(&other)));
    }
    assert_ne!(first, gradients(&model, None));
}

#[test]
fn activations_that_are_computed_twice_give_the_same_loss_and_gradients_bit_for_bit() {
    for (precision, permutation, hidden_act) in [
        (Precision::F32, None, HiddenAct::Gelu),
        (Precision::F32, Some(3), HiddenAct::Gelu),
        (Precision::F64, None, HiddenAct::Gelu),
        (Precision::Bf16, None, HiddenAct::Gelu),
        (Precision::F32, None, HiddenAct::GeluNew),
        (Precision::F32, None, HiddenAct::Relu),
    ] {
        let config = RobertaConfig {
            hidden_act,
            ..tiny_config()
        };
        let mut model = initialized(&config, precision);
        model.set_attention_permutation(permutation);
        let mut found = Vec::new();
        for checkpoint in [false, true] {
            model.set_checkpoint_activations(checkpoint);
            let loss = model.loss_sum(&batch(model.config()), Some(&KEY)).unwrap();
            // Twice, as micro-batches add to the same gradients.
            let first = gradients(&model, Some(&KEY));
            loss.f_backward().unwrap();
            let sum = Vec::<f64>::try_from(model.parameters().grad().to_kind(Kind::Double)).unwrap();
            found.push((loss.double_value(&[]), first, sum));
        }
        assert!(found[0] == found[1], "{precision:?} {permutation:?}");
        assert!(found[0].1.iter().any(|&gradient| gradient != 0.0));
    }
}

#[test]
fn the_mean_over_dropout_masks_is_near_the_pass_without() {
    let config = RobertaConfig {
        hidden_dropout_prob: 0.0,
        attention_probs_dropout_prob: 0.3,
        num_hidden_layers: 1,
        ..tiny_config()
    };
    let model = initialized(&config, Precision::F64);
    let batch = batch(&config);
    let loss = |key: Option<&DropoutKey>| {
        tch::no_grad(|| model.loss_sum(&batch, key))
            .unwrap()
            .double_value(&[])
    };
    let mean = (0..400)
        .map(|step| loss(Some(&DropoutKey { step, ..KEY })))
        .sum::<f64>()
        / 400.0;
    assert!((mean - loss(None)).abs() < 1e-3, "{mean} against {}", loss(None));
}

#[test]
fn half_precision_stays_near_f32_and_its_gradients_are_f32() {
    // bf16 keeps 8 bits and fp16 11: 2^-8 and 2^-11 an operation, some ten operations deep.
    for (precision, tolerance) in [(Precision::Bf16, 0.04), (Precision::Fp16, 0.005)] {
        for hidden_act in ACTS {
            let config = RobertaConfig {
                hidden_act,
                ..tiny_config()
            };
            let (single, half) = (
                initialized(&config, Precision::F32),
                initialized(&config, precision),
            );
            assert_eq!(half.parameters().grad().kind(), Kind::Float);
            for key in [None, Some(&KEY)] {
                let (a, b) = (gradients(&single, key), gradients(&half, key));
                let scale = a.iter().fold(0.0f64, |max, value| max.max(value.abs()));
                let near = a.iter().zip(&b).all(|(a, b)| (a - b).abs() < tolerance * scale);
                assert!(near, "{precision:?} {hidden_act:?}");
            }
            let logits = half.masked_logits(&batch(half.config())).unwrap();
            assert_eq!(logits.kind(), Kind::Float);
        }
    }
}

#[test]
fn permuted_attention_changes_the_result_and_is_off_by_default() {
    let mut model = initialized(&tiny_config(), Precision::F32);
    let plain = gradients(&model, None);
    model.set_attention_permutation(Some(9));
    let permuted = gradients(&model, None);
    assert_ne!(plain, permuted);
    assert_eq!(permuted, gradients(&model, None));
    model.set_attention_permutation(None);
    assert_eq!(plain, gradients(&model, None));
}

#[test]
fn tensors_round_trip_by_name() {
    let source = initialized(&tiny_config(), Precision::F32);
    let tensors = source.named_tensors().unwrap();
    let mut copy = RobertaForMaskedLm::new(source.config(), Precision::F32, Device::Cpu).unwrap();
    copy.load_tensors(|name| {
        tensors
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, tensor)| tensor.shallow_clone())
    })
    .unwrap();
    assert_eq!(source.parameters().flat(), copy.parameters().flat());
}

#[test]
fn a_sequence_beyond_the_position_table_is_refused() {
    let model = initialized(&tiny_config(), Precision::F32);
    let ids = Tensor::full([1, 33], 5, (Kind::Int64, Device::Cpu));
    assert!(matches!(
        model.hidden_states(&ids, None),
        Err(ModelError::Config { .. })
    ));
    assert_eq!(
        model.hidden_states(&ids.narrow(1, 0, 32), None).unwrap().size(),
        [1, 32, 12]
    );
}

#[test]
fn a_model_beyond_the_memory_is_an_error_that_says_what_to_lower() {
    // 2^51 bytes: more than an address space of 47 bits has, whatever the machine overcommits.
    let config = RobertaConfig {
        vocab_size: (1 << 31) - 8,
        hidden_size: 1 << 18,
        num_attention_heads: 4,
        ..tiny_config()
    };
    let error = RobertaForMaskedLm::new(&config, Precision::F32, Device::Cpu).unwrap_err();
    assert!(matches!(error, ModelError::OutOfMemory(_)), "{error:?}");
    assert!(error.to_string().contains("training.micro_batch_size"));
}
