#include "runtime/generate/answer.hpp"

#include <algorithm>

namespace larql::generate {

namespace {

using clock = std::chrono::steady_clock;

// A pass that was stopped ends the answer, not the call.
result<void> unless_stopped(result<void> done, generation& g) {
  if (!done && done.error().code == errc::cancelled) {
    g.stop();
    return {};
  }
  return done;
}

result<void> renew(executor& run, sequence& to, const std::stop_token& stop, answer_stats& stats) {
  LARQL_TRY(const auto again, run.renew(to, stop));
  stats.read_again += again;
  return {};
}

// Appends the prompt up to each mark. What is marked is not void.
result<void> read(executor& run, sequence& to, const prompt_input& prompt,
                  const std::stop_token& stop, answer_stats& stats) {
  auto left = prompt.tokens;
  LARQL_TRY_VOID(renew(run, to, stop, stats));
  for (const auto& mark : prompt.marks) {
    if (mark.position > to.size() && mark.position - to.size() <= left.size()) {
      const auto part = left.first(mark.position - to.size());
      left = left.subspan(part.size());
      LARQL_TRY_VOID(run.append(to, part, stop, prompt.on_read));
      LARQL_TRY_VOID(renew(run, to, stop, stats));
    }
    if (mark.position <= to.size())
      to.mark(mark.kind, mark.position);
  }
  return run.append(to, left, stop, prompt.on_read);
}

result<void> decode(executor& run, sequence& to, generation& g, sampling_scratch& scratch,
                    const std::function<void(const generation::step_result&)>& on_step,
                    const std::stop_token& stop, clock::time_point begin, answer_stats& stats) {
  auto last = begin;
  while (!g.ended()) {
    LARQL_TRY_VOID(unless_stopped(renew(run, to, stop, stats), g));
    if (g.ended())
      break;
    LARQL_TRY(const auto logits, run.last_logits(to));
    const auto given = g.step(logits, {}, scratch);
    const auto now = clock::now();
    if (!given.tokens.empty()) {
      if (stats.tokens == 0)
        stats.to_first_token = now - begin;
      else
        stats.token_times.push_back(now - last);
      last = now;
      stats.tokens += given.tokens.size();
      on_step(given);
    }
    if (stop.stop_requested())
      g.stop();
    if (!g.ended())
      LARQL_TRY_VOID(unless_stopped(run.append(to, given.tokens, stop), g));
  }
  return {};
}

} // namespace

std::span<const std::uint32_t> reuse(sequence& s, std::span<const std::uint32_t> prompt) {
  const auto have = s.tokens();
  const auto common = static_cast<std::size_t>(
      std::mismatch(prompt.begin(), prompt.end(), have.begin(), have.end()).first - prompt.begin());
  const auto keep = std::min(common, prompt.size() - 1);
  return prompt.subspan(s.truncate(static_cast<std::uint32_t>(keep)));
}

result<void> answer(executor& run, sequence& to, const prompt_input& prompt, generation& g,
                    sampling_scratch& scratch,
                    const std::function<void(const generation::step_result&)>& on_step,
                    const std::stop_token& stop, answer_stats& stats) {
  const auto begin = clock::now();
  const auto before = run.stats();
  const auto layers_before = run.layer_times().added();
  stats = {};
  stats.prompt_tokens = prompt.tokens.size();
  if (prompt.tokens.empty())
    return fail(errc::usage, "the prompt is empty");
  auto done = unless_stopped(read(run, to, prompt, stop, stats), g);
  if (done && !g.ended()) {
    stats.prefill = clock::now() - begin;
    g.set_room(to.max_context() - to.size() + 1);
    done = decode(run, to, g, scratch, on_step, stop, begin, stats);
  }
  stats.reason = g.reason();
  stats.predispatch = run.options().predispatch;
  stats.passes = run.stats().since(before);
  stats.layer_times = run.layer_times().since(layers_before);
  return done;
}

} // namespace larql::generate
