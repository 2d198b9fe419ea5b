#include "runtime/generate/joint_decoder.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>

namespace larql::generate {

joint_decoder::joint_decoder(const gemma4::model& model, kernels::compute compute,
                             experts::expert_port& experts)
    : forward_(model, compute, experts) {}

result<void> joint_decoder::append(std::span<session* const> sessions,
                                   std::span<const std::uint32_t> tokens) {
  LARQL_CHECK(!sessions.empty() && sessions.size() == tokens.size());
  parts_.clear();
  for (auto i = std::size_t{0}; i < sessions.size(); ++i) {
    auto& s = *sessions[i];
    LARQL_TRY_VOID(s.check(tokens.subspan(i, 1)));
    parts_.push_back(
        {tokens.subspan(i, 1), static_cast<std::uint32_t>(s.tokens_.size()), &s.cache_});
  }
  for (auto i = std::size_t{0}; i < sessions.size(); ++i)
    sessions[i]->written_ = std::max(sessions[i]->written_, parts_[i].first + 1);
  LARQL_TRY_VOID(forward_.run(parts_, cancelled));
  for (auto i = std::size_t{0}; i < sessions.size(); ++i) {
    auto& s = *sessions[i];
    s.tokens_.push_back(tokens[i]);
    const auto row = forward_.hidden_row(static_cast<std::uint32_t>(i));
    s.last_row_.assign(row.begin(), row.end());
  }
  return {};
}

result<std::span<const float>> joint_decoder::logits() {
  return forward_.logits(0, static_cast<std::uint32_t>(parts_.size()));
}

} // namespace larql::generate
