/* The real header of this name is for a compiler for GPUs; this is the part of it that nccl.h needs. */
#include <cuda_runtime_api.h>
