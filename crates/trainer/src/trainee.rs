//! A model that trains on random tokens, for what needs no corpus: `gpu-check`, and
//! `plan --device cpu`, which measures this machine.

use collectives::Single;
use loader::{MicroBatch, Step, StepBatches};
use masking::mask_capacity;
use model::{Precision, RobertaConfig, RobertaForMaskedLm};
use tch::Device;
use torch_native::philox4x32_10;

use crate::{
    config::{OptimizerSection, ScheduleKind, ScheduleSection},
    error::TrainError,
    loss_scale::LossScale,
    optimizer::Optimizer,
    reduction::{ReduceDtype, Reduction},
    schedule::Schedule,
    step::{Learner, StepRecord, train_step},
    stop::StopRequest,
};

pub(crate) const SEED: u64 = 1;

/// A model that trains on random micro-batches.
pub(crate) struct Trainee {
    pub(crate) learner: Learner,
    shape: (usize, usize),
    step: u64,
}

impl Trainee {
    pub(crate) fn new(
        device: Device,
        config: &RobertaConfig,
        precision: Precision,
        shape: (usize, usize),
    ) -> Result<Self, TrainError> {
        let mut model = RobertaForMaskedLm::new(config, precision, device)?;
        model.initialize(SEED)?;
        let optimizer = OptimizerSection {
            learning_rate: 1e-4,
            adam_beta1: 0.9,
            adam_beta2: 0.98,
            adam_epsilon: 1e-6,
            weight_decay: 0.01,
            max_grad_norm: 0.0,
        };
        let schedule = ScheduleSection {
            kind: ScheduleKind::Linear,
            warmup_steps: 0,
        };
        let schedule = Schedule::new(&optimizer, &schedule, 1000);
        let learner = Learner {
            optimizer: Optimizer::new(optimizer, &model)?,
            model,
            schedule,
            max_grad_norm: 0.0,
            seed: SEED,
            loss_scale: (precision == Precision::Fp16).then(LossScale::default),
            reduction: Reduction::Fast,
            reduce_dtype: ReduceDtype::F32,
            hooks: None,
            num_micro_batches: 1,
        };
        Ok(Self {
            learner,
            shape,
            step: 0,
        })
    }

    pub(crate) fn step(&mut self) -> Result<StepRecord, TrainError> {
        let batch = micro_batch(self.learner.model.config(), self.shape, self.step);
        let batches = StepBatches {
            step: Step(self.step),
            digest: batch.digest,
            micro_batches: vec![batch],
        };
        self.step += 1;
        train_step(
            &mut self.learner,
            &mut Single::new(),
            &batches,
            &StopRequest::new(),
        )
    }
}

/// A micro-batch of random tokens; the last sequence is a quarter shorter, so that there is padding.
pub(crate) fn micro_batch(
    config: &RobertaConfig,
    (sequences, length): (usize, usize),
    step: u64,
) -> MicroBatch {
    let capacity = mask_capacity(length, 0.15);
    let number = |position: usize, purpose: u32, below: usize| {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let low = u32::try_from(step & 0xffff_ffff).unwrap_or(0);
        let [word, ..] = philox4x32_10([position, purpose, low, 0], [7, 7]);
        (u64::from(word) * below as u64) >> 32
    };
    let token = |position, purpose| 5 + number(position, purpose, config.vocab_size - 5).cast_signed();
    let lengths: Vec<u32> = (1..=sequences)
        .map(|sequence| {
            if sequence == sequences {
                length - length / 4
            } else {
                length
            }
        })
        .map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX))
        .collect();
    let input_ids = (0..sequences * length)
        .map(|position| {
            let is_token = position % length < lengths[position / length] as usize;
            if is_token {
                token(position, 0)
            } else {
                i64::from(config.pad_token_id)
            }
        })
        .collect();
    let slots = 0..sequences * capacity;
    let masked_position = |slot: usize| {
        let row = slot / capacity;
        (row * length) as u64 + number(slot, 1, lengths[row] as usize)
    };
    let masked_positions = slots
        .clone()
        .map(|slot| masked_position(slot).cast_signed())
        .collect();
    MicroBatch {
        index: 0,
        step: Step(step),
        sequences,
        sequence_length: length,
        input_ids,
        tokens: lengths.iter().map(|&tokens| u64::from(tokens)).sum(),
        lengths,
        masked_positions,
        labels: slots.clone().map(|slot| token(slot, 2)).collect(),
        weights: vec![1.0; slots.len()],
        capacity,
        masked_tokens: slots.len() as u64,
        digest: step,
    }
}
