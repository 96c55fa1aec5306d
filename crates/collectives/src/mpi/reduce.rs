//! Reductions over several hosts: large sums around a [`ring`], everything else by MPI's own call.
#![expect(unsafe_code, reason = "starts MPI calls on buffers that outlive them")]

use std::{ops::Add, thread, time::Instant};

use bytemuck::Pod;

use super::{
    buffer::Buffer,
    communication::{Communication, awake_for, keep, pieces},
    job::Copied,
    reduction::Reduction,
    ring::{self, Stopped},
};
use crate::{Call, CollectiveError, Element};

impl Communication {
    /// Reduces in the caller's memory. Every rank has arrived, so only a rank that dies in this very
    /// moment, or a link that stops, can make it fail; the memory is then in MPI's hands and cannot be
    /// given back, so the process ends here, with the message.
    pub(super) fn reduce_in_place(&self, call: Call, buffer: Buffer, reduction: Reduction) {
        let deadline = Instant::now() + self.timeout;
        let is_large = ring::is_worth_it(buffer.num_bytes(), self.world.size());
        let is_ring_sum = self.own_ring && is_large && matches!(reduction, Reduction::Sum);
        // SAFETY: `SliceOfCaller`: the caller waits, with its exclusive borrow, until this returns,
        // and this returns only after MPI has finished with the memory.
        let reduced = unsafe {
            match buffer.element {
                Element::F32 if is_ring_sum => self.sum_in_ring::<f32>(call, deadline, buffer.numbers()),
                Element::F64 if is_ring_sum => self.sum_in_ring::<f64>(call, deadline, buffer.numbers()),
                Element::F32 | Element::F64 | Element::U64 => self.reduce(call, deadline, buffer, reduction),
            }
        };
        if let Err(error) = reduced {
            self.give_up(&error.to_string());
        }
    }

    pub(super) fn reduce_copy(
        &self,
        call: Call,
        deadline: Instant,
        copy: Copied,
        reduction: Reduction,
    ) -> Result<Vec<u64>, CollectiveError> {
        let Copied {
            mut words,
            count,
            element,
        } = copy;
        let buffer = Buffer {
            start: words.as_mut_ptr().cast(),
            count,
            element,
        };
        // SAFETY: `words` lives until MPI has finished with it, or for ever (`keep`).
        let reduced = unsafe { self.reduce(call, deadline, buffer, reduction) };
        keep(reduced, words)
    }

    /// By MPI's own call.
    ///
    /// # Safety
    /// Nobody else touches the numbers of `buffer` until this returns, and after an error
    /// nobody ever does.
    unsafe fn reduce(
        &self,
        call: Call,
        deadline: Instant,
        buffer: Buffer,
        reduction: Reduction,
    ) -> Result<(), CollectiveError> {
        for (first, count) in pieces(buffer.count) {
            let piece = buffer.part(first, count);
            // SAFETY: the caller's promise.
            let pending = unsafe { self.world.start_all_reduce(piece, reduction) };
            self.finish(call, deadline, awake_for(piece.num_bytes()), pending)?;
        }
        Ok(())
    }

    /// # Safety
    /// As [`Communication::reduce`].
    unsafe fn sum_in_ring<T: Pod + Add<Output = T>>(
        &self,
        call: Call,
        deadline: Instant,
        numbers: *mut [T],
    ) -> Result<(), CollectiveError> {
        let go_on = |pause| {
            thread::sleep(pause);
            Instant::now() < deadline
        };
        // SAFETY: the caller's promise.
        let summed = unsafe { ring::all_reduce_sum(&self.world, numbers, go_on) };
        summed.map_err(|stopped| match stopped {
            Stopped::Late => self.late(call, Vec::new()),
            Stopped::Failed(failure) => self.failed(call, failure.0),
        })
    }
}
