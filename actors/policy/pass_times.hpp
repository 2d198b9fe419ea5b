// How long passes of so many rows take here, learnt from those that were run, and how many rows a
// pass may have so that it does not take longer than it should.
//
// Numerics  Moving averages by number of rows, with bounds of powers of two. Between two of them
//           times go in a straight line; beyond the largest they grow as the rows do, which
//           overestimates, as weights are read once for all rows.
// Threads   Plain state; one owner.

#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

namespace larql::actors {

class pass_times {
public:
  using duration = std::chrono::nanoseconds;

  /// A pass of `rows` rows took so long. @pre rows != 0
  void add(std::uint32_t rows, duration took);

  /// Nothing if no pass was run yet.
  [[nodiscard]] std::optional<duration> of(std::uint32_t rows) const;

  /// The most rows, up to `most`, of a pass that takes no longer than `limit`; at least 1.
  [[nodiscard]] std::uint32_t rows_within(duration limit, std::uint32_t most) const;

private:
  struct average {
    double rows = 0;
    double ns = 0; ///< 0: none was seen
  };
  std::array<average, 17> seen_; // by the power of two below the number of rows
};

/// What a pass is to serve.
struct pass_load {
  std::uint32_t decoding = 0; ///< answers that want their next token
  std::uint32_t reading = 0;  ///< tokens of prompts that wait to be read
  std::uint32_t clients = 1;  ///< of the decoding answers
  std::uint32_t fewest = 0;   ///< decoding answers of the client that has the fewest
};

/// Rows of the next pass.
///
/// Prompts are read in chunks of `chunk` while nobody decodes. Otherwise a pass may take `factor`
/// times as long as one of the decoding answers alone, so that their tokens come at worst so much
/// slower. Without prompts, a client's many answers slow the others down by no more than that,
/// measured against a pass in which every client has as many answers as the one with the fewest.
[[nodiscard]] std::uint32_t pass_budget(const pass_times& times, const pass_load& load,
                                        double factor, std::uint32_t chunk);

} // namespace larql::actors
