// Which bytes of a source's files a role computes with, and what can be computed with the bytes
// that are there: for sources of which only a part is fetched. Pure.

#pragma once

#include "runtime/base/interval_set.hpp"
#include "runtime/import/extract_plan.hpp"
#include "runtime/vindex/presence.hpp"

#include <span>
#include <vector>

namespace larql::import {

/// What a process computes with.
struct source_needs {
  bool dense = true; ///< attention, dense feed-forward, embeddings, head
  bool texts = true; ///< tokenizer and what belongs to it: the source was opened with its texts
  std::vector<vindex::expert_block> experts;
};

/// Of each of `parts` files, what is needed besides its head: the vectors in any case, matrices as
/// `needs` says. `plan` is a lossless one.
[[nodiscard]] std::vector<interval_set> needed_bytes(const extract_plan& plan, std::size_t parts,
                                                     const source_needs& needs);

struct available_numbers {
  bool dense = false; ///< all matrices that are not experts'
  std::vector<vindex::expert_block> experts;
};

/// What is made of held bytes alone. `held` has an entry for each file of the source.
[[nodiscard]] available_numbers available_in(const extract_plan& plan,
                                             std::span<const interval_set> held);

} // namespace larql::import
