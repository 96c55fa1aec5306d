//! Sum, broadcast, gather and barrier over ranks, with deadlines.
