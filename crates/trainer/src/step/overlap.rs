//! Sums gradients over ranks while the backward pass still runs: `parallel.overlap`.
//!
//! The flat gradient buffer is cut into buckets, in the order in which a backward pass finishes
//! them; the tied word matrix, which gets its last addend when the pass ends, is one of its own.
//! Every rank reduces all buckets in this one order, so the calls match although no two ranks
//! are equally fast. Without overlap the same buckets are reduced in the same order afterwards,
//! which gives the same bits. NCCL is given the buckets in this order too, and waited for once
//! it has all of them.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use collectives::{
    Bucket as BucketNumber, Collective, CollectiveError, DeviceBuffer, DeviceElement, DeviceReduce,
    all_reduce_sum_bf16,
};
use model::{ModelError, Parameters};
use tch::{Device, Kind, Tensor};
use torch_native::{has_own_kernels, with_slice_mut_f32, with_slice_mut_f64};

use crate::{config::ReduceDtype, error::TrainError};

/// A bucket is full from this size on: small enough that the first one starts early, large
/// enough that a reduction's fixed cost (two rounds of messages) is small beside it.
const BUCKET_BYTES: usize = 16 << 20;
/// Little of the backward pass is left to hide the last buckets before the tied matrix (the decoder's
/// part of its gradient, `torch_native::LateWeight`), so buckets get smaller toward it: each is full at
/// this share of what is left, down to a share of a full one. With 8, layers of 512 have their last
/// projection apart from the one before; with 4 both went together, 14 ms longer over 626 Mbit/s (two
/// cores of an AMD EPYC with AVX512-BF16, 29 November 2026).
const SHARE_OF_REST: usize = 8;
const SHARE_OF_FULL: usize = 16;

/// Between two looks at sums on a GPU while the pass goes on: where one of them hangs, the pass may wait
/// for the GPU and not come to its end.
const LOOK: Duration = Duration::from_millis(100);

/// A part of the flat gradient buffer that is reduced by one call.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bucket {
    elements: Range<usize>,
    /// The leaves in it.
    leaves: Range<usize>,
}

/// What the backward pass tells the thread that reduces.
enum PassEvent {
    /// The gradient of this leaf is finished.
    Ready(usize),
    /// The pass is over.
    Done,
}

/// The hooks of a model's leaves; they tell whoever listens, and else nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct GradientHooks(Arc<Mutex<Option<Sender<PassEvent>>>>);

impl GradientHooks {
    /// Sets the hooks.
    ///
    /// # Errors
    /// When libtorch refuses one.
    pub(crate) fn new(parameters: &Parameters) -> Result<Self, ModelError> {
        let hooks = Self::default();
        let heard = hooks.clone();
        parameters.on_gradient_ready(move |leaf| heard.tell(PassEvent::Ready(leaf)))?;
        Ok(hooks)
    }

    fn listen(&self) -> Receiver<PassEvent> {
        let (sender, progress) = channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        progress
    }

    /// Without anybody who listens the message is lost, as it should be.
    fn tell(&self, progress: PassEvent) {
        if let Some(sender) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = sender.send(progress);
        }
    }

    fn hang_up(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Hangs up when the pass ends, however it does: the reducer would wait for one that panics for ever.
struct HangUp<'a>(&'a GradientHooks);

impl Drop for HangUp<'_> {
    fn drop(&mut self) {
        self.0.hang_up();
    }
}

/// Runs `backward`, the last pass of a step, and sums the gradients over ranks as they become
/// ready.
///
/// # Errors
/// That of `backward`, or of the reduction.
pub(crate) fn reduce_during<T>(
    hooks: &GradientHooks,
    collective: &mut dyn Collective,
    (parameters, reduce_dtype): (&Parameters, ReduceDtype),
    backward: impl FnOnce() -> Result<T, TrainError>,
) -> Result<T, TrainError> {
    let buckets = buckets_of(parameters);
    let parts = parts_of(collective, parameters.grad(), &buckets, reduce_dtype)?;
    let progress = hooks.listen();
    let buckets = &buckets;
    thread::scope(|scope| {
        let reducer = scope.spawn(move || reduce_as_they_come(collective, buckets, &parts, &progress));
        let listening = HangUp(hooks);
        let result = backward();
        if result.is_ok() {
            hooks.tell(PassEvent::Done);
        }
        // After a pass that failed the reducer ends here, with its buckets as they are.
        drop(listening);
        let reduced = reducer.join().unwrap_or(Err(TrainError::ReducerPanicked));
        let value = result?;
        reduced.map(|()| value)
    })
}

