//! How MPI is used.

use std::time::Duration;

use crate::SumOrder;

/// How an [`Mpi`](super::Mpi) works.
#[derive(Debug, Clone, Copy)]
pub struct MpiOptions {
    /// Deadline of every call.
    pub timeout: Duration,
    /// Large reductions work in place in the caller's slice, and sums by this library's own ways,
    /// instead of through a copy and MPI's own call.
    pub zero_copy: bool,
    /// Large sums over several hosts go around a ring of this library's own, instead of by MPI's own
    /// call, whose order of addition nobody but MPI knows: off for measurements alone.
    pub own_ring: bool,
    /// Ranks that are all on one host add up in memory that they share.
    pub shared_memory: bool,
}

impl MpiOptions {
    /// The default way with this deadline.
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            zero_copy: true,
            own_ring: true,
            shared_memory: true,
        }
    }

    /// The order of large sums where ranks share no memory.
    pub(super) fn order_over_hosts(&self) -> SumOrder {
        if self.zero_copy && self.own_ring {
            SumOrder::Ring
        } else {
            SumOrder::Library
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_go_around_the_ring_only_where_this_library_adds_them_up() {
        let of = |zero_copy, own_ring| {
            let options = MpiOptions {
                zero_copy,
                own_ring,
                ..MpiOptions::new(Duration::from_secs(1))
            };
            options.order_over_hosts()
        };
        assert_eq!(of(true, true), SumOrder::Ring);
        assert_eq!([of(true, false), of(false, true)], [SumOrder::Library; 2]);
    }
}
