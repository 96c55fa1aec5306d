//! A model that trains on random tokens, for what needs no corpus: `gpu-check`, and
//! `plan --device cpu`, which measures this machine.

use std::{collections::BTreeMap, sync::Arc};

use collectives::{Collective, Single};
use loader::{MicroBatch, Step, StepBatches};
use masking::mask_capacity;
use model::{Precision, RobertaConfig, RobertaForMaskedLm};
use tch::{Device, Tensor};
use torch_native::philox4x32_10;

use crate::{
    config::{OptimizerSection, ReduceDtype, Reduction, ScheduleSection},
    error::TrainError,
    ranks::stop::StopRequest,
    step::{
        learner::Learner, loss_scale::LossScale, masked_lm::MaskedLm, optimizer::Optimizer, ready::ReadyStep,
        record::StepRecord, schedule::Schedule, train_step,
    },
};

pub(crate) const SEED: u64 = 1;

/// Of a micro-batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchShape {
    /// Sequences.
    pub sequences: usize,
    /// Positions of each.
    pub length: usize,
}

/// A model that trains on random micro-batches.
pub(crate) struct SyntheticRun {
    pub(crate) learner: Learner,
    /// Whether the last sequence of a micro-batch is shorter.
    pub(crate) is_padded: bool,
    shape: BatchShape,
    step: u64,
}

impl SyntheticRun {
    pub(crate) fn new(
        device: Device,
        config: &RobertaConfig,
        precision: Precision,
        shape: BatchShape,
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
        let schedule = Schedule::new(&optimizer, &ScheduleSection::default(), 1000);
        let learner = Learner {
            optimizer: Optimizer::new(optimizer, &model)?,
            model,
            objective: Arc::new(MaskedLm),
            schedule,
            max_grad_norm: 0.0,
            seed: SEED,
            loss_scale: (precision == Precision::Fp16).then(|| LossScale::first(1)),
            reduction: Reduction::Fast,
            reduce_dtype: ReduceDtype::F32,
            hooks: None,
            num_micro_batches: 1,
        };
        Ok(Self {
            learner,
            is_padded: true,
            shape,
            step: 0,
        })
    }

    pub(crate) fn step(&mut self) -> Result<StepRecord, TrainError> {
        let ready = self.ready_step()?;
        self.take_alone(&ready)
    }

    /// The next step's micro-batch.
    pub(crate) fn ready_step(&mut self) -> Result<ReadyStep, TrainError> {
        let model = &self.learner.model;
        let batch = micro_batch(model.config(), self.shape, self.is_padded, self.step);
        let batches = StepBatches {
            step: Step(self.step),
            digest: batch.digest,
            micro_batches: vec![batch],
        };
        let ready = ReadyStep::new(batches, &*self.learner.objective, model.config(), model.device())?;
        self.step += 1;
        Ok(ready)
    }

    /// Takes a step of [`SyntheticRun::ready_step`].
    pub(crate) fn take_alone(&mut self, ready: &ReadyStep) -> Result<StepRecord, TrainError> {
        self.take(&mut Single::new(), ready)
    }

    /// The same with gradients that `collective` sums.
    pub(crate) fn take(
        &mut self,
        collective: &mut dyn Collective,
        ready: &ReadyStep,
    ) -> Result<StepRecord, TrainError> {
        train_step(&mut self.learner, collective, ready, &StopRequest::new())
    }

    /// Takes over what another training has come to, as a checkpoint would keep it.
    pub(crate) fn go_on_from(&mut self, other: &Self) -> Result<(), TrainError> {
        let weights: BTreeMap<_, _> = other.learner.model.named_tensors()?.into_iter().collect();
        let moments = other
            .learner
            .optimizer
            .named_tensors(other.learner.model.parameters())?;
        let moments: BTreeMap<_, _> = moments.into_iter().collect();
        let lookup = |all: &BTreeMap<String, Tensor>, name: &str| all.get(name).map(Tensor::shallow_clone);
        self.learner.model.load_tensors(|name| lookup(&weights, name))?;
        let parameters = self.learner.model.parameters();
        self.learner
            .optimizer
            .load_tensors(parameters, |name| lookup(&moments, name))?;
        self.learner.loss_scale = other.learner.loss_scale;
        self.step = other.step;
        Ok(())
    }
}

/// A micro-batch of random tokens; where it `is_padded`, the last sequence is a quarter shorter.
pub(crate) fn micro_batch(
    config: &RobertaConfig,
    BatchShape { sequences, length }: BatchShape,
    is_padded: bool,
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
            if is_padded && sequence == sequences {
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
