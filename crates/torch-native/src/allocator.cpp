// Keeps large freed blocks of tensor memory instead of giving them back to the system, which
// would map, fault in and clear the same pages again in every training step. A block carries
// its size in a header of one cache line. C ABI as in shim.cpp.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace {

constexpr size_t kHeader = 64;
// glibc keeps smaller blocks itself.
constexpr size_t kLarge = size_t{1} << 20;

char *block_of(void *data) { return static_cast<char *>(data) - kHeader; }

size_t &size_of(char *block) { return *reinterpret_cast<size_t *>(block); }

class KeepingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    if (size == 0) return {nullptr, nullptr, &release, c10::Device(c10::DeviceType::CPU)};
    char *block = size < kLarge ? nullptr : take(size);
    if (block == nullptr) {
      block = static_cast<char *>(fresh(size + kHeader));
      size_of(block) = size;
    }
    char *data = block + kHeader;
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void *target, const void *source, size_t count) const override {
    default_copy_data(target, source, count);
  }

  static KeepingAllocator &instance() {
    static auto *allocator = new KeepingAllocator();  // outlives every tensor
    return *allocator;
  }

 private:
  // The smallest kept block that fits and wastes at most an eighth.
  char *take(size_t size) {
    std::lock_guard<std::mutex> guard(mutex_);
    auto found = kept_.lower_bound(size);
    if (found == kept_.end() || found->first > size + size / 8) return nullptr;
    char *block = found->second;
    kept_.erase(found);
    return block;
  }

  // From the system; what is kept goes back first where the system has no more.
  void *fresh(size_t size) {
    try {
      return c10::alloc_cpu(size);
    } catch (const std::exception &) {
      std::lock_guard<std::mutex> guard(mutex_);
      if (kept_.empty()) throw;
      for (const auto &entry : kept_) c10::free_cpu(entry.second);
      kept_.clear();
    }
    return c10::alloc_cpu(size);
  }

  void keep(char *block) {
    std::lock_guard<std::mutex> guard(mutex_);
    kept_.emplace(size_of(block), block);
  }

  static void release(void *data) {
    if (data == nullptr) return;
    char *block = block_of(data);
    if (size_of(block) < kLarge) {
      c10::free_cpu(block);
    } else {
      instance().keep(block);
    }
  }

  std::mutex mutex_;
  std::multimap<size_t, char *> kept_;
};

}  // namespace

extern "C" void tenk_keep_large_blocks() { c10::SetCPUAllocator(&KeepingAllocator::instance()); }
