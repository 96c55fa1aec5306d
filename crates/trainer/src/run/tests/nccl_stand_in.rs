//! Training steps whose gradients are summed by a stand-in for NCCL: its GPUs are host memory, so
//! the model is one on the CPU. It shows what the trainer asks for, not what NCCL does with it.

use ::nccl_stand_in::{Fault, StandIn};
use collectives::{Gpu, GpuRuntime, Nccl, NcclLibrary, NcclReduce, NcclTimes};
use loader::Step;
use model::Precision;

use super::*;
use crate::{
    run::{data::DataFiles, folder::lineage, session::Session},
    step::{ready::ReadyStep, train_step},
};

/// Sums over a stand-in, connected over `collective`.
pub(crate) fn stand_in_reduce(stand_in: &StandIn, collective: &mut dyn Collective, gpu: usize) -> NcclReduce {
    let library = NcclLibrary::open(Some(stand_in.path())).unwrap();
    let gpu = Gpu::open(&GpuRuntime::of_file(stand_in.path()).unwrap(), gpu).unwrap();
    let times = NcclTimes {
        call: Duration::from_secs(3),
        abort: Duration::from_secs(1),
    };
    NcclReduce::connect(collective, library, gpu, times, Box::new(|_| {})).unwrap()
}

/// Steps of a run whose gradients are on the stand-in's GPUs from `first_gpu` on, or in host memory
/// where there is none. The weights after them, or what the rank says.
fn steps(
    config: &RunConfig,
    collective: &mut dyn Collective,
    stand_in: Option<(&StandIn, usize)>,
) -> Result<Vec<f32>, TrainError> {
    let asked = serde_json::json!({ "test": "stand-in for NCCL" });
    let session = Session::start(config.clone(), collective, DataFiles::OnlyRead, &asked)?;
    let mut learner = session.learner(Precision::F32)?;
    lineage::initialize(&mut learner, &session, collective)?;
    let (rank, world_size) = (collective.rank().0, collective.world_size());
    let grad = learner.model.parameters().grad();
    let (address, bytes) = (grad.data_ptr().addr(), 4 * grad.numel());
    let mut take = |collective: &mut dyn Collective| {
        (0..4).try_for_each(|step| {
            let batches = session.loader.step_batches(Step(step), rank, world_size)?;
            let ready = ReadyStep::new(
                batches,
                &*learner.objective,
                learner.model.config(),
                session.device,
            )?;
            train_step(&mut learner, collective, &ready, &StopRequest::new()).map(drop)
        })
    };
    match stand_in {
        None => take(collective)?,
        Some((stand_in, first_gpu)) => {
            let gpu = first_gpu + rank as usize;
            stand_in.adopt(gpu, address, bytes);
            let reduce = stand_in_reduce(stand_in, collective, gpu);
            let mut nccl = Nccl::new(collective, reduce);
            take(&mut nccl)?;
            nccl.leave()?;
        }
    }
    Ok(Vec::try_from(&learner.model.parameters().flat().detach()).unwrap())
}

#[test]
fn steps_over_a_stand_in_for_nccl_learn_to_the_bit_what_steps_over_host_memory_learn() {
    let (place, stand_in) = (Place::new(), StandIn::load());
    for world_size in [1, 2, 4] {
        let config = place.config("stand-in", &[]);
        let expected = on_ranks(world_size, |collective| steps(&config, collective, None).unwrap());
        for overlap in ["parallel.overlap=true", "parallel.overlap=false"] {
            let config = place.config("stand-in", &[overlap]);
            let gpus = stand_in.gpus(world_size as usize);
            let found = on_ranks(world_size, |collective| {
                steps(&config, collective, Some((&stand_in, gpus.start))).unwrap()
            });
            assert!(found == expected, "{world_size} ranks, {overlap}");
            for gpu in gpus {
                let trace = stand_in.trace(gpu);
                // Two buckets a step, all but the tied matrix and the tied matrix.
                let sums = trace.iter().filter(|call| call.starts_with("sum ")).count();
                assert_eq!(sums, 2 * 4, "{trace:?}");
                assert!(trace.iter().all(|call| !call.contains("MISUSE")), "{trace:?}");
                assert_eq!(trace.last().unwrap(), "destroy");
            }
        }
    }
}

/// The stand-in writes into its trace what makes a call, gives a kernel to a stream or ends a thread with
/// an error that is still there: libtorch would throw it at its next kernel.
#[test]
fn no_step_leaves_an_error_of_the_cuda_runtime_on_a_thread_that_trains_or_sums() {
    let (place, stand_in) = (Place::new(), StandIn::load());
    // Buckets that travel as bf16 are a copy, which each step makes anew.
    stand_in.adopt_all();
    for wire in ["parallel.reduce_dtype='f32'", "parallel.reduce_dtype='bf16'"] {
        let weights = ["parallel.overlap=true", "parallel.overlap=false"].map(|overlap| {
            let config = place.config("clean", &[wire, overlap]);
            let gpus = stand_in.gpus(2);
            let weights = on_ranks(2, |collective| {
                let weights = steps(&config, collective, Some((&stand_in, gpus.start))).unwrap();
                assert_eq!(stand_in.last_error(), 0, "{wire}, {overlap}");
                weights
            });
            for gpu in gpus {
                let trace = stand_in.trace(gpu);
                assert!(
                    trace.iter().all(|call| !call.contains("MISUSE")),
                    "{wire}, {overlap}: {trace:?}"
                );
            }
            weights
        });
        assert!(weights[0] == weights[1], "{wire}");
    }
}

#[test]
fn a_rank_whose_sum_fails_says_which_and_is_no_error_that_all_ranks_have() {
    let (place, stand_in) = (Place::new(), StandIn::load());
    let config = place.config("broken", &[]);
    let gpus = stand_in.gpus(2);
    // The first bucket of the second step.
    stand_in.fail(gpus.start + 1, Fault::SumIsRefused, 3);
    let world = Threads::world(2, Duration::from_mins(1));
    let said = on_every_rank(world, |collective| {
        let error = steps(&config, collective, Some((&stand_in, gpus.start))).unwrap_err();
        (error.is_on_all_ranks(), chain(&error))
    });
    let expected = [
        "rank 0: the all-reduce (sum) of bucket 1 of 2 (",
        "rank 1: the all-reduce (sum) of bucket 1 of 2 (",
    ];
    for ((on_all, said), expected) in said.iter().zip(expected) {
        assert!(!on_all && said.starts_with(expected), "{said}");
    }
    assert!(said[0].1.contains("did not finish within 3 s"), "{}", said[0].1);
    assert!(said[1].1.contains("failed in ncclAllReduce"), "{}", said[1].1);
}
