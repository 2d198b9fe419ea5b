// How many drafts the next pass is to have: as many as make the most tokens per second, by what
// passes cost here and what drafts are worth, and none if that is none.
//
// Policy    A pass may lose only what was set aside: at most `lent` plain passes at a time, and
//           `share` of what has been given since. So 200 tokens take at most 3 % longer than
//           without drafts, however wrong the estimates are. One pass of `explore_every` is not
//           chosen for its speed but to see what another number of drafts costs and gives.
// Threads   Plain state; one owner.

#pragma once

#include "runtime/speculation/pass_cost.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace larql::speculation {

class controller {
public:
  /// Plain passes that may be lost at a time, of 200: 1.5 %.
  static constexpr double lent = 3;
  /// Of plain passes, what may be lost in the long run: another 1.5 %.
  static constexpr double share = 0.015;
  static constexpr std::uint64_t explore_every = 64;
  /// Plain passes before the first drafts.
  static constexpr std::uint32_t first_plain = 2;
  /// A gain below this is not worth being wrong about it.
  static constexpr double least_gain = 1.02;

  explicit controller(expert_shape shape = {}) : cost_(shape) {}

  [[nodiscard]] pass_cost& cost() noexcept { return cost_; }

  /// Drafts for a pass of `rows` other rows that gives `answers` tokens without drafts. `worth`:
  /// what each draft on offer adds to the expected tokens, falling.
  [[nodiscard]] std::size_t choose(std::span<const float> worth, std::uint32_t rows,
                                   std::uint32_t answers);

  /// Whether drafters that take time are asked for the next pass.
  [[nodiscard]] bool may_ask();

  /// A pass has ended: `rows` without the drafts, `tokens` that it gave, for `answers`.
  struct outcome {
    std::uint32_t rows = 0;
    std::uint32_t drafts = 0;
    std::uint32_t answers = 0;
    std::uint64_t tokens = 0;
    double seconds = 0;
    double drafting = 0; ///< seconds that drafters took before it; 0: none was asked that does
  };
  void add(const outcome& pass);

  /// Passes that may be lost now.
  [[nodiscard]] double credit() const noexcept { return credit_; }

private:
  [[nodiscard]] bool may_lose(std::uint32_t rows, std::size_t drafts, double plain) const;
  [[nodiscard]] std::size_t explore(std::size_t best, std::size_t offered);

  pass_cost cost_;
  double credit_ = lent;
  std::uint64_t passes_ = 0;   ///< with drafts on offer
  std::uint64_t explored_ = 0; ///< the last one
  bool longer_ = true;         ///< what is explored next: more drafts, or none
  double asking_gains_ = 1;    ///< plain passes that asking slow drafters has gained lately
  std::uint64_t asked_ = 0;    ///< passes since they were asked
};

} // namespace larql::speculation
