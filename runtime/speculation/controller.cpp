#include "runtime/speculation/controller.hpp"

#include <algorithm>

namespace larql::speculation {

namespace {

/// Drafts that are tried where none seem to be worth it.
constexpr std::size_t probe = 3;
/// A pass that takes so much longer than expected does so for another reason: a stall of the link.
constexpr double stall = 1.5;
/// Of the gain that slow drafters had in one pass.
constexpr double weight_of_last = 0.2;

} // namespace

// If none of the drafts is right.
bool controller::may_lose(std::uint32_t rows, std::size_t drafts, double plain) const {
  const auto at_worst = *cost_.at_most(rows + static_cast<std::uint32_t>(drafts));
  return (at_worst - plain) / plain <= credit_;
}

// What they cost is gone when it is known what they give: it is judged by the last times.
bool controller::may_ask() {
  if ((asking_gains_ >= 0 && credit_ > 0) || ++asked_ >= explore_every) {
    asked_ = 0;
    return true;
  }
  return false;
}

std::size_t controller::explore(std::size_t best, std::size_t offered) {
  if (passes_ - explored_ < explore_every)
    return best;
  explored_ = passes_;
  if (best == 0)
    return std::min(probe, offered);
  longer_ = !longer_;
  return longer_ ? std::min(2 * best, offered) : 0;
}

std::size_t controller::choose(std::span<const float> worth, std::uint32_t rows,
                               std::uint32_t answers) {
  if (worth.empty() || cost_.seen(rows) < first_plain)
    return 0; // a plain pass shows what it takes
  ++passes_;
  const auto plain = *cost_.seconds(rows);
  auto best = std::size_t{0};
  auto most = answers / plain * least_gain; // tokens per second
  auto tokens = static_cast<double>(answers);
  for (auto n = std::size_t{1}; n <= worth.size(); ++n) {
    tokens += worth[n - 1];
    const auto count = static_cast<std::uint32_t>(n);
    const auto speed = tokens / *cost_.seconds(rows + count);
    if (speed > most && may_lose(rows, n, plain)) {
      best = n;
      most = speed;
    }
  }
  const auto n = explore(best, worth.size());
  return n != 0 && !may_lose(rows, n, plain) ? best : n;
}

void controller::add(const outcome& pass) {
  const auto expected = cost_.seen(pass.rows + pass.drafts) >= first_plain
                            ? cost_.seconds(pass.rows + pass.drafts)
                            : std::nullopt;
  cost_.add(pass.rows + pass.drafts, pass.seconds);
  const auto plain = cost_.seconds(pass.rows);
  if (pass.answers == 0 || !plain)
    return;
  const auto passes = static_cast<double>(pass.tokens) / pass.answers; // as many plain ones
  auto gained = -pass.drafting / *plain;
  if (pass.drafts != 0)
    gained +=
        passes - (expected ? std::min(pass.seconds, stall * *expected) : pass.seconds) / *plain;
  if (pass.drafting != 0)
    asking_gains_ += weight_of_last * (gained - asking_gains_);
  credit_ = std::min(lent, credit_ + gained + share * passes);
}

} // namespace larql::speculation
