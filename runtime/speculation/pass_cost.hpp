// How long a pass of so many rows takes here, learnt from those that were run.
//
// On the way to nodes a row costs its bytes, and a pass a round trip for each layer; where experts
// are computed, a row costs the experts that no other row of the pass uses. So time grows with rows
// as a curve does that is known but for its height and slope: the part of computing as the number
// of distinct experts, the rest in a straight line.
//
// Threads   Plain state; one owner.

#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace larql::speculation {

struct expert_shape {
  std::uint32_t experts = 128; ///< of a layer
  std::uint32_t top_k = 8;
};

class pass_cost {
public:
  explicit pass_cost(expert_shape shape = {}) : shape_(shape) {}

  /// What of a pass of one row is computing experts, from 0 to 1.
  void set_compute_share(double share) noexcept;
  /// A pass of this many rows took so long. @pre rows are not 0
  void add(std::uint32_t rows, double seconds);

  /// Nothing, if no pass was seen.
  [[nodiscard]] std::optional<double> seconds(std::uint32_t rows) const;
  /// The same at worst: behind what was seen time grows as fast as rows do.
  [[nodiscard]] std::optional<double> at_most(std::uint32_t rows) const;
  /// Passes of exactly this many rows that were seen lately.
  [[nodiscard]] std::uint32_t seen(std::uint32_t rows) const;

private:
  struct entry {
    double seconds = 0;
    std::uint32_t times = 0;
    std::uint64_t last = 0; // when
  };
  using entries = std::map<std::uint32_t, entry>;

  [[nodiscard]] double curve(std::uint32_t rows) const;
  [[nodiscard]] bool is_fresh(const entry& e) const noexcept;
  [[nodiscard]] entries::const_iterator known_from(std::uint32_t rows) const;
  [[nodiscard]] entries::const_iterator known_before(entries::const_iterator at) const;

  expert_shape shape_;
  double compute_share_ = 0;
  entries entries_; // by rows
  std::uint64_t passes_ = 0;
};

} // namespace larql::speculation
