// Memory for keys and values, in blocks of 64 positions of one layer. Sequences and snapshots that
// have a prefix in common share its blocks; a block that several hold is never written.
//
// Owner     A block goes back to its pool when its last holder releases it; blocks keep their pool
//           alive.
// Threads   Any thread may take blocks and let them go.
// Memory    Blocks are cut from slabs of up to 8 MiB. A slab without used blocks is given back to
//           the system; one slab per size of block is kept.

#pragma once

#include "runtime/base/reserved_memory.hpp"
#include "runtime/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace larql::gemma4 {

/// Positions in a block.
inline constexpr std::uint32_t kv_block_positions = 64;

class kv_pool;

class kv_block {
public:
  struct slab;

  kv_block(std::shared_ptr<kv_pool> home, slab& from, std::byte* data, std::size_t bytes) noexcept
      : home_(std::move(home)), from_(from), data_(data), bytes_(bytes) {}
  ~kv_block();
  kv_block(const kv_block&) = delete;
  kv_block& operator=(const kv_block&) = delete;

  [[nodiscard]] std::byte* data() noexcept { return data_; }
  [[nodiscard]] const std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_; }

private:
  std::shared_ptr<kv_pool> home_;
  slab& from_;
  std::byte* data_;
  std::size_t bytes_;
};

using kv_block_ptr = std::shared_ptr<kv_block>;

class kv_pool : public std::enable_shared_from_this<kv_pool> {
public:
  /// `max_bytes` bounds the blocks in use; 0: the machine's memory does. `wipes`: a block is
  /// overwritten when it comes back.
  [[nodiscard]] static std::shared_ptr<kv_pool> create(std::uint64_t max_bytes = 0,
                                                       bool wipes = false);
  ~kv_pool();
  kv_pool(const kv_pool&) = delete;
  kv_pool& operator=(const kv_pool&) = delete;

  /// A block with whatever was in its memory before. Fails with `unavailable` beyond max_bytes, and
  /// with `io` if the system has no address space.
  [[nodiscard]] result<kv_block_ptr> take(std::size_t bytes);

  /// Bytes of all blocks in use.
  [[nodiscard]] std::uint64_t used_bytes() const;

private:
  friend class kv_block; // gives its memory back

  kv_pool(std::uint64_t max_bytes, bool wipes);
  void give_back(kv_block::slab& from, std::byte* data) noexcept;
  [[nodiscard]] result<kv_block::slab*> slab_with_room(std::size_t bytes);

  mutable std::mutex mutex_;
  std::uint64_t max_bytes_;
  bool wipes_;
  std::uint64_t used_bytes_ = 0;
  std::vector<std::unique_ptr<kv_block::slab>> slabs_;
};

} // namespace larql::gemma4
