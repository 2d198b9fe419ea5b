// Buffers that are used again as soon as the pool is their only holder, so that messages of the
// usual size take no memory from the heap.
//
// Owner     The object that fills the buffers. They may outlive the pool.
// Threads   One thread takes; others may hold buffers and let go of them.
// Memory    At most `most_kept` buffers. A buffer with more than `most_kept_bytes` (the rows of a
//           prompt) is not used again if its owner calls let_go_if_large().

#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

namespace larql::actors {

using shared_buffer = std::shared_ptr<std::vector<char>>;

class buffer_pool {
public:
  static constexpr std::size_t most_kept = 16;
  static constexpr std::size_t most_kept_bytes = 256 * 1024;

  /// A buffer without another holder. Its last content may still be in it.
  [[nodiscard]] shared_buffer take() {
    for (const auto& b : buffers_) {
      if (b.use_count() != 1)
        continue;
      std::atomic_thread_fence(std::memory_order_acquire); // with the last holder's release
      if (b->capacity() > most_kept_bytes)
        std::vector<char>{}.swap(*b);
      return b;
    }
    auto fresh = std::make_shared<std::vector<char>>();
    if (buffers_.size() < most_kept)
      buffers_.push_back(fresh);
    return fresh;
  }

  /// To be called when a buffer is filled: the pool forgets a large one, which then belongs to its
  /// receivers alone.
  void let_go_if_large(const shared_buffer& filled) {
    if (filled->capacity() > most_kept_bytes)
      std::erase(buffers_, filled);
  }

private:
  std::vector<shared_buffer> buffers_;
};

} // namespace larql::actors
