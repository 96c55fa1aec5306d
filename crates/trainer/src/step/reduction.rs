//! How the gradients of all micro-batches of a step become one sum: `parallel.reduction`.

use std::ops::Range;

use collectives::{
    Collective,
    canonical::{Number, PartialSums, Share, Tree, all_reduce_nodes},
};
use loader::{MicroBatch, micro_batches_of_rank};
use model::Parameters;
use tch::{Device, Kind, Tensor};
use torch_native::{TorchError, slice_f32, slice_f64, with_slice_mut_f32, with_slice_mut_f64};

use crate::{
    config::{ReduceDtype, Reduction},
    error::TrainError,
    step::{
        learner::Learner,
        overlap::{GradientHooks, on_host_memory, reduce_after, reduce_during},
    },
};

/// The gradients of one step on one rank, as they come. The sum of what has come last is in the
/// parameters' own gradient.
pub(crate) struct GradientSum<'a> {
    parameters: &'a Parameters,
    hooks: Option<&'a GradientHooks>,
    reduce_dtype: ReduceDtype,
    canonical: Option<CanonicalSum>,
    /// Whether the last pass has summed over ranks already.
    reduced: bool,
    losses: Vec<f64>,
}

/// Sums that wait for their right neighbors in the tree, and memory for more.
struct CanonicalSum {
    tree: Tree,
    num_micro_batches: u64,
    partial: PartialSums<Tensor>,
    spare: Vec<Tensor>,
}

impl<'a> GradientSum<'a> {
    /// For a step of `learner`, whose gradients are zero by now.
    pub(crate) fn new(learner: &'a Learner) -> Self {
        let tree = Tree::new(learner.num_micro_batches);
        let canonical = CanonicalSum {
            tree,
            num_micro_batches: learner.num_micro_batches,
            partial: PartialSums::new(tree),
            spare: Vec::new(),
        };
        Self {
            parameters: learner.model.parameters(),
            hooks: learner.hooks.as_ref(),
            reduce_dtype: learner.reduce_dtype,
            canonical: (learner.reduction == Reduction::Canonical).then_some(canonical),
            reduced: false,
            losses: Vec::new(),
        }
    }

    /// Runs the pass of this rank's last micro-batch, and sums over ranks meanwhile where it
    /// can: the tree takes whole gradients, after each pass.
    pub(crate) fn last_pass<T>(
        &mut self,
        collective: &mut dyn Collective,
        pass: impl FnOnce() -> Result<T, TrainError>,
    ) -> Result<T, TrainError> {
        let Some(hooks) = self.hooks.filter(|_| self.canonical.is_none()) else {
            return pass();
        };
        self.reduced = true;
        reduce_during(hooks, collective, (self.parameters, self.reduce_dtype), pass)
    }

    /// Takes the gradient that the backward pass of `batch` has added to the parameters'.
    /// `more`: another micro-batch of this rank follows.
    pub(crate) fn add(&mut self, batch: &MicroBatch, loss: f64, more: bool) -> Result<(), TrainError> {
        self.losses.push(loss);
        match &mut self.canonical {
            Some(canonical) => canonical.add(self.parameters.grad(), batch.index, more),
            None => Ok(()),
        }
    }

    /// Sums over ranks: afterwards the parameters' gradients are those of the whole step.
    pub(crate) fn reduce(&self, collective: &mut dyn Collective) -> Result<(), TrainError> {
        let alone = collective.world_size() == 1 && collective.device_reduce().is_none();
        match &self.canonical {
            _ if self.reduced || alone => Ok(()),
            Some(canonical) => canonical.reduce(collective, self.parameters.grad()),
            None => reduce_after(collective, self.parameters, self.reduce_dtype),
        }
    }

    /// The sums of the losses.
    pub(crate) fn losses(&self, collective: &mut dyn Collective) -> Result<Losses, TrainError> {
        let local = self.losses.iter().sum();
        let Some(CanonicalSum { tree, .. }) = &self.canonical else {
            let canonical = None;
            return Ok(Losses { local, canonical });
        };
        let own: Vec<u8> = self.losses.iter().flat_map(|loss| loss.to_le_bytes()).collect();
        let all = collective.all_gather(&own)?.concat();
        let all = all.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
        let canonical = Some(tree.sum(all));
        Ok(Losses { local, canonical })
    }
}

/// Sums of the losses of a step's micro-batches.
pub(crate) struct Losses {
    /// Over this rank.
    pub(crate) local: f64,
    /// Over all ranks in the order of the tree, where that is the order of the gradients.
    pub(crate) canonical: Option<f64>,
}

impl CanonicalSum {
    /// `grad` has the gradient of one micro-batch alone. It takes in the sums that it completes;
    /// where another micro-batch follows, it is put aside.
    fn add(&mut self, grad: &Tensor, micro_batch: u64, more: bool) -> Result<(), TrainError> {
        let _no_grad = tch::no_grad_guard();
        let mut grad = grad.shallow_clone();
        let (lefts, node) = self.partial.complete(self.tree.leaf(micro_batch));
        for left in lefts {
            // Left plus right is right plus left, to the bit.
            let _ = grad.f_add_(&left)?;
            self.spare.push(left);
        }
        if more {
            let mut kept = match self.spare.pop() {
                Some(kept) => kept,
                None => grad.f_empty_like()?,
            };
            kept.f_copy_(&grad)?;
            self.partial.keep(node, kept);
            let _ = grad.f_zero_()?;
        }
        Ok(())
    }

    fn reduce(&self, collective: &mut dyn Collective, grad: &Tensor) -> Result<(), TrainError> {
        let on_host = |tensor: &Tensor| tensor.f_to_device(Device::Cpu);
        let earlier = self
            .partial
            .values()
            .map(on_host)
            .collect::<Result<Vec<_>, _>>()?;
        on_host_memory(grad, |grad| match grad.f_kind()? {
            Kind::Double => with_slice_mut_f64(grad, |last| {
                self.reduce_slices(collective, slices(&earlier, slice_f64)?, last)
            })?,
            _ => with_slice_mut_f32(grad, |last| {
                self.reduce_slices(collective, slices(&earlier, slice_f32)?, last)
            })?,
        })
    }

    fn reduce_slices<T: Number>(
        &self,
        collective: &mut dyn Collective,
        earlier: Vec<&[T]>,
        last: &mut [T],
    ) -> Result<(), TrainError> {
        let world_size = collective.world_size();
        let runs: Vec<Range<u64>> = (0..world_size)
            .map(|rank| micro_batches_of_rank(self.num_micro_batches, rank, world_size))
            .collect();
        Ok(all_reduce_nodes(
            collective,
            self.tree,
            &runs,
            Share { earlier, last },
        )?)
    }
}

fn slices<T>(
    tensors: &[Tensor],
    slice_of: impl Fn(&Tensor) -> Result<&[T], TorchError>,
) -> Result<Vec<&[T]>, TorchError> {
    tensors.iter().map(slice_of).collect()
}