/// Sums the gradients over ranks after all passes, in the same buckets.
///
/// # Errors
/// Those of the collective calls.
pub(crate) fn reduce_after(
    collective: &mut dyn Collective,
    parameters: &Parameters,
    reduce_dtype: ReduceDtype,
) -> Result<(), TrainError> {
    let parts = parts_of(
        collective,
        parameters.grad(),
        &buckets_of(parameters),
        reduce_dtype,
    )?;
    for (index, part) in parts.iter().enumerate() {
        reduce_bucket(collective, part, (index, parts.len()))?;
    }
    finish(collective, &parts)
}

/// Reduces bucket after bucket, each once all its leaves are ready or the pass is over. A pass
/// that hangs up before has failed, and what it leaves is of no use.
fn reduce_as_they_come(
    collective: &mut dyn Collective,
    buckets: &[Bucket],
    parts: &[Part],
    progress: &Receiver<PassEvent>,
) -> Result<(), TrainError> {
    let mut missing: Vec<usize> = buckets.iter().map(|bucket| bucket.leaves.len()).collect();
    let mut done = false;
    for (index, part) in parts.iter().enumerate() {
        while missing[index] > 0 && !done {
            match progress.recv_timeout(LOOK) {
                Ok(PassEvent::Ready(leaf)) => {
                    let of_leaf = buckets.iter().position(|bucket| bucket.leaves.contains(&leaf));
                    if let Some(count) = of_leaf.and_then(|bucket| missing.get_mut(bucket)) {
                        *count = count.saturating_sub(1);
                    }
                }
                Ok(PassEvent::Done) => done = true,
                Err(RecvTimeoutError::Timeout) => {
                    collective.device_reduce().map_or(Ok(()), DeviceReduce::look)?;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
        reduce_bucket(collective, part, (index, buckets.len()))?;
    }
    finish(collective, parts)
}

/// Sums a bucket, or gives it to NCCL where that sums it in the memory of the GPU.
fn reduce_bucket(
    collective: &mut dyn Collective,
    part: &Part,
    (index, of): (usize, usize),
) -> Result<(), TrainError> {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let bucket = BucketNumber {
        number: number(index + 1),
        of: number(of),
    };
    collective.at_bucket(bucket);
    match collective.device_reduce() {
        Some(reduce) => Ok(reduce.start(numbers_of(part.to_send()?)?, bucket)?),
        None => all_reduce(collective, part),
    }
}

/// Afterwards every bucket that was given away is summed, and what was rounded is back.
fn finish(collective: &mut dyn Collective, parts: &[Part]) -> Result<(), TrainError> {
    if let Some(reduce) = collective.device_reduce() {
        reduce.finish()?;
    }
    parts.iter().try_for_each(Part::take_back)
}

/// A part of the flat buffer, which is contiguous as the buffer is.
pub(crate) fn numbers_of(view: &Tensor) -> Result<DeviceBuffer, TrainError> {
    let element = match view.f_kind()? {
        Kind::Double => DeviceElement::F64,
        Kind::BFloat16 => DeviceElement::Bf16,
        _ => DeviceElement::F32,
    };
    Ok(DeviceBuffer {
        address: view.data_ptr().addr(),
        count: view.numel(),
        element,
    })
}

fn all_reduce(collective: &mut dyn Collective, part: &Part) -> Result<(), TrainError> {
    on_host_memory(&part.view, |view| {
        let reduced: Result<(), CollectiveError> = match view.f_kind()? {
            Kind::Double => with_slice_mut_f64(view, |values| collective.all_reduce_sum_f64(values))?,
            _ if matches!(part.wire, Wire::HostBf16) => {
                with_slice_mut_f32(view, |values| all_reduce_sum_bf16(collective, values))?
            }
            _ => with_slice_mut_f32(view, |values| collective.all_reduce_sum_f32(values))?,
        };
        Ok(reduced?)
    })
}

/// MPI reduces host memory: what lies on a GPU goes there and back.
///
/// # Errors
/// That of `work`, or of a copy.
pub(crate) fn on_host_memory(
    tensor: &Tensor,
    work: impl FnOnce(&mut Tensor) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let is_there = has_own_kernels(tensor.device());
    let mut on_host = tensor.f_to_device_(Device::Cpu, tensor.f_kind()?, false, !is_there)?;
    work(&mut on_host)?;
    if !is_there {
        tch::no_grad(|| tensor.shallow_clone().f_copy_(&on_host))?;
    }
    Ok(())
}

/// A bucket's part of the gradients, to be used by one thread at a time: the pass before its leaves
/// are ready, the reducer afterwards.
#[derive(Debug)]
struct Part {
    view: Tensor,
    wire: Wire,
}

/// How the numbers of a part travel.
#[derive(Debug)]
enum Wire {
    /// As they are.
    Whole,
    /// Rounded where they are packed, in host memory.
    HostBf16,
    /// As this copy of them on the GPU.
    GpuBf16(Tensor),
}

impl Part {
    fn to_send(&self) -> Result<&Tensor, TrainError> {
        let Wire::GpuBf16(rounded) = &self.wire else {
            return Ok(&self.view);
        };
        tch::no_grad(|| rounded.shallow_clone().f_copy_(&self.view))?;
        Ok(rounded)
    }

    fn take_back(&self) -> Result<(), TrainError> {
        if let Wire::GpuBf16(rounded) = &self.wire {
            tch::no_grad(|| self.view.shallow_clone().f_copy_(rounded))?;
        }
        Ok(())
    }
}

/// `grad`: the flat gradients.
fn parts_of(
    collective: &mut dyn Collective,
    grad: &Tensor,
    buckets: &[Bucket],
    reduce_dtype: ReduceDtype,
) -> Result<Vec<Part>, TrainError> {
    let is_rounded = reduce_dtype == ReduceDtype::Bf16;
    let copy = (is_rounded && collective.device_reduce().is_some())
        .then(|| Tensor::f_empty(grad.size(), (Kind::BFloat16, grad.device())))
        .transpose()?;
    let dimension = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
    let part = |bucket: &Bucket| {
        let narrow = |flat: &Tensor| {
            let (start, length) = (bucket.elements.start, bucket.elements.len());
            flat.f_narrow(0, dimension(start), dimension(length))
        };
        let wire = match &copy {
            Some(copy) => Wire::GpuBf16(narrow(copy)?),
            None if is_rounded => Wire::HostBf16,
            None => Wire::Whole,
        };
        Ok(Part {
            view: narrow(grad)?,
            wire,
        })
    };
    buckets.iter().map(part).collect()
}

fn buckets_of(parameters: &Parameters) -> Vec<Bucket> {
    let element_bytes = parameters.grad().kind().elt_size_in_bytes();
    let starts: Vec<usize> = parameters.leaf_ranges().iter().map(|range| range.start).collect();
    cut(&starts, parameters.len(), BUCKET_BYTES / element_bytes)
}

/// Leaves that begin at `starts`, in buckets of at least `full` elements, less toward the end, the
/// last leaf alone.
fn cut(starts: &[usize], length: usize, full: usize) -> Vec<Bucket> {
    let mut buckets = Vec::new();
    let mut first = 0;
    let last_start = starts.last().copied().unwrap_or(0);
    for next in 1..=starts.len() {
        let end = starts.get(next).copied().unwrap_or(length);
        let is_before_last = next + 1 == starts.len();
        let rest = last_start.saturating_sub(starts[first]);
        let full = full.min((rest / SHARE_OF_REST).max(full / SHARE_OF_FULL));
        if end - starts[first] >= full || is_before_last || next == starts.len() {
            buckets.push(Bucket {
                elements: starts[first]..end,
                leaves: first..next,
            });
            first = next;
        }
    }
    buckets
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{config::tests::tiny, run::tests::stand_in_reduce};
    use collectives::{Nccl, Single, Threads};
    use model::{Precision, RobertaForMaskedLm};
    use nccl_stand_in::StandIn;

    fn model() -> RobertaForMaskedLm {
        RobertaForMaskedLm::new(&tiny(&[]).model.config, Precision::F32, Device::Cpu).unwrap()
    }

    #[test]
    fn buckets_cover_the_buffer_in_order_get_smaller_and_the_tied_matrix_is_alone() {
        let bucket = |elements, leaves| Bucket { elements, leaves };
        assert_eq!(
            cut(&[0, 4, 16, 20, 128], 1000, 40),
            [
                bucket(0..16, 0..2),
                bucket(16..128, 2..4),
                bucket(128..1000, 4..5)
            ]
        );
        assert_eq!(
            cut(&[0, 16], 32, 1000),
            [bucket(0..16, 0..1), bucket(16..32, 1..2)]
        );
        assert_eq!(cut(&[0], 32, 1000), [bucket(0..32, 0..1)]);
        let sizes = |starts: &[usize], full| -> Vec<usize> {
            let buckets = cut(starts, 240, full);
            buckets.iter().map(|bucket| bucket.elements.len()).collect()
        };
        let starts: Vec<usize> = (0..=200).collect();
        assert_eq!(
            sizes(&starts, 48),
            [
                25, 21, 19, 16, 14, 13, 11, 10, 8, 7, 7, 6, 5, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 40
            ]
        );
        let model = model();
        let buckets = buckets_of(model.parameters());
        let last = buckets.last().unwrap();
        assert_eq!(last.leaves.len(), 1);
        assert_eq!(last.elements.end, model.parameters().len());
    }

    /// Two buckets of two leaves each and one of one, as parts of a buffer of ones.
    fn work(collective: &mut dyn Collective, reduce_dtype: ReduceDtype) -> (Vec<Bucket>, Tensor, Vec<Part>) {
        let buffer = Tensor::ones([50], (Kind::Float, Device::Cpu));
        let bucket = |elements, leaves| Bucket { elements, leaves };
        let buckets = vec![bucket(0..20, 0..2), bucket(20..40, 2..4), bucket(40..50, 4..5)];
        let parts = parts_of(collective, &buffer, &buckets, reduce_dtype).unwrap();
        (buckets, buffer, parts)
    }

    #[test]
    fn a_bucket_is_reduced_once_its_leaves_are_ready_and_those_before_it_are_reduced() {
        let mut world = Threads::world(2, Duration::from_mins(1));
        let (mut other, mut own) = (world.pop().unwrap(), world.pop().unwrap());
        let (buckets, buffer, parts) = work(&mut own, ReduceDtype::F32);
        let (sender, progress) = channel();
        let (tell, reduced) = channel();
        thread::scope(|scope| {
            let peer = scope.spawn(move || {
                for length in [20, 20, 10] {
                    other.all_reduce_sum_f32(&mut vec![1.0; length]).unwrap();
                    tell.send(()).unwrap();
                }
            });
            let buckets = &buckets;
            let reducer = scope.spawn(move || reduce_as_they_come(&mut own, buckets, &parts, &progress));
            // The second bucket is ready first, and waits for the first.
            for leaf in [2, 3, 0] {
                sender.send(PassEvent::Ready(leaf)).unwrap();
            }
            assert!(reduced.try_recv().is_err());
            sender.send(PassEvent::Ready(1)).unwrap();
            // Both are reduced although the pass goes on.
            reduced.recv().unwrap();
            reduced.recv().unwrap();
            assert!(reduced.try_recv().is_err());
            sender.send(PassEvent::Done).unwrap();
            reducer.join().unwrap().unwrap();
            peer.join().unwrap();
        });
        assert_eq!(Vec::<f32>::try_from(&buffer).unwrap(), [2.0; 50]);
    }

    /// NCCL and the GPU are a stand-in's.
    #[test]
    fn nccl_has_begun_with_a_bucket_while_the_pass_goes_on_and_is_waited_for_at_its_end() {
        let stand_in = StandIn::load();
        let gpu = stand_in.gpus(1).start;
        let mut below = Single::new();
        let reduce = stand_in_reduce(&stand_in, &mut below, gpu);
        let mut nccl = Nccl::new(&mut below, reduce);
        let (buckets, buffer, parts) = work(&mut nccl, ReduceDtype::F32);
        stand_in.adopt(gpu, buffer.data_ptr().addr(), 200);
        let (sender, progress) = channel();
        thread::scope(|scope| {
            let (buckets, nccl) = (&buckets, &mut nccl);
            let reducer = scope.spawn(move || reduce_as_they_come(nccl, buckets, &parts, &progress));
            for leaf in [2, 3, 0, 1] {
                sender.send(PassEvent::Ready(leaf)).unwrap();
            }
            // Both are under way although the pass goes on.
            let begun = Instant::now();
            while stand_in
                .trace(gpu)
                .iter()
                .filter(|call| *call == "launch 20")
                .count()
                < 2
            {
                assert!(
                    begun.elapsed() < Duration::from_mins(1),
                    "{:?}",
                    stand_in.trace(gpu)
                );
                thread::yield_now();
            }
            assert!(!stand_in.trace(gpu).contains(&"wait in current".to_owned()));
            sender.send(PassEvent::Done).unwrap();
            reducer.join().unwrap().unwrap();
        });
        assert_eq!(stand_in.trace(gpu).last().unwrap(), "wait in current");
        assert_eq!(Vec::<f32>::try_from(&buffer).unwrap(), [1.0; 50]);
    }

    #[test]
    fn gradients_that_travel_as_bf16_are_rounded_before_and_after_the_sum() {
        let mut world = Threads::world(2, Duration::from_mins(1));
        let (mut other, mut own) = (world.pop().unwrap(), world.pop().unwrap());
        let reduce = |collective: &mut Threads| {
            let (_, buffer, parts) = work(collective, ReduceDtype::Bf16);
            // 1 + 2^-9 has no place in a bf16, and 1 + 2^-7 has.
            let _ = buffer.shallow_clone().fill_(1.0 + 2f64.powi(-9));
            let _ = buffer.narrow(0, 0, 1).fill_(1.0 + 2f64.powi(-7));
            for (index, part) in parts.iter().enumerate() {
                reduce_bucket(collective, part, (index, parts.len())).unwrap();
            }
            finish(collective, &parts).unwrap();
            Vec::<f32>::try_from(&buffer).unwrap()
        };
        let sums = thread::scope(|scope| {
            let peer = scope.spawn(move || reduce(&mut other));
            [reduce(&mut own), peer.join().unwrap()]
        });
        let mut expected = [2.0; 50];
        expected[0] = 2.0 + 2f32.powi(-6);
        assert_eq!(sums, [expected, expected]);
    }

    /// NCCL and the GPU are a stand-in's.
    #[test]
    fn nccl_sums_a_rounded_copy_and_the_gradients_get_it_back() {
        let stand_in = StandIn::load();
        let gpu = stand_in.gpus(1).start;
        let mut below = Single::new();
        let reduce = stand_in_reduce(&stand_in, &mut below, gpu);
        let mut nccl = Nccl::new(&mut below, reduce);
        let (_, buffer, parts) = work(&mut nccl, ReduceDtype::Bf16);
        let _ = buffer.shallow_clone().fill_(1.0 + 2f64.powi(-9));
        let Wire::GpuBf16(copy) = &parts[0].wire else {
            panic!("NCCL sums a copy on the GPU")
        };
        stand_in.adopt(gpu, copy.data_ptr().addr(), 100);
        for (index, part) in parts.iter().enumerate() {
            reduce_bucket(&mut nccl, part, (index, parts.len())).unwrap();
        }
        finish(&mut nccl, &parts).unwrap();
        assert_eq!(Vec::<f32>::try_from(&buffer).unwrap(), [1.0; 50]);
    }

    #[test]
    fn a_pass_that_fails_ends_the_reducer_without_a_call() {
        let model = model();
        let hooks = GradientHooks::new(model.parameters()).unwrap();
        let mut world = Threads::world(2, Duration::from_mins(1));
        let own = &mut world[0];
        let failed: Result<(), _> =
            reduce_during(&hooks, own, (model.parameters(), ReduceDtype::F32), || {
                Err(TrainError::NothingMasked { step: 3 })
            });
        assert!(matches!(failed, Err(TrainError::NothingMasked { step: 3 })));
        assert_eq!(own.calls_made(), 0);
    }

    #[test]
    fn a_pass_that_panics_ends_the_reducer_too_and_the_panic_goes_on() {
        let model = model();
        let hooks = GradientHooks::new(model.parameters()).unwrap();
        let mut world = Threads::world(2, Duration::from_mins(1));
        let (tell, told) = channel();
        thread::spawn(move || {
            let own = &mut world[0];
            let pass = || -> Result<(), TrainError> { panic!("inside the pass") };
            let caught = catch_unwind(AssertUnwindSafe(|| {
                reduce_during(&hooks, own, (model.parameters(), ReduceDtype::F32), pass)
            }));
            let payload = caught.unwrap_err();
            tell.send((payload.downcast_ref::<&str>().copied(), world[0].calls_made()))
        });
        let heard = told.recv_timeout(Duration::from_mins(1));
        assert_eq!(heard, Ok((Some("inside the pass"), 0)), "the reducer still waits");
    }
}
