// Keeps large freed blocks of tensor memory instead of giving them back to the system, which
// would map, fault in and clear the same pages again in every training step. What is kept and
// what is in use come together to at most 5/4 of the most that was ever in use at once; beyond
// it the block that waited longest goes back. A block carries its size in a header of one cache
// line. C ABI as in shim.cpp.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <list>
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
    if (size >= kLarge) count(size_of(block));
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

  void totals(size_t *in_use, size_t *kept, size_t *most_in_use) {
    std::lock_guard<std::mutex> guard(mutex_);
    *in_use = in_use_;
    *kept = kept_bytes_;
    *most_in_use = most_in_use_;
  }

 private:
  // The smallest kept block that fits and wastes at most an eighth.
  char *take(size_t size) {
    std::lock_guard<std::mutex> guard(mutex_);
    auto found = by_size_.lower_bound(size);
    if (found == by_size_.end() || found->first > size + size / 8) return nullptr;
    return forget(found);
  }

  using BySize = std::multimap<size_t, std::list<char *>::iterator>;

  char *forget(BySize::iterator found) {
    char *block = *found->second;
    by_age_.erase(found->second);
    kept_bytes_ -= found->first;
    by_size_.erase(found);
    return block;
  }

  void count(size_t size) {
    std::lock_guard<std::mutex> guard(mutex_);
    in_use_ += size;
    most_in_use_ = std::max(most_in_use_, in_use_);
  }

  void free_oldest() {
    char *oldest = by_age_.front();
    auto range = by_size_.equal_range(size_of(oldest));
    auto found = range.first;
    while (*found->second != oldest) ++found;
    c10::free_cpu(forget(found));
  }

  // From the system; what is kept goes back first where the system has no more.
  void *fresh(size_t size) {
    try {
      return c10::alloc_cpu(size);
    } catch (const std::exception &) {
      std::lock_guard<std::mutex> guard(mutex_);
      if (by_age_.empty()) throw;
      while (!by_age_.empty()) free_oldest();
    }
    return c10::alloc_cpu(size);
  }

  void keep(char *block) {
    std::lock_guard<std::mutex> guard(mutex_);
    in_use_ -= size_of(block);
    kept_bytes_ += size_of(block);
    by_size_.emplace(size_of(block), by_age_.insert(by_age_.end(), block));
    while (in_use_ + kept_bytes_ > most_in_use_ + most_in_use_ / 4) free_oldest();
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
  std::list<char *> by_age_;  // the one that waited longest is first
  BySize by_size_;
  size_t kept_bytes_ = 0;
  size_t in_use_ = 0;
  size_t most_in_use_ = 0;
};

}  // namespace

extern "C" void tenk_large_blocks(size_t *in_use, size_t *kept, size_t *most_in_use) {
  KeepingAllocator::instance().totals(in_use, kept, most_in_use);
}

extern "C" void tenk_keep_large_blocks() { c10::SetCPUAllocator(&KeepingAllocator::instance()); }
