#include "cli/laptop/dispatch_flags.hpp"

#include "cli/support/number_check.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace larql::cli {

namespace {

constexpr auto usual_iterations = 1u;

} // namespace

void add_dispatch_options(command_parser& command, dispatch_flags& flags) {
  command
      .add_option("--moe-dispatch", flags.mode,
                  "How experts are asked: layer after layer, or those of all layers at once "
                  "(approximate answers for fewer round trips)")
      .one_of({"streaming", "batch"})
      .show_default()
      .group("Computing");
  command
      .add_option("--moe-predispatch-iters", flags.iterations,
                  "How often batch asks for each token, each a round trip (default: 1); as often "
                  "as there are layers is exact")
      .check(whole_number(1, 1024))
      .group("Computing");
}

result<void> check(const dispatch_flags& flags) {
  if (flags.iterations && !flags.is_approximate())
    return fail(errc::usage, "--moe-predispatch-iters needs --moe-dispatch batch");
  return {};
}

std::uint32_t predispatch_of(const dispatch_flags& flags, std::uint32_t layers) {
  return flags.is_approximate() ? std::min(flags.iterations.value_or(usual_iterations), layers) : 0;
}

std::string rounding_notice(quant::sum_format sums) {
  return fmt::format(
      "[wire] sums = \"{}\": answers are approximate; nodes round what they send, and "
      "nothing is stored for later prompts",
      name_of(sums));
}

std::string dispatch_notice(std::uint32_t dispatches, std::uint32_t layers) {
  const auto per_token =
      fmt::format("{} round trip{} per token", dispatches, dispatches == 1 ? "" : "s");
  if (dispatches == layers)
    return fmt::format("--moe-dispatch batch: {}, one for each layer; answers are exact, but "
                       "streaming computes less",
                       per_token);
  return fmt::format("--moe-dispatch batch: answers are approximate; {} instead of {}, no tokens "
                     "are guessed, and nothing is kept for later prompts",
                     per_token, layers);
}

} // namespace larql::cli
