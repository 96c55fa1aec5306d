// Keeps large freed blocks of tensor memory instead of giving them back to the system, which
// would map, fault in and clear the same pages again in every training step. What is kept and
// what is in use come together to at most 5/4 of the most that was ever in use at once; beyond
// it the block that waited longest goes back. A large block begins at a huge page, which the
// system is asked for: one fault instead of 512. It has room for a tensor an eighth larger, of
// which nothing is in memory before it is used: batches differ in length. What is known of a block
// stands in a cache line before it. C ABI as in shim.cpp.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <mutex>
#include <new>

namespace {

// glibc keeps smaller blocks itself.
constexpr size_t kLarge = size_t{1} << 20;
constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t{1} << 21;

// A block without its data, which begins behind it.
struct alignas(64) Block {
  void *memory;     // what the system gave
  size_t capacity;  // bytes that fit
  size_t used;      // the most bytes that a tensor had here: what is in memory

  char *data() { return reinterpret_cast<char *>(this + 1); }
  bool is_large() const { return capacity >= kLarge; }
};

Block *block_of(void *data) { return static_cast<Block *>(data) - 1; }

// The block whose data begins at the first huge page that leaves room for it.
Block *huge_block_in(void *memory) {
  auto start = reinterpret_cast<uintptr_t>(memory) + sizeof(Block);
  return block_of(reinterpret_cast<void *>((start + kHugePage - 1) / kHugePage * kHugePage));
}

class KeepingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    if (size == 0) return {nullptr, nullptr, &release, c10::Device(c10::DeviceType::CPU)};
    Block *block = size < kLarge ? small(size) : take(size);
    if (block == nullptr) block = large(size);
    if (block->is_large()) count(block, size);
    return {block->data(), block->data(), &release, c10::Device(c10::DeviceType::CPU)};
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
  // The smallest kept block that fits and has room for at most a quarter more.
  Block *take(size_t size) {
    std::lock_guard<std::mutex> guard(mutex_);
    auto found = by_capacity_.lower_bound(size);
    if (found == by_capacity_.end() || found->first > size + size / 4) return nullptr;
    return forget(found);
  }

  using ByCapacity = std::multimap<size_t, std::list<Block *>::iterator>;

  Block *forget(ByCapacity::iterator found) {
    Block *block = *found->second;
    by_age_.erase(found->second);
    kept_bytes_ -= block->used;
    by_capacity_.erase(found);
    return block;
  }

  void count(Block *block, size_t size) {
    std::lock_guard<std::mutex> guard(mutex_);
    block->used = std::max(block->used, size);
    in_use_ += block->used;
    most_in_use_ = std::max(most_in_use_, in_use_);
    keep_within_bound();
  }

  // Ends before nothing is kept: what is in use is at most the most that was.
  void keep_within_bound() {
    while (in_use_ + kept_bytes_ > most_in_use_ + most_in_use_ / 4) free_oldest();
  }

  void free_oldest() {
    Block *oldest = by_age_.front();
    auto found = by_capacity_.equal_range(oldest->capacity).first;
    while (*found->second != oldest) ++found;
    c10::free_cpu(forget(found)->memory);
  }

  Block *small(size_t size) {
    void *memory = fresh(size + sizeof(Block));
    return new (memory) Block{memory, size, size};
  }

  Block *large(size_t size) {
    size_t capacity = size + size / 8;
    void *memory = fresh(capacity + sizeof(Block) + kHugePage);
    auto *block = new (huge_block_in(memory)) Block{memory, capacity, 0};
    // A wish: without huge pages all is as it was, but slower.
    madvise(block->data(), capacity / kPage * kPage, MADV_HUGEPAGE);
    return block;
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

  void keep(Block *block) {
    std::lock_guard<std::mutex> guard(mutex_);
    in_use_ -= block->used;
    kept_bytes_ += block->used;
    by_capacity_.emplace(block->capacity, by_age_.insert(by_age_.end(), block));
    keep_within_bound();
  }

  static void release(void *data) {
    if (data == nullptr) return;
    Block *block = block_of(data);
    if (block->is_large()) {
      instance().keep(block);
    } else {
      c10::free_cpu(block->memory);
    }
  }

  std::mutex mutex_;
  std::list<Block *> by_age_;  // the one that waited longest is first
  ByCapacity by_capacity_;
  size_t kept_bytes_ = 0;
  size_t in_use_ = 0;
  size_t most_in_use_ = 0;
};

}  // namespace

extern "C" void tenk_large_blocks(size_t *in_use, size_t *kept, size_t *most_in_use) noexcept {
  KeepingAllocator::instance().totals(in_use, kept, most_in_use);
}

extern "C" void tenk_keep_large_blocks() noexcept { c10::SetCPUAllocator(&KeepingAllocator::instance()); }
