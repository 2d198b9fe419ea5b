// Which turns of a conversation are left out when it has grown too long for the context.
//
// Rule      An answer wants a quarter of the context, or as many tokens as it may have if these are
//           fewer. When the prompt leaves less, the oldest turns are left out, a question and its
//           answer at a time, until half of the context is free: so it does not happen at every
//           turn. The system message and the last question stay; where they do not fit by
//           themselves, nothing is left out.
// Threads   Pure functions.

#pragma once

#include <cstddef>
#include <vector>

namespace larql::cli {

/// Tokens of a prompt, by its parts.
struct prompt_size {
  std::size_t total = 0;
  std::size_t context = 0;
  std::size_t system = 0; ///< the beginning that always stays
  /// Where each message behind it ends, ascending, from the beginning of the prompt; questions and
  /// answers take turns.
  std::vector<std::size_t> message_ends;
};

/// Turns to leave out, at most `removable`.
[[nodiscard]] std::size_t turns_to_leave_out(const prompt_size& size, std::size_t max_answer,
                                             std::size_t removable);

} // namespace larql::cli
