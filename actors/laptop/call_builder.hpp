// Encodes one node's part of a layer job.
//
// Memory    A builder keeps its scratch between calls.
// Threads   Plain state; one owner.

#pragma once

#include "actors/laptop/layer_job.hpp"
#include "schema/messages.hpp"

#include <chrono>
#include <span>
#include <vector>

namespace larql::actors {

/// The distinct rows that assignments name, ascending.
void rows_of(std::span<const experts::assignment> assignments, std::vector<std::uint32_t>& rows);

/// What a call says beside its rows.
struct call_terms {
  std::uint64_t id = 0;
  std::chrono::microseconds remaining{0};     ///< how long it is waited for
  bool direct = true;                         ///< from the node's own pages only
  std::span<const std::byte> whole_rows = {}; ///< as in schema::expert_call
  quant::sum_format sums = quant::sum_format::exact;
};

class call_builder {
public:
  /// Puts a whole frame in the place of what `frame` holds: a wire::Call with the given rows of the
  /// job, renumbered from 0.
  /// @pre assignments are sorted by expert and name only `rows`
  void build(const call_terms& terms, const layer_job& job,
             std::span<const experts::assignment> assignments, std::span<const std::uint32_t> rows,
             std::vector<char>& frame);

private:
  void gather(const kernels::activation_view& x, std::span<const std::uint32_t> rows,
              schema::expert_call& call);

  std::vector<std::byte> activations_;
  std::vector<std::byte> scales_;
  std::vector<std::uint32_t> pick_rows_;
  std::vector<std::uint16_t> pick_experts_;
  std::vector<float> pick_weights_;
};

} // namespace larql::actors
