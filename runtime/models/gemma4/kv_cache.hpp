// Keys and values of the positions seen so far. Full layers keep all of them; sliding layers keep a
// ring that is just long enough for the window and one prefill chunk.
//
// Shapes    Per layer and KV head: [slots][head_dim], half precision by default, float by option.
// Memory    Reserved at construction for `max_context` positions, but used (and charged) only as
//           positions are written.
// Owner     One sequence. Threads: one writer; readers between writes.

#pragma once

#include "runtime/base/reserved_memory.hpp"
#include "runtime/base/result.hpp"
#include "runtime/vindex/index_json.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace larql::gemma4 {

enum class kv_format { f16, f32 };

/// A run of consecutive positions of one KV head, contiguous in memory.
struct kv_run {
  std::uint32_t first = 0; ///< position of element 0
  std::uint32_t count = 0;
  const std::byte* keys = nullptr;   ///< [count][head_dim]
  const std::byte* values = nullptr; ///< [count][head_dim]
};

class kv_cache {
public:
  /// `max_chunk` is the most positions ever written between two reads.
  [[nodiscard]] static result<kv_cache> create(const vindex::model_config& model, kv_format format,
                                               std::uint32_t max_context, std::uint32_t max_chunk);

  [[nodiscard]] kv_format format() const noexcept { return format_; }
  [[nodiscard]] std::uint32_t max_context() const noexcept { return max_context_; }
  [[nodiscard]] std::uint32_t max_chunk() const noexcept { return max_chunk_; }

  /// Where the key and value of `head` at `position` are written.
  struct slot {
    std::byte* key;
    std::byte* value;
  };
  /// @pre position < max_context()
  [[nodiscard]] slot at(std::uint32_t layer, std::uint32_t head, std::uint32_t position) noexcept;

  /// The runs that hold positions [first, last] of a head, in ascending order: one, or two where
  /// the ring wraps. @pre the positions are in the cache
  struct runs {
    kv_run part[2];
    int count = 0;
  };
  [[nodiscard]] runs read(std::uint32_t layer, std::uint32_t head, std::uint32_t first,
                          std::uint32_t last) const noexcept;

  /// Bytes reserved, for reports.
  [[nodiscard]] std::uint64_t reserved_bytes() const noexcept { return reserved_bytes_; }

private:
  struct layer_store {
    reserved_memory keys;
    reserved_memory values;
    std::uint32_t slots = 0;
    std::size_t row_bytes = 0; ///< of one head at one position
  };

  std::vector<layer_store> layers_;
  kv_format format_ = kv_format::f16;
  std::uint32_t max_context_ = 0;
  std::uint32_t max_chunk_ = 0;
  std::uint64_t reserved_bytes_ = 0;
};

} // namespace larql::gemma4
