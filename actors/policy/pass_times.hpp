// How long passes take here, learnt from those that were run, and how many rows a pass may have so
// that nobody's tokens come much slower because of others. The choice of the tokens is of a pass's
// time: what counts is what a client sees between two of them.
//
// A pass costs what its decoded tokens cost alone, and so much more for each token of a prompt. The
// first is remembered by the number of answers, the second as one number; both follow what is
// measured, as contexts grow and machines become slower.
//
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

  /// A pass of so many decoded tokens and tokens of prompts took so long. @pre not both are 0
  void add(std::uint32_t decoding, std::uint32_t reading, duration took);

  /// Of a pass that decodes for so many answers and does nothing else; nothing if none with about
  /// as many, and no more, was seen.
  [[nodiscard]] std::optional<duration> decoding(std::uint32_t answers) const;

  /// Tokens of prompts that a pass may read beside `answers` decoded tokens to take no longer than
  /// `limit`; nothing if it was never seen what they cost. @pre decoding(answers)
  [[nodiscard]] std::optional<std::uint32_t> reading_within(duration limit,
                                                            std::uint32_t answers) const;

  /// So many passes read beside decoding without a break that what decoding takes alone may have
  /// changed.
  [[nodiscard]] bool is_stale() const noexcept { return beside_in_a_row_ >= fresh_for; }

  /// The most answers, up to `most` and at least `least`, that a pass can decode for within
  /// `limit`, judging by those that were seen; at most half as many again as in any of them.
  [[nodiscard]] std::uint32_t decoding_within(duration limit, std::uint32_t least,
                                              std::uint32_t most) const;

private:
  static constexpr std::size_t counted = 129; // more answers are taken as 128
  static constexpr std::uint32_t fresh_for = 32;

  [[nodiscard]] std::optional<double> estimate_ns(std::size_t answers) const;

  std::array<double, counted> decode_ns_{}; // by answers; 0: not seen
  double read_ns_ = 0;                      // for each token of a prompt; 0: not seen
  bool read_beside_ = false;                // that is of passes that decoded as well
  std::uint32_t beside_in_a_row_ = 0;
};

/// What a pass is to serve.
struct pass_load {
  std::uint32_t decoding = 0; ///< answers that want their next token
  std::uint32_t reading = 0;  ///< tokens of prompts that wait to be read
  std::uint32_t clients = 1;  ///< of the decoding answers
  std::uint32_t fewest = 0;   ///< decoding answers of the client that has the fewest
  /// Weights of the prompts that wait, as the decoding client sees them who has to bear the least:
  /// all of its own, and of each other client the heaviest one.
  double waiting = 0;
};

/// Of a prompt of which so many tokens are to be read: 1, and up to 3 for a short one, which holds
/// others up for a short time only.
[[nodiscard]] double weight_of_prompt(std::size_t tokens) noexcept;

struct pass_budget {
  std::uint32_t rows = 0;
  bool reads = true; ///< false: prompts wait for this pass, which shows what decoding takes alone

  friend bool operator==(const pass_budget&, const pass_budget&) = default;
};

/// Rows of the next pass.
///
/// Prompts are read in chunks of `chunk` while nobody decodes. Otherwise a pass may take `factor`
/// times as long as one of the decoding answers alone: so much more for each prompt that waits,
/// times its weight. Those who decode beside several wait less for them in all, as rows cost less
/// in longer passes. What decoding takes alone is measured again now and then. Without prompts, a
/// client's many answers slow the others down by no more than that, measured against a pass in
/// which every client has as many answers as the one with the fewest.
[[nodiscard]] pass_budget budget_of(const pass_times& times, const pass_load& load, double factor,
                                    std::uint32_t chunk);

} // namespace larql::actors
