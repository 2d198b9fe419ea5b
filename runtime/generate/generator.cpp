#include "runtime/generate/generator.hpp"

#include <algorithm>

namespace larql::generate {

result<void> generate(session& s, std::span<const std::uint32_t> prompt, sampler& choose,
                      const generation_limits& limits,
                      const std::function<bool(std::uint32_t)>& on_token, generation_stats& stats) {
  using clock = std::chrono::steady_clock;
  const auto begin = clock::now();
  stats = {};
  stats.prompt_tokens = prompt.size();
  if (prompt.empty())
    return fail(errc::usage, "the prompt is empty");
  LARQL_TRY_VOID(s.append(prompt));
  stats.prefill = clock::now() - begin;
  auto last = begin;
  while (stats.tokens < limits.max_tokens) {
    LARQL_TRY(const auto logits, s.last_logits());
    const auto token = choose.choose(logits);
    const auto now = clock::now();
    if (stats.tokens == 0)
      stats.to_first_token = now - begin;
    else
      stats.token_times.push_back(now - last);
    last = now;
    const auto& stops = limits.stop_tokens;
    if (std::find(stops.begin(), stops.end(), token) != stops.end()) {
      stats.reason = stop_reason::stop_token;
      return {};
    }
    ++stats.tokens;
    if (!on_token(token)) {
      stats.reason = stop_reason::caller;
      return {};
    }
    if (stats.tokens == limits.max_tokens)
      break;
    if (s.tokens().size() == s.max_context()) {
      stats.reason = stop_reason::context_full;
      return {};
    }
    LARQL_TRY_VOID(s.append({&token, 1}));
  }
  stats.reason = stop_reason::max_tokens;
  return {};
}

} // namespace larql::generate
