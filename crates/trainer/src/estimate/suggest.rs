//! Which switches would make a planned run faster or smaller, and by how much: each is planned by
//! itself, as the run itself was, and none is named that the run would refuse or that does not fit.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    device::Device,
    memory::Memory,
    report::{Asked, Estimate, largest_shared},
};
use crate::{
    config::{BackendChoice, PrecisionChoice, ReduceDtype, Reduction, RunConfig},
    run::plan::{TrainPlan, facts::Facts},
};

/// Shares of the hours and of a device's memory below which nothing is said.
const WORTH_HOURS: f64 = 0.01;
const WORTH_MEMORY: f64 = 0.05;
/// The same for the hours of a device that is reckoned from a measured one: what a plan for a CPU may be
/// off by (`docs/distributed.md`).
const WORTH_RECKONED_HOURS: f64 = 0.2;

/// A switch, or a few that go together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Suggestion {
    /// Keys of the configuration, or options of `plan`, with the values to set.
    pub set: BTreeMap<&'static str, Value>,
    /// The whole run with it, in hours, at the fastest rate.
    pub hours: f64,
    /// How much less that is; negative where it takes longer.
    pub hours_saved: f64,
    /// Of the planned hours.
    pub share_saved: f64,
    /// Memory of a device.
    pub memory_bytes: f64,
    /// How much less that is; negative where it is more.
    pub memory_bytes_saved: f64,
    /// What it costs beside time and memory.
    pub costs: &'static str,
}

/// A run that is planned beside the asked one.
struct Candidate {
    set: BTreeMap<&'static str, Value>,
    config: RunConfig,
    num_devices: u64,
    costs: &'static str,
}

/// Devices by plan and number, where such a run can be planned.
pub(crate) trait Devices {
    /// The device that a run of `plan` would have `num_devices` of, and whether it is reckoned from the
    /// planned run's own, and so compared with more caution; `None` where the run would be refused.
    fn device(&self, plan: &TrainPlan, num_devices: u64) -> Option<(Device, bool)>;
}

/// The suggestions for a run, the fastest first.
pub(crate) fn suggest(plan: &TrainPlan, asked: &Asked<'_>, devices: &dyn Devices) -> Vec<Suggestion> {
    let now = Estimate::new(plan, asked);
    let mut candidates = of_switches(plan, asked);
    candidates.extend(of_memory(plan, asked));
    candidates.extend(of_micro_batches(plan, asked, &now));
    candidates.extend(of_ranks(plan, asked));
    let judged = candidates.into_iter();
    let mut found: Vec<Suggestion> = judged
        .filter_map(|candidate| judge(candidate, asked, (&now, devices)))
        .collect();
    found.sort_by(|one, other| one.hours.total_cmp(&other.hours));
    found
}

/// Plans a candidate; `None` where it would be refused, does not fit or is not worth it.
fn judge(
    candidate: Candidate,
    asked: &Asked<'_>,
    (now, devices): (&Estimate, &dyn Devices),
) -> Option<Suggestion> {
    let facts = Facts {
        world_size: u32::try_from(candidate.num_devices).ok()?,
        ..Facts::default()
    };
    let plan = TrainPlan::new(candidate.config, &facts).ok()?;
    let (device, is_reckoned) = devices.device(&plan, candidate.num_devices)?;
    let asked = Asked {
        device: &device,
        num_devices: candidate.num_devices,
        ..*asked
    };
    let then = Estimate::new(&plan, &asked);
    if !then.fits(&plan) {
        return None;
    }
    let (before, hours) = (now.ranges.first()?.hours, then.ranges.first()?.hours);
    let (share_saved, memory_bytes_saved) = (1.0 - hours / before, now.memory_bytes - then.memory_bytes);
    let worth_hours = if is_reckoned {
        WORTH_RECKONED_HOURS
    } else {
        WORTH_HOURS
    };
    let is_faster = share_saved >= worth_hours;
    let is_smaller = memory_bytes_saved >= WORTH_MEMORY * now.memory_bytes;
    (is_faster || is_smaller).then_some(Suggestion {
        set: candidate.set,
        hours,
        hours_saved: before - hours,
        share_saved,
        memory_bytes: then.memory_bytes,
        memory_bytes_saved,
        costs: candidate.costs,
    })
}

