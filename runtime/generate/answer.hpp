// One whole answer of one sequence: reads the prompt, then takes generation steps until the answer
// ends. What `run` and `chat` do; a scheduler of many requests takes the steps itself.
//
// Void      What a node that turned out to be wrong had a part in is read again before the next
//           token is chosen (executor::renew). Tokens that were given before stay as they are.
// Threads   One caller; on_step runs in its thread.
// Errors    A failure of a pass (experts that cannot be reached, no memory) ends the answer; the
//           sequence keeps what was complete, and `stats` tells how far it came.

#pragma once

#include "runtime/generate/executor.hpp"
#include "runtime/generate/generation.hpp"
#include "runtime/generate/speculation_stats.hpp"
#include "runtime/quant/sum_format.hpp"

#include <chrono>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

namespace larql::generate {

struct answer_stats {
  std::size_t prompt_tokens = 0;       ///< read by this call, without those that were cached
  std::chrono::nanoseconds prefill{0}; ///< time of reading the prompt
  std::chrono::nanoseconds to_first_token{0};
  /// Of each further token; tokens of one step share its time.
  std::vector<std::chrono::nanoseconds> token_times;
  std::size_t tokens = 0;     ///< tokens of the answer
  std::size_t read_again = 0; ///< tokens whose keys and values a condemned node had a part in
  speculation_stats speculation;
  gemma4::pass_stats passes;                    ///< what this answer's passes have cost
  std::vector<experts::layer_time> layer_times; ///< of this answer's layers with nodes
  end_reason reason = end_reason::none;
  std::uint32_t predispatch = 0;                     ///< as in executor_options
  quant::sum_format sums = quant::sum_format::exact; ///< of nodes' answers
};

/// What an answer begins with.
struct prompt_input {
  std::span<const std::uint32_t> tokens; ///< to append; not empty
  /// Positions of the whole sequence to be marked once they have been read, ascending.
  std::span<const marked_position> marks = {};
  /// Told the sequence's size now and then while the tokens are read.
  std::function<void(std::uint32_t)> on_read = {};
};

/// Goes back to what the sequence has in common with a whole prompt, and returns the tokens that
/// are to be appended then: at least the last one. @pre prompt is not empty
[[nodiscard]] std::span<const std::uint32_t> reuse(sequence& s,
                                                   std::span<const std::uint32_t> prompt);

/// Appends the prompt to the sequence and answers. `on_step` gets what each step gave.
/// The answer ends with reason `stopped` soon after `stop` is requested, wherever it is; that is no
/// failure. `stats` is valid on failure as well.
[[nodiscard]] result<void>
answer(executor& run, sequence& to, const prompt_input& prompt, generation& g,
       sampling_scratch& scratch,
       const std::function<void(const generation::step_result&)>& on_step,
       const std::stop_token& stop, answer_stats& stats);

} // namespace larql::generate
