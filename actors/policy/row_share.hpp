// Who gets the rows of a pass.
//
// Policy    Prompts get at least a quarter of the rows, and whatever decoding leaves. Among those
//           that decode, the client that has had the fewest rows comes first, and of its answers
//           the one with the fewest tokens; so clients get equal numbers of tokens, however many
//           answers each has, unless one cannot use its part. Prompts are read one after the other
//           in the order in which they came, as that answers most of them soonest; but a client
//           that has had `prompt_lead` rows more than another one that waits lets it go first.
// Threads   Pure functions.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace larql::actors {

/// What one answer could use.
struct row_demand {
  std::uint32_t client = 0; ///< index of its client
  std::uint32_t rows = 1;
  bool is_prompt = false;  ///< tokens of a prompt, or one token that was chosen
  std::uint64_t order = 0; ///< prompts: when it came; answers: its tokens so far
};

/// What a client has had: rows of answers and of prompts.
struct rows_had {
  std::uint64_t decoded = 0;
  std::uint64_t read = 0;
};

/// Rows by which a client's prompts may run ahead of another client's.
inline constexpr std::uint64_t prompt_lead = 1024;

/// Rows for each demand, together at most `budget`. `had` is by client.
[[nodiscard]] std::vector<std::uint32_t> share_rows(std::span<const row_demand> demands,
                                                    std::span<const rows_had> had,
                                                    std::uint32_t budget);

/// What a client counts as having had when it comes, or comes back: no less than those that are
/// there, so that nobody has to wait until it has caught up.
[[nodiscard]] rows_had rows_on_arrival(rows_had before, std::span<const rows_had> others);

} // namespace larql::actors
