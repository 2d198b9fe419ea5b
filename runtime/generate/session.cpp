#include "runtime/generate/session.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>

namespace larql::generate {

session::session(const gemma4::model& model, kernels::compute compute,
                 experts::expert_port& experts, gemma4::kv_cache cache)
    : model_(model), cache_(std::move(cache)), forward_(model, compute, experts) {}

result<std::unique_ptr<session>> session::create(const gemma4::model& model,
                                                 kernels::compute compute,
                                                 experts::expert_port& experts,
                                                 const session_options& options) {
  if (options.chunk == 0 || options.chunk > 1u << 16)
    return fail(errc::usage, "prefill chunk is {}, expected 1 to 65536", options.chunk);
  if (options.max_context == 0 || options.max_context > 1u << 24)
    return fail(errc::usage, "context is {}, expected 1 to 16777216", options.max_context);
  LARQL_TRY(auto cache,
            gemma4::kv_cache::create(model.config, options.kv, options.max_context, options.chunk));
  return std::unique_ptr<session>{new session{model, compute, experts, std::move(cache)}};
}

result<void> session::check(std::span<const std::uint32_t> tokens) const {
  for (const auto t : tokens)
    if (t >= model_.config.vocab)
      return fail(errc::usage, "token id {} is outside the vocabulary of {}", t,
                  model_.config.vocab);
  if (tokens.size() > cache_.max_context() - tokens_.size())
    return fail(errc::usage, "{} tokens after {} do not fit the context of {}", tokens.size(),
                tokens_.size(), cache_.max_context());
  return {};
}

result<void> session::append(std::span<const std::uint32_t> tokens) {
  return append(tokens, {});
}

result<void> session::append(std::span<const std::uint32_t> tokens,
                             const std::function<void(std::span<const float>)>& take) {
  LARQL_TRY_VOID(check(tokens));
  while (!tokens.empty()) {
    const auto chunk = tokens.first(std::min<std::size_t>(tokens.size(), cache_.max_chunk()));
    const auto first = static_cast<std::uint32_t>(tokens_.size());
    const auto end = first + static_cast<std::uint32_t>(chunk.size());
    written_ = std::max(written_, end);
    LARQL_TRY_VOID(forward_.run(chunk, first, cache_, cancelled));
    tokens_.insert(tokens_.end(), chunk.begin(), chunk.end());
    const auto last = forward_.hidden_row(end - first - 1);
    last_row_.assign(last.begin(), last.end());
    if (take)
      for (auto r = 0u; r < end - first; ++r) {
        LARQL_TRY(const auto row, forward_.logits(r, r + 1));
        take(row);
      }
    tokens = tokens.subspan(chunk.size());
  }
  return {};
}

result<std::span<const float>> session::last_logits() {
  LARQL_CHECK(!last_row_.empty());
  return forward_.logits_of(last_row_);
}

std::uint32_t session::truncate(std::uint32_t count) {
  count = std::min(count, static_cast<std::uint32_t>(tokens_.size()));
  if (count == tokens_.size() && count > 0)
    return count; // nothing is forgotten, so the last logits stay as well
  // A ring holds window + chunk - 1 positions. Before it wraps it has everything; afterwards it
  // reaches back one chunk behind the window.
  const auto& c = model_.config;
  const auto has_ring = std::find(c.sliding.begin(), c.sliding.end(), true) != c.sliding.end();
  const auto wrapped = written_ > std::uint64_t{c.window} + cache_.max_chunk() - 1;
  if (has_ring && wrapped && written_ - count > cache_.max_chunk())
    count = 0;
  tokens_.resize(count);
  if (count == 0)
    written_ = 0;
  last_row_.clear();
  return count;
}

} // namespace larql::generate
