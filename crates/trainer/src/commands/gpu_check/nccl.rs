//! Training whose gradients NCCL sums over one rank, which is all that one GPU can show: the set-up, the
//! order of its work and libtorch's, and the end.

use std::{fmt, time::Duration};

use collectives::{
    Collective, CollectiveError, Gpu, GpuRuntime, Nccl, NcclError, NcclLibrary, NcclReduce, NcclTimes, Single,
};
use model::Precision;
use tch::Tensor;

use super::{
    device::{Checked, relative_error},
    finding::Found,
};
use crate::{
    config::ReduceDtype, error::TrainError, run::synthetic::SyntheticRun, step::overlap::GradientHooks,
};

const STEPS: u64 = 3;
const TIMES: NcclTimes = NcclTimes {
    call: Duration::from_mins(1),
    abort: Duration::from_secs(5),
};

/// How gradients are handed to NCCL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NcclSetup {
    pub(super) overlap: bool,
    pub(super) reduce_dtype: ReduceDtype,
}

impl NcclSetup {
    pub(super) const ALL: [Self; 4] = [
        Self::new(true, ReduceDtype::F32),
        Self::new(false, ReduceDtype::F32),
        Self::new(true, ReduceDtype::Bf16),
        Self::new(false, ReduceDtype::Bf16),
    ];

    const fn new(overlap: bool, reduce_dtype: ReduceDtype) -> Self {
        Self {
            overlap,
            reduce_dtype,
        }
    }

    /// How far weights may be off, relative to what was learned: GPUs add in an order of their own, and a
    /// bf16 is off by 2^-9 of a gradient, and so at most is what Adam makes of it.
    fn tolerance(self) -> f64 {
        match self.reduce_dtype {
            ReduceDtype::F32 => 1e-2,
            ReduceDtype::Bf16 => 2e-2,
        }
    }
}

impl fmt::Display for NcclSetup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.overlap { "overlap" } else { "no overlap" };
        let wire = match self.reduce_dtype {
            ReduceDtype::F32 => "f32",
            ReduceDtype::Bf16 => "bf16",
        };
        write!(formatter, "{when}, {wire}")
    }
}

/// A few steps over the NCCL and the GPU of this process.
pub(super) fn one_rank(checked: &Checked, setup: NcclSetup) -> Found {
    let open = || {
        let runtime = GpuRuntime::of_process()?;
        Ok::<_, NcclError>((NcclLibrary::open(None)?, Gpu::open(&runtime, 0)?))
    };
    let (library, gpu) = open().map_err(CollectiveError::from)?;
    steps_of_one_rank(checked, setup, (library, gpu), |_| ())
}

/// Whether steps over NCCL learn what steps without it learn. `before` sees each model before its steps.
fn steps_of_one_rank(
    checked: &Checked,
    setup: NcclSetup,
    (library, gpu): (NcclLibrary, Gpu),
    before: impl Fn(&SyntheticRun),
) -> Found {
    let name = format!("NCCL {} ({})", library.version(), library.name());
    let mut single = Single::new();
    let reduce = NcclReduce::connect(&mut single, library, gpu, TIMES, Box::new(|_| {}))?;
    let mut nccl = Nccl::new(&mut single, reduce);
    let (begun, found) = learned(checked, Some(setup), &mut nccl, before)?;
    nccl.leave()?;
    let (_, expected) = learned(checked, None, &mut Single::new(), |_| ())?;
    let changed = |weights: &Tensor| weights.f_sub(&begun);
    let error = relative_error(&changed(&found)?, &changed(&expected)?)?;
    let tolerance = setup.tolerance();
    let text = format!("{name}: {error:.1e} from what is learned without it (at most {tolerance:.0e})");
    Ok((error <= tolerance, text))
}

/// The weights before and after a few steps.
fn learned(
    checked: &Checked,
    setup: Option<NcclSetup>,
    collective: &mut dyn Collective,
    before: impl Fn(&SyntheticRun),
) -> Result<(Tensor, Tensor), TrainError> {
    let mut synthetic = checked.synthetic(Precision::F32)?;
    let learner = &mut synthetic.learner;
    if let Some(setup) = setup {
        learner.reduce_dtype = setup.reduce_dtype;
        if setup.overlap {
            learner.hooks = Some(GradientHooks::new(learner.model.parameters())?);
        }
    }
    let begun = learner.model.parameters().flat().f_detach_copy()?;
    before(&synthetic);
    for _ in 0..STEPS {
        let ready = synthetic.ready_step()?;
        synthetic.take(collective, &ready)?;
    }
    let ended = synthetic.learner.model.parameters().flat().f_detach_copy()?;
    Ok((begun, ended))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::gpu_check::tests::on_cpu;
    use nccl_stand_in::StandIn;

    /// NCCL and the GPU are a stand-in's. What travels as bf16 is made on the way, so all memory is the
    /// GPU's to it.
    #[test]
    fn steps_over_a_stand_in_learn_what_steps_without_it_learn() {
        let stand_in = StandIn::load();
        for setup in NcclSetup::ALL {
            let number = stand_in.gpus(1).start;
            let library = NcclLibrary::open(Some(stand_in.path())).unwrap();
            let gpu = Gpu::open(&GpuRuntime::of_file(stand_in.path()).unwrap(), number).unwrap();
            let adopt = |_: &SyntheticRun| stand_in.adopt(number, 0, 1 << 47);
            let (passed, found) = steps_of_one_rank(&on_cpu(), setup, (library, gpu), adopt).unwrap();
            assert!(passed && found.starts_with("NCCL 2.28.9"), "{setup}: {found}");
            let trace = stand_in.trace(number);
            assert!(trace.iter().any(|call| call.starts_with("sum ")), "{trace:?}");
            assert!(trace.iter().all(|call| !call.contains("MISUSE")), "{trace:?}");
        }
    }
}
