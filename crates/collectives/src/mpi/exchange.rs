//! Bytes from rank to rank: of one to all, of all to all, and a part of each to each.
#![expect(unsafe_code, reason = "starts MPI calls on buffers that outlive them")]

use std::{ffi::c_void, time::Instant};

use super::{
    communication::{AWAKE, Communication, awake_for, keep, pieces},
    library::Failure,
    parts::Parts,
};
use crate::{Call, CollectiveError, Rank};

impl Communication {
    pub(super) fn broadcast(
        &self,
        call: Call,
        deadline: Instant,
        root: Rank,
        mut bytes: Vec<u8>,
    ) -> Result<Vec<u8>, CollectiveError> {
        if root.0 >= self.world.size() {
            return Err(self.failed(
                call,
                format!("rank {root} is not one of {} ranks", self.world.size()),
            ));
        }
        let mut length = Box::new(bytes.len() as u64);
        let start: *mut c_void = std::ptr::from_mut(&mut *length).cast();
        // SAFETY: `length` lives until MPI has finished with it, or for ever (`keep`).
        let pending = unsafe { self.world.start_broadcast(start, 8, root.0) };
        length = keep(self.finish(call, deadline, AWAKE, pending), length)?;
        bytes.resize(usize::try_from(*length).unwrap_or(usize::MAX), 0);
        let start: *mut c_void = bytes.as_mut_ptr().cast();
        for (offset, length) in pieces(bytes.len()) {
            let piece = start.wrapping_byte_add(offset);
            // SAFETY: `bytes` lives until MPI has finished with it, or for ever (`keep`).
            let pending = unsafe { self.world.start_broadcast(piece, length, root.0) };
            bytes = keep(self.finish(call, deadline, awake_for(length), pending), bytes)?;
        }
        Ok(bytes)
    }

    /// Lengths first, then the bytes of all ranks one after the other.
    pub(super) fn all_gather(
        &self,
        call: Call,
        deadline: Instant,
        bytes: Vec<u8>,
    ) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let mut lengths = vec![0_u64; self.world.size() as usize];
        let own = Box::new(bytes.len() as u64);
        let start: *mut c_void = lengths.as_mut_ptr().cast();
        // SAFETY: both buffers live until MPI has finished with them, or for ever (`keep`).
        let pending = unsafe {
            self.world
                .start_all_gather(std::ptr::from_ref(&*own).cast(), start, 8)
        };
        (lengths, _) = keep(self.finish(call, deadline, AWAKE, pending), (lengths, own))?;

        let parts = Parts::new(&lengths).map_err(|failure| self.failed(call, failure.0))?;
        if parts.end == 0 {
            return Ok(vec![Vec::new(); lengths.len()]);
        }
        let mut all = vec![0_u8; parts.end];
        let start: *mut c_void = all.as_mut_ptr().cast();
        // SAFETY: all three buffers live until MPI has finished with them, or for ever (`keep`).
        let pending = unsafe { self.world.start_all_gather_parts(&bytes, start, &parts) };
        let result = self.finish(call, deadline, awake_for(all.len()), pending);
        let (all, ..) = keep(result, (all, bytes, parts))?;
        Ok(cut(&all, &lengths))
    }

    /// Lengths first, then the bytes.
    pub(super) fn all_to_all(
        &self,
        call: Call,
        deadline: Instant,
        parts: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let failed = |failure: Failure| self.failed(call, failure.0);
        let own: Vec<u64> = parts.iter().map(|part| part.len() as u64).collect();
        let mut lengths = vec![0_u64; own.len()];
        let start: *mut c_void = lengths.as_mut_ptr().cast();
        // SAFETY: both buffers live until MPI has finished with them, or for ever (`keep`).
        let pending = unsafe { self.world.start_all_to_all_words(own.as_ptr().cast(), start) };
        let (lengths, own) = keep(self.finish(call, deadline, AWAKE, pending), (lengths, own))?;
        let sent = Parts::new(&own).map_err(failed)?;
        let received = Parts::new(&lengths).map_err(failed)?;
        // One byte more: the pointer of an empty slice dangles at 1, Open MPI's `MPI_IN_PLACE`.
        let mut bytes = Vec::with_capacity(sent.end + 1);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        let mut all = Vec::with_capacity(received.end + 1);
        all.resize(received.end, 0_u8);
        let start: *mut c_void = all.as_mut_ptr().cast();
        // SAFETY: all four buffers live until MPI has finished with them, or for ever (`keep`).
        let pending = unsafe {
            self.world
                .start_all_to_all_parts(bytes.as_ptr().cast(), &sent, start, &received)
        };
        let result = self.finish(call, deadline, awake_for(bytes.len() + all.len()), pending);
        let (all, ..) = keep(result, (all, bytes, sent, received))?;
        Ok(cut(&all, &lengths))
    }
}

/// Parts of these lengths, one after the other.
fn cut(all: &[u8], lengths: &[u64]) -> Vec<Vec<u8>> {
    let mut rest = all;
    let take = |length: &u64| {
        let (part, after) = rest.split_at(usize::try_from(*length).unwrap_or(usize::MAX));
        rest = after;
        part.to_vec()
    };
    lengths.iter().map(take).collect()
}
