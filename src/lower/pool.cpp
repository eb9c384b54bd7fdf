// Memory of CPU tensors. A training step asks for the same sizes in the same order again and again, which the C
// library serves badly: aligned blocks come out of larger ones, whose rests keep freed neighbours apart, so that a
// process held up to half as much again as its tensors, and other pages each step. Here blocks come out of one
// range of addresses, the smallest that fits and of those the lowest, and neighbours join as soon as they are free.
// What was touched once is kept for the next step.
//
// Small tensors and what finds no room come from the C library, as in libtorch's own allocator.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/Device.h>
#include <c10/util/Exception.h>

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

namespace {

#ifdef __linux__

// Blocks are multiples of this: a cache line, and what vectors want.
constexpr size_t ALIGN = 64;
// Below this the C library's bins are better, and waste little.
constexpr size_t SMALLEST = 4096;

class Pool final : public c10::Allocator {
 public:
  Pool() {
    // As many addresses as the machine has memory; none of it is there before it is touched.
    auto pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
    size_ = pages > 0 && page > 0 ? static_cast<size_t>(pages) * static_cast<size_t>(page) : 0;
    if (size_ == 0) return;
    void* range = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    base_ = range == MAP_FAILED ? nullptr : static_cast<char*>(range);
  }

  bool works() const { return base_ != nullptr; }

  c10::DataPtr allocate(size_t n) override {
    void* block = nullptr;
    if (n >= SMALLEST) block = take((n + ALIGN - 1) / ALIGN * ALIGN);
    if (n > 0 && !block) {
      TORCH_CHECK(posix_memalign(&block, ALIGN, n) == 0, "no memory for a tensor of ", n, " bytes");
    }
    return {block, block, &give_back, c10::Device(c10::DeviceType::CPU)};
  }

  // libtorch's own code wants one deleter for all: an address says whose it is.
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  void copy_data(void* to, const void* from, size_t n) const override { std::memcpy(to, from, n); }

  static Pool*& only() {
    static Pool* pool = nullptr;
    return pool;
  }

 private:
  static void give_back(void* block) {
    auto* pool = only();
    auto* start = static_cast<char*>(block);
    if (pool && start >= pool->base_ && start < pool->base_ + pool->size_) {
      pool->give(start);
    } else {
      free(block);
    }
  }

  void* take(size_t n) {
    std::lock_guard<std::mutex> held(lock_);
    auto fits = by_size_.lower_bound({n, nullptr});
    char* block = nullptr;
    if (fits != by_size_.end()) {
      auto [size, start] = *fits;
      block = start;
      drop(start, size);
      if (size > n) add(start + n, size - n);
    } else {
      // The last free block may reach the end of what is used, and grow.
      auto last = free_.empty() ? free_.end() : std::prev(free_.end());
      bool grows = last != free_.end() && last->first + last->second == base_ + used_;
      size_t more = grows ? n - last->second : n;
      if (used_ + more > size_) return nullptr;
      block = grows ? last->first : base_ + used_;
      if (grows) drop(last->first, last->second);
      used_ += more;
    }
    taken_[block] = n;
    return block;
  }

  void give(char* block) {
    std::lock_guard<std::mutex> held(lock_);
    auto known = taken_.find(block);
    if (known == taken_.end()) return;
    size_t n = known->second;
    taken_.erase(known);
    auto after = free_.lower_bound(block);
    if (after != free_.end() && block + n == after->first) {
      auto [start, size] = *after;
      drop(start, size);
      n += size;
    }
    after = free_.lower_bound(block);
    if (after != free_.begin()) {
      auto [start, size] = *std::prev(after);
      if (start + size == block) {
        drop(start, size);
        block = start;
        n += size;
      }
    }
    add(block, n);
  }

  void add(char* start, size_t n) {
    free_[start] = n;
    by_size_.insert({n, start});
  }

  void drop(char* start, size_t n) {
    free_.erase(start);
    by_size_.erase({n, start});
  }

  char* base_ = nullptr;
  size_t size_ = 0;
  // From here on nothing was ever taken.
  size_t used_ = 0;
  std::mutex lock_;
  std::map<char*, size_t> free_;
  std::set<std::pair<size_t, char*>> by_size_;
  std::unordered_map<char*, size_t> taken_;
};

#endif

}  // namespace

// From now on CPU tensors lie in the pool; those that are there already stay where they are.
extern "C" void dlmc_pool_memory() {
#ifdef __linux__
  static const bool done = [] {
    auto* pool = new Pool();
    if (!pool->works()) {
      delete pool;
      return false;
    }
    Pool::only() = pool;
    c10::SetCPUAllocator(pool, 1);
    return true;
  }();
  (void)done;
#endif
}
