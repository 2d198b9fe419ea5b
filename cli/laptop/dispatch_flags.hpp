// --moe-dispatch and --moe-predispatch-iters of the commands that run a model, and what is said of
// approximate answers.

#pragma once

#include "cli/support/command_parser.hpp"
#include "runtime/base/result.hpp"
#include "runtime/quant/sum_format.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace larql::cli {

struct dispatch_flags {
  std::string mode = "streaming"; ///< or batch: approximate
  std::optional<std::uint32_t> iterations;

  [[nodiscard]] bool is_approximate() const noexcept { return mode == "batch"; }
};

void add_dispatch_options(command_parser& command, dispatch_flags& flags);

/// Fails with `usage` if they contradict each other.
[[nodiscard]] result<void> check(const dispatch_flags& flags);

/// Dispatches of a pass (experts/predispatch.hpp); 0: layer after layer. More than layers would
/// change nothing.
[[nodiscard]] std::uint32_t predispatch_of(const dispatch_flags& flags, std::uint32_t layers);

/// What a user must know of sums that nodes round ([wire] sums). @pre not exact
[[nodiscard]] std::string rounding_notice(quant::sum_format sums);

/// What a user must know of an approximate mode. @pre dispatches is not 0
[[nodiscard]] std::string dispatch_notice(std::uint32_t dispatches, std::uint32_t layers);

} // namespace larql::cli
