/* What the real CUDA headers take from a compiler for GPUs, for a compiler that has none. */
#define __device_builtin__
#define __host__
#define __device__
#define __cudart_builtin__
#define CUDARTAPI
#define CUDARTAPI_CDECL
#define CUDA_CB
#define __align__(n) __attribute__((aligned(n)))
#define __specialization_static static
#define __device_builtin_texture_type__
#define __device_builtin_surface_type__
#define __builtin_align__(n) __attribute__((aligned(n)))
