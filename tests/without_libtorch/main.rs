//! Behaviour of the data path: no libtorch, no MPI, no GPU.
