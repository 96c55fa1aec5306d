//! Parity with `transformers`: golden files made by `tests/parity/roberta_fixtures.py`, and files
//! of random configurations that it makes while the test runs.
//!
//! The measure of a tensor is max |a - b| / max |b|; the bounds are those of promise 3.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use tch::{Device, Kind, Tensor};
use torch_native::{AdamW, adamw_step, squared_norm, tensor_from_bytes};

use crate::{BatchSlices, BatchTensors, Precision, RobertaConfig, RobertaForMaskedLm};

const CASES: [&str; 6] = ["long", "odd", "one-head", "one-token", "relu", "tanh-gelu"];
const RANDOM_CASES: usize = 24;

fn golden() -> PathBuf {
    test_data::repository().join("tests/golden/roberta")
}

struct Fixture {
    config: RobertaConfig,
    tensors: BTreeMap<String, Tensor>,
}

impl Fixture {
    fn open(folder: &Path, case: &str, precision: Precision) -> Self {
        let suffix = if precision == Precision::F64 { "f64" } else { "f32" };
        let bytes = std::fs::read(folder.join(format!("{case}-{suffix}.safetensors"))).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let config = RobertaConfig::from_json(&header.metadata().as_ref().unwrap()["config"]).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.iter().map(|(name, view)| {
            let kind = match view.dtype() {
                Dtype::F32 => Kind::Float,
                Dtype::F64 => Kind::Double,
                Dtype::I64 => Kind::Int64,
                other => panic!("{other:?} in a fixture"),
            };
            let shape: Vec<i64> = view
                .shape()
                .iter()
                .map(|&size| i64::try_from(size).unwrap())
                .collect();
            (
                name.to_owned(),
                tensor_from_bytes(kind, &shape, view.data()).unwrap(),
            )
        });
        Self {
            config,
            tensors: tensors.collect(),
        }
    }

    fn integers(&self, name: &str) -> Vec<i64> {
        Vec::<i64>::try_from(self.tensors[name].reshape([-1])).unwrap()
    }

    fn model(&self, precision: Precision) -> RobertaForMaskedLm {
        let mut model = RobertaForMaskedLm::new(&self.config, precision, Device::Cpu).unwrap();
        let find = |name: &str| {
            self.tensors
                .get(&format!("weight.{name}"))
                .map(Tensor::shallow_clone)
        };
        model.load_tensors(find).unwrap();
        model
    }

    fn batch(&self) -> BatchTensors {
        let shape = self.tensors["input_ids"].size();
        let lengths: Vec<u32> = self
            .integers("lengths")
            .iter()
            .map(|&length| u32::try_from(length).unwrap())
            .collect();
        let labels = self.integers("labels");
        let slices = BatchSlices {
            sequences: usize::try_from(shape[0]).unwrap(),
            sequence_length: usize::try_from(shape[1]).unwrap(),
            input_ids: &self.integers("input_ids"),
            lengths: &lengths,
            masked_positions: &self.integers("masked_positions"),
            labels: &labels,
            weights: &vec![1.0; labels.len()],
        };
        BatchTensors::from_slices(&slices, &self.config, Device::Cpu).unwrap()
    }

    /// The tensors under a prefix, by parameter name.
    fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Tensor)> {
        self.tensors
            .iter()
            .filter_map(move |(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)))
    }
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.abs().max().double_value(&[])
}

/// max |a - b| / `scale`; 0 when both are exactly zero.
fn error(ours: &Tensor, theirs: &Tensor, scale: f64) -> f64 {
    assert_eq!(ours.size(), theirs.size());
    let difference = largest(&(ours.to_kind(Kind::Double) - theirs.to_kind(Kind::Double)));
    if difference == 0.0 {
        0.0
    } else {
        difference / scale
    }
}

fn bounds(precision: Precision) -> (f64, f64) {
    if precision == Precision::F64 {
        (1e-9, 1e-9)
    } else {
        (1e-5, 1e-4)
    }
}

fn forward_and_backward(folder: &Path, case: &str, precision: Precision) -> (Fixture, RobertaForMaskedLm) {
    let fixture = Fixture::open(folder, case, precision);
    let model = fixture.model(precision);
    let batch = fixture.batch();
    let (bound, _) = bounds(precision);
    let check = |what: &str, ours: &Tensor| {
        let theirs = &fixture.tensors[what];
        let error = error(ours, theirs, largest(theirs));
        assert!(error <= bound, "{case} {precision:?} {what}: {error:e}");
    };
    check("masked_logits", &model.masked_logits(&batch).unwrap());
    if fixture.tensors.contains_key("logits") {
        check(
            "logits",
            &model
                .logits(&batch.input_ids, batch.attention_mask.as_ref())
                .unwrap(),
        );
    }
    let loss = model.loss_sum(&batch, None).unwrap();
    check("loss", &loss.detach());
    loss.backward();
    (fixture, model)
}

