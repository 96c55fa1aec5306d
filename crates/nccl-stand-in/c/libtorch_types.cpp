/* The types that the stand-in gives libtorch's C functions, against libtorch's own headers. */
#define USE_CUDA 1
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/c/shim.h>

#include <type_traits>

static_assert(std::is_same_v<decltype(&aoti_torch_get_current_cuda_stream), int32_t (*)(int32_t, void **)>);
static_assert(std::is_same_v<decltype(&torch_get_cuda_stream_from_pool), int32_t (*)(bool, int32_t, void **)>);
static_assert(AOTI_TORCH_SUCCESS == 0);
