//! The key under which the result of a run is the same to the last bit.

use collectives::SumOrder;
use serde::{Deserialize, Serialize};

use crate::{
    config::{ParallelSection, ReduceDtype, Reduction},
    ranks::processor::Processor,
    run::plan::TrainPlan,
    step::gradient_transport::GradientTransport,
};

/// Equal keys give equal bits; under another one the order is the same and the loss is equal to
/// rounding (with dropout only for the same micro-batch, whose number is part of its key).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReproducibilityKey {
    /// Ranks.
    pub world_size: u32,
    /// Computing threads of rank 0.
    pub threads: usize,
    /// Sequences of a micro-batch.
    pub micro_batch_size: u64,
    /// How gradients are summed; canonical ones do not depend on the number of ranks.
    #[serde(default)]
    pub reduction: Reduction,
    /// What they travel as.
    #[serde(default)]
    pub reduce_dtype: ReduceDtype,
    /// In which order the ranks' gradients are added up; an older program did not write it.
    #[serde(default)]
    pub sums: Option<SummationOrder>,
    /// Processors of the ranks: each kind once.
    pub processor: String,
    /// libtorch build.
    pub libtorch: String,
}

impl ReproducibilityKey {
    /// That of a launch whose ranks sum in host memory in the order `in_host_memory`.
    pub(crate) fn new(
        plan: &TrainPlan,
        threads: usize,
        in_host_memory: SumOrder,
        gradients: GradientTransport,
        processors: &[Processor],
    ) -> Self {
        let parallel = &plan.config.parallel;
        Self {
            world_size: plan.world_size,
            threads,
            micro_batch_size: plan.config.training.micro_batch_size,
            reduction: parallel.reduction,
            reduce_dtype: parallel.reduce_dtype,
            sums: Some(SummationOrder::of(
                in_host_memory,
                plan.world_size,
                parallel,
                gradients,
            )),
            processor: Processor::names(processors),
            libtorch: torch_native::libtorch_version().to_owned(),
        }
    }
}

/// Who adds the gradients of several ranks up, and in which order: the last bits of a sum of more than
/// two numbers depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SummationOrder {
    /// From rank 0 on: two ranks, ranks of one host, gradients that travel as bf16, and canonical
    /// ones, which have their own order everywhere.
    RankOrder,
    /// Around a ring over hosts.
    Ring,
    /// MPI's own call, as it likes.
    Mpi,
    /// NCCL, as it likes.
    Nccl,
}

impl SummationOrder {
    /// `order`: of so many ranks in host memory.
    pub(crate) fn of(
        order: SumOrder,
        world_size: u32,
        parallel: &ParallelSection,
        gradients: GradientTransport,
    ) -> Self {
        // Two numbers have one sum.
        let has_own_order = world_size <= 2
            || parallel.reduction == Reduction::Canonical
            || parallel.reduce_dtype == ReduceDtype::Bf16;
        match (gradients, order) {
            (GradientTransport::Nccl, _) => Self::Nccl,
            (GradientTransport::HostMemory, _) if has_own_order => Self::RankOrder,
            (GradientTransport::HostMemory, SumOrder::RankOrder) => Self::RankOrder,
            (GradientTransport::HostMemory, SumOrder::Ring) => Self::Ring,
            (GradientTransport::HostMemory, SumOrder::Library) => Self::Mpi,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;

    #[test]
    fn a_key_of_an_older_program_says_what_that_program_did() {
        let own = ReproducibilityKey {
            world_size: 2,
            threads: 1,
            micro_batch_size: 4,
            reduction: Reduction::Fast,
            reduce_dtype: ReduceDtype::F32,
            sums: None,
            processor: "one".to_owned(),
            libtorch: "2.11.0".to_owned(),
        };
        let mut older = serde_json::to_value(&own).unwrap();
        let fields = older.as_object_mut().unwrap();
        for newer in ["reduce_dtype", "reduction", "sums"] {
            assert!(fields.remove(newer).is_some());
        }
        assert_eq!(serde_json::from_value::<ReproducibilityKey>(older).unwrap(), own);
    }

    #[test]
    fn the_order_of_sums_is_that_of_whoever_adds_up() {
        let of = |(order, world_size), settings: &[&str], transport| {
            SummationOrder::of(order, world_size, &tiny(settings).parallel, transport)
        };
        let (ring, host) = ((SumOrder::Ring, 3), GradientTransport::HostMemory);
        assert_eq!(of(ring, &[], host), SummationOrder::Ring);
        assert_eq!(of((SumOrder::Ring, 2), &[], host), SummationOrder::RankOrder);
        assert_eq!(of((SumOrder::Library, 3), &[], host), SummationOrder::Mpi);
        assert_eq!(of((SumOrder::RankOrder, 3), &[], host), SummationOrder::RankOrder);
        for own_order in ["parallel.reduction='canonical'", "parallel.reduce_dtype='bf16'"] {
            assert_eq!(of(ring, &[own_order], host), SummationOrder::RankOrder);
        }
        assert_eq!(of(ring, &[], GradientTransport::Nccl), SummationOrder::Nccl);
    }
}
