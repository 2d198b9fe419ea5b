// Which way a layer's rows take: to the owners directly, or through a relay that asks them.
//
// What a way takes depends on links, bytes and nodes in ways that nobody can look up, so it is
// measured: for batches of about the same size the time of each way is remembered as a moving
// average, and the fastest is taken. At first the way with the fewest bytes is tried, then the
// others; later one batch in `explored_one_in` of a size takes another way than the best, so that
// a change is noticed.
//
// Numerics  The same calls give the same choices.
// Units     Microseconds.
// Threads   Plain state; one owner.

#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <span>

namespace larql::actors {

/// A way that a batch could take.
struct way_offer {
  std::uint64_t id = 0;    ///< of the relay; 0: directly
  std::uint64_t bytes = 0; ///< that would travel
};

/// What was chosen, for taken().
struct way {
  std::uint64_t id = 0;
  std::uint32_t size = 0; ///< class of the batch
};

class way_choice {
public:
  static constexpr std::uint32_t enough = 4; ///< measurements before a way is judged
  static constexpr std::uint32_t explored_one_in = 64;

  /// @pre offers are not empty; the first is the direct way
  [[nodiscard]] way choose(std::span<const way_offer> offers);

  /// A batch took this way, without trouble.
  void taken(const way& w, std::chrono::nanoseconds time);
  /// What it takes; 0: not measured.
  [[nodiscard]] float expected_us(const way& w) const;
  /// A relay that does not come back.
  void forget(std::uint64_t id);

private:
  static constexpr std::size_t sizes = 32;

  struct times {
    float mean_us = 0;
    std::uint32_t count = 0;
  };
  struct size_class {
    std::map<std::uint64_t, times> ways;
    std::uint32_t chosen = 0;
  };

  std::array<size_class, sizes> classes_; // by the binary logarithm of the direct way's bytes
};

} // namespace larql::actors
