// GPUs: what they are, their memory, and which of libtorch's kernels may run. Nothing links CUDA: the
// runtime comes with a CUDA build of libtorch and is looked up, the rest goes through interfaces that
// libtorch's CPU library has too.
#include "shim.h"

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <dlfcn.h>

#include <stdexcept>
#include <string>

namespace {

// A failure that is reported here must not be thrown once more by libtorch's next kernel, which asks the
// runtime for the last error of its thread.
[[noreturn]] void no_gpu(int index) {
  if (auto forget = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "cudaGetLastError"))) forget();
  throw std::runtime_error("the CUDA runtime has no GPU " + std::to_string(index));
}

}  // namespace

extern "C" {

// 75 and 76 are cudaDevAttrComputeCapabilityMajor and -Minor of the runtime's driver_types.h.
char *tenk_compute_capability(int index, int *major, int *minor) {
  return guarded([&] {
    using Attribute = int (*)(int *value, int attribute, int device);
    auto attribute = reinterpret_cast<Attribute>(dlsym(RTLD_DEFAULT, "cudaDeviceGetAttribute"));
    if (attribute == nullptr) throw std::runtime_error("the CUDA runtime is not loaded");
    if (attribute(major, 75, index) != 0 || attribute(minor, 76, index) != 0) no_gpu(index);
  });
}

char *tenk_gpu_free_memory(int index, size_t *bytes) {
  return guarded([&] {
    auto set_device = reinterpret_cast<int (*)(int)>(dlsym(RTLD_DEFAULT, "cudaSetDevice"));
    auto memory = reinterpret_cast<int (*)(size_t *, size_t *)>(dlsym(RTLD_DEFAULT, "cudaMemGetInfo"));
    if (set_device == nullptr || memory == nullptr) throw std::runtime_error("the CUDA runtime is not loaded");
    size_t total = 0;
    if (set_device(index) != 0 || memory(bytes, &total) != 0) no_gpu(index);
  });
}

// The most bytes that tensors had at once, and the most that libtorch's allocator had taken for them.
char *tenk_gpu_peak_memory(int index, size_t *tensors, size_t *taken) {
  return guarded([&] {
    auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    auto stats = at::getDeviceAllocator(at::kCUDA)->getDeviceStats(static_cast<c10::DeviceIndex>(index));
    *tensors = static_cast<size_t>(stats.allocated_bytes[all].peak);
    *taken = static_cast<size_t>(stats.reserved_bytes[all].peak);
  });
}

char *tenk_gpu_reset_peak_memory(int index) {
  return guarded([&] { at::getDeviceAllocator(at::kCUDA)->resetPeakStats(static_cast<c10::DeviceIndex>(index)); });
}

// A copy of a tensor in memory that a GPU reads by itself. No device is given, which is deprecated and
// prints a line for each tensor: libtorch knows its accelerator.
char *tenk_pin_memory(const at::Tensor *tensor, at::Tensor **pinned) {
  return guarded([&] { *pinned = new at::Tensor(tensor->pin_memory()); });
}

char *tenk_use_exact_kernels() {
  return guarded([&] {
    auto &context = at::globalContext();
    context.setSDPUseCuDNN(false);
    context.setAllowTF32CuBLAS(false);
  });
}

char *tenk_inexact_kernels(int *cudnn_attention, int *tf32) {
  return guarded([&] {
    auto &context = at::globalContext();
    *cudnn_attention = context.userEnabledCuDNNSDP();
    *tf32 = context.allowTF32CuBLAS();
  });
}

// Fresh memory need not be filled: nothing here reads what it has not written.
char *tenk_use_deterministic_algorithms(int on) {
  return guarded([&] {
    auto &context = at::globalContext();
    context.setDeterministicAlgorithms(on != 0, /*warn_only=*/false);
    context.setDeterministicFillUninitializedMemory(false);
    context.setDeterministicCuDNN(on != 0);
    context.setDeterministicMkldnn(on != 0);
  });
}

}  // extern "C"