fn check_gradients(folder: &Path, case: &str, precision: Precision) {
    let (fixture, model) = forward_and_backward(folder, case, precision);
    let gradients: BTreeMap<_, _> = model
        .parameters()
        .views_of(model.parameters().grad())
        .unwrap()
        .into_iter()
        .collect();
    let (_, bound) = bounds(precision);
    let mut count = 0;
    for (name, theirs) in fixture.under("gradient.") {
        // The key bias adds the same number to all scores of a query, so its true gradient is
        // zero and what either side has is rounding: it is measured on the query bias's scale.
        let scale_name = name.replace("self.key.bias", "self.query.bias");
        let scale = largest(&fixture.tensors[&format!("gradient.{scale_name}")]);
        let error = error(&gradients[name], theirs, scale);
        assert!(error <= bound, "{case} {precision:?} {name}: {error:e}");
        count += 1;
    }
    assert_eq!(count, model.parameters().infos().len());
}

#[test]
fn logits_loss_and_gradients_equal_transformers_in_f32() {
    for case in CASES {
        check_gradients(&golden(), case, Precision::F32);
    }
}

#[test]
fn logits_loss_and_gradients_equal_transformers_in_f64() {
    for case in CASES {
        check_gradients(&golden(), case, Precision::F64);
    }
}

#[test]
fn random_configurations_equal_transformers_that_runs_beside_them() {
    let Some(folder) = test_data::random_fixtures("tests/parity/roberta_fixtures.py", RANDOM_CASES) else {
        return;
    };
    for case in 0..RANDOM_CASES {
        for precision in [Precision::F32, Precision::F64] {
            check_gradients(folder.path(), &format!("random-{case}"), precision);
        }
    }
}

fn optimize(fixture: &Fixture, model: &RobertaForMaskedLm) {
    const STEPS: u64 = 20;
    const WARMUP: u64 = 8;
    let parameters = model.parameters();
    let batch = fixture.batch();
    let count = fixture.integers("labels").len() as f64;
    let (exp_avg, exp_avg_sq) = (parameters.flat().zeros_like(), parameters.flat().zeros_like());
    for step in 1..=STEPS {
        let ramp = (step as f64 / WARMUP as f64).min((STEPS + 1 - step) as f64 / (STEPS + 1 - WARMUP) as f64);
        parameters.zero_grad().unwrap();
        (model.loss_sum(&batch, None).unwrap() / count).backward();
        // torch.nn.utils.clip_grad_norm_ with a maximum of 1.
        let norm = squared_norm(parameters.grad()).unwrap().sqrt();
        let _ = parameters
            .grad()
            .shallow_clone()
            .g_mul_scalar_((1.0 / (norm + 1e-6)).min(1.0));
        let adamw = AdamW {
            learning_rate: 2e-3 * ramp,
            beta1: 0.9,
            beta2: 0.98,
            epsilon: 1e-6,
            weight_decay: 0.01,
            step,
        };
        adamw_step(
            parameters.flat(),
            parameters.grad(),
            &exp_avg,
            &exp_avg_sq,
            &adamw,
            parameters.decay_ranges(),
        )
        .unwrap();
    }
}

#[test]
fn twenty_steps_equal_torch_adamw() {
    for (precision, bound) in [(Precision::F32, 1e-5), (Precision::F64, 1e-9)] {
        let fixture = Fixture::open(&golden(), "odd", precision);
        let model = fixture.model(precision);
        optimize(&fixture, &model);
        let ours: BTreeMap<_, _> = model.named_tensors().unwrap().into_iter().collect();
        // Left out: key biases, whose gradient is rounding alone, which Adam blows up to steps
        // of the full learning rate.
        for (name, theirs) in fixture
            .under("optimized.")
            .filter(|(name, _)| !name.ends_with("key.bias"))
        {
            let norm = |tensor: &Tensor| {
                tensor
                    .to_kind(Kind::Double)
                    .square()
                    .sum(Kind::Double)
                    .double_value(&[])
                    .sqrt()
            };
            let relative = norm(&(&ours[name] - theirs)) / norm(theirs);
            assert!(relative <= bound, "{precision:?} {name}: {relative:e}");
        }
    }
}
