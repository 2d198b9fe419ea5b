#include "runtime/experts/predispatch.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>

namespace larql::experts {

void predispatch::begin(std::uint32_t layers, std::uint32_t hidden) {
  cancel();
  hidden_ = hidden;
  round_ = 0;
  layers_.resize(layers);
  for (auto& l : layers_) {
    l.numbers.clear();
    l.assignments.clear();
  }
  stats_ = {};
}

void predispatch::exchange(const expert_batch& batch, std::span<float> answer) {
  auto& l = layers_[batch.layer];
  LARQL_CHECK(!under_way_ && answer.size() == batch.x.size());
  if (l.numbers.empty()) {
    LARQL_CHECK(round_ == 0);
    std::fill(answer.begin(), answer.end(), 0.0f);
  } else {
    LARQL_CHECK(l.numbers.size() == answer.size());
    std::copy(l.numbers.begin(), l.numbers.end(), answer.begin());
  }
  if (batch.layer < round_)
    return;
  l.numbers.assign(batch.x.begin(), batch.x.end());
  l.assignments.assign(batch.assignments.begin(), batch.assignments.end());
}

// Layers that this round has not reached hold answers, the others rows that go to experts.
void predispatch::remove_rows(std::size_t first, std::size_t count) {
  LARQL_CHECK(!under_way_);
  for (auto& l : layers_) {
    if (l.numbers.empty())
      continue;
    const auto from = l.numbers.begin() + static_cast<std::ptrdiff_t>(first * hidden_);
    l.numbers.erase(from, from + static_cast<std::ptrdiff_t>(count * hidden_));
    std::erase_if(l.assignments,
                  [&](const assignment& a) { return a.row >= first && a.row < first + count; });
    for (auto& a : l.assignments)
      if (a.row >= first)
        a.row -= static_cast<std::uint32_t>(count);
  }
}

// ---- a dispatch ---------------------------------------------------------------------------------

result<void> predispatch::dispatch(expert_port& port) {
  LARQL_CHECK(!under_way_ && round_ < layers_.size());
  stats_ = {};
  next_ = started_ = round_;
  under_way_ = true;
  return start_more(port);
}

result<void> predispatch::start_more(expert_port& port) {
  const auto bytes = layers_[next_].numbers.size() * sizeof(float);
  const auto most = std::clamp<std::size_t>(most_bytes / bytes, 1, most_under_way);
  for (; started_ < layers_.size() && started_ - next_ < most; ++started_) {
    auto& l = layers_[started_];
    auto ticket = port.start({static_cast<std::uint32_t>(started_),
                              static_cast<std::uint32_t>(l.numbers.size() / hidden_), hidden_,
                              l.numbers, l.assignments});
    if (!ticket) {
      cancel();
      return std::move(ticket).error();
    }
    l.ticket = *std::move(ticket);
  }
  return {};
}

result<void> predispatch::collect(expert_port& port, const kernels::kernel_set& k,
                                  const std::stop_token& stop) {
  LARQL_CHECK(under_way_);
  if (auto taken = take_answer(layers_[next_], k, stop); !taken) {
    cancel();
    return taken;
  }
  if (++next_ != layers_.size())
    return start_more(port);
  under_way_ = false;
  ++round_;
  return {};
}

// The port has rows of its own, so the answer may take their place.
result<void> predispatch::take_answer(layer& l, const kernels::kernel_set& k,
                                      const std::stop_token& stop) {
  sums_.assign(l.numbers.size(), 0);
  auto done = l.ticket->wait(sums_, stop);
  stats_.add(l.ticket->stats());
  l.ticket.drop();
  if (done)
    k.fixed_to_float(sums_.data(), sums_.size(), l.numbers.data());
  return done;
}

void predispatch::cancel() noexcept {
  for (auto& l : layers_)
    l.ticket.drop();
  under_way_ = false;
}

} // namespace larql::experts