/// A candidate with one key set.
fn with(
    (plan, asked): (&TrainPlan, &Asked<'_>),
    (key, value): (&'static str, Value),
    costs: &'static str,
    change: impl FnOnce(&mut RunConfig),
) -> Candidate {
    let mut config = plan.config.clone();
    change(&mut config);
    Candidate {
        set: BTreeMap::from([(key, value)]),
        config,
        num_devices: asked.num_devices,
        costs,
    }
}

/// How gradients travel, and in what is computed.
fn of_switches(plan: &TrainPlan, asked: &Asked<'_>) -> Vec<Candidate> {
    let (run, parallel) = ((plan, asked), &plan.config.parallel);
    let mut found = Vec::new();
    if asked.num_devices > 1 {
        // The ranks of one host sum in the memory that they share.
        if parallel.reduce_dtype == ReduceDtype::F32 && !asked.network.is_one_host() {
            found.push(with(
                run,
                ("parallel.reduce_dtype", json!("bf16")),
                "gradients are rounded to 8 bits of precision before and after their sum over ranks",
                |config| config.parallel.reduce_dtype = ReduceDtype::Bf16,
            ));
        }
        if !parallel.overlap {
            found.push(with(
                run,
                ("parallel.overlap", json!(true)),
                "nothing: the bits are the same",
                |config| config.parallel.overlap = true,
            ));
        }
        if parallel.reduction == Reduction::Canonical {
            found.push(with(
                run,
                ("parallel.reduction", json!("fast")),
                "other numbers of ranks give other last bits",
                |config| config.parallel.reduction = Reduction::Fast,
            ));
        }
        if parallel.backend == BackendChoice::Mpi && !asked.device.is_cpu() {
            found.push(with(
                run,
                ("parallel.backend", json!("auto")),
                "NCCL has to be there",
                |config| config.parallel.backend = BackendChoice::Auto,
            ));
        }
    }
    if !matches!(
        plan.config.training.precision,
        PrecisionChoice::Auto | PrecisionChoice::F64
    ) {
        found.push(with(
            run,
            ("training.precision", json!("auto")),
            "matrix products may be rounded to 16 bits",
            |config| config.training.precision = PrecisionChoice::Auto,
        ));
    }
    found
}

/// Keeping activations or computing them twice, if need be with a micro-batch that fits.
fn of_memory(plan: &TrainPlan, asked: &Asked<'_>) -> Vec<Candidate> {
    let recomputes = plan.config.model.checkpoint_activations;
    let mut candidate = with(
        (plan, asked),
        ("model.checkpoint_activations", json!(!recomputes)),
        "nothing: the bits are the same, on GPUs under parallel.deterministic",
        |config| config.model.checkpoint_activations = !recomputes,
    );
    let altered = TrainPlan {
        config: candidate.config.clone(),
        ..plan.clone()
    };
    let most = Memory::new(&altered, asked.device).largest_micro_batch(asked.device.memory_bytes);
    let micro_batch = plan.config.training.micro_batch_size;
    let fitting = largest_shared(plan, asked.num_devices, most.min(micro_batch));
    if let Some(fitting) = fitting.filter(|&fitting| fitting < micro_batch) {
        candidate.config.training.micro_batch_size = fitting;
        candidate.set.insert("training.micro_batch_size", json!(fitting));
        candidate.costs = DROPOUT;
    }
    vec![candidate]
}

const DROPOUT: &str = "dropout draws other masks, because they belong to micro-batches";

/// The next smaller micro-batch that the devices can share, and the one with which the run is fastest.
fn of_micro_batches(plan: &TrainPlan, asked: &Asked<'_>, now: &Estimate) -> Vec<Candidate> {
    let own = plan.config.training.micro_batch_size;
    let candidate = |micro_batch: u64| {
        with(
            (plan, asked),
            ("training.micro_batch_size", json!(micro_batch)),
            DROPOUT,
            |config| config.training.micro_batch_size = micro_batch,
        )
    };
    // From the largest that fits and can be shared on down: all others that there are.
    let next = |most: u64| largest_shared(plan, asked.num_devices, most);
    let all = std::iter::successors(next(now.largest_micro_batch), |&size| next(size - 1));
    let others: Vec<u64> = all.filter(|&size| size != own).collect();
    let hours = |size: u64| now.hours_with_micro_batch(plan, asked, size);
    // Of equally fast ones the smallest, which needs the least memory.
    let fastest = others
        .iter()
        .rev()
        .copied()
        .min_by(|&one, &other| hours(one).total_cmp(&hours(other)));
    let smaller = others.iter().copied().find(|&size| size < own);
    let mut found: Vec<u64> = [fastest, smaller].into_iter().flatten().collect();
    found.dedup();
    found.into_iter().map(candidate).collect()
}

/// Half and twice the ranks of one host.
fn of_ranks(plan: &TrainPlan, asked: &Asked<'_>) -> Vec<Candidate> {
    if !asked.network.is_one_host() {
        return Vec::new();
    }
    let ranks = [asked.num_devices / 2, asked.num_devices.saturating_mul(2)];
    let others = ranks.into_iter().filter(|&ranks| ranks > 0);
    others
        .map(|ranks| Candidate {
            num_devices: ranks,
            ..with(
                (plan, asked),
                ("--devices", json!(ranks)),
                "other numbers of ranks give other last bits",
                |_| {},
            )
        })
        .collect()
}

#[cfg(test)]
mod tests;
