// What a turn of a conversation took, wherever it was computed, and the line that says it.
//
// Threads   Plain values.

#pragma once

#include "runtime/generate/answer.hpp"
#include "runtime/quant/sum_format.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace larql::cli {

struct draft_numbers {
  std::uint64_t tried = 0;
  std::uint64_t accepted = 0;
};

struct turn_numbers {
  std::size_t prompt_tokens = 0; ///< of the whole conversation up to the answer
  std::size_t read_tokens = 0;   ///< of these, those that were not in the cache
  double read_seconds = 0;
  std::size_t tokens = 0;
  double tokens_per_second = 0;  ///< of those behind the first; 0: there are none
  std::uint32_t nodes = 0;       ///< that are there; 0: all experts are on one machine
  std::uint64_t round_trips = 0; ///< layers whose experts were asked for, or dispatches of all
  std::uint32_t predispatch = 0; ///< of a pass, if answers are approximate
  quant::sum_format sums = quant::sum_format::exact; ///< of nodes' answers; else approximate
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
  std::optional<draft_numbers> drafts; ///< if any were tried
};

[[nodiscard]] turn_numbers numbers_of(const generate::answer_stats& s, std::size_t prompt_tokens,
                                      std::uint32_t nodes);

/// "12 tokens, 9.4 tokens/s, 2 nodes, 360 round trips, 1.2 MB sent, 0.8 MB received"
[[nodiscard]] std::string timing_text(const turn_numbers& n);

/// Why an answer was cut and how it goes on; empty if it has ended by itself.
[[nodiscard]] std::string cut_text(generate::end_reason reason, std::size_t tokens,
                                   std::size_t context);

} // namespace larql::cli
