#include "cli/laptop/bench_speculation.hpp"

#include "cli/laptop/session_answer.hpp"
#include "runtime/generate/random.hpp"
#include "runtime/speculation/script_drafter.hpp"

#include <algorithm>

namespace larql::cli {

namespace {

std::vector<std::uint32_t> script_of(std::size_t tokens, std::uint32_t vocab) {
  auto out = std::vector<std::uint32_t>(tokens);
  for (auto i = std::size_t{0}; i < tokens; ++i)
    out[i] = static_cast<std::uint32_t>(generate::random_bits(7, i) % vocab);
  return out;
}

/// Tokens of one answer, if the context has room for them.
constexpr std::size_t most_tokens = 4096;

// One answer, or as much of it as is wanted.
result<void> measure(const actors::session_client& client, const std::vector<std::uint32_t>& text,
                     std::size_t prompt, const std::stop_token& stop, bench_speculation& to) {
  auto options = generate::generation_options{};
  options.script.assign(text.begin() + static_cast<std::ptrdiff_t>(prompt), text.end());
  options.max_tokens = options.script.size();
  auto request = actors::session_request{};
  request.tokens.assign(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(prompt));
  request.answers.emplace_back(std::move(options));
  auto enough = std::stop_source{};
  const auto on_stop = std::stop_callback{stop, [&] { enough.request_stop(); }};
  auto steps = to.passes;
  const auto listener =
      answer_listener{[&](const generate::generation::step_result&) {
                        if (steps++ == least_speculated_passes) // the first step is of the prompt
                          enough.request_stop();
                      },
                      [](const actors::prompt_progress&) {}};
  const auto outcome = ask(client, std::move(request), listener, enough.get_token());
  LARQL_TRY_VOID(outcome.done());
  if (stop.stop_requested())
    return fail(errc::cancelled, "stopped");
  const auto& stats = outcome.end.stats;
  to.passes += stats.speculation.steps;
  to.tokens += stats.token_times.size();
  to.drafted += stats.speculation.drafted;
  to.accepted += stats.speculation.accepted;
  for (const auto t : stats.token_times)
    to.seconds += std::chrono::duration<double>(t).count();
  return {};
}

} // namespace

result<bench_speculation> bench_answers(local_runtime& e, const speculation_flags& flags,
                                        double acceptance, std::uint32_t depth,
                                        const std::stop_token& stop) {
  e.set_context();
  const auto vocab = e.model().config.vocab;
  const auto prompt = std::size_t{depth} + 1;
  const auto context = std::size_t{e.context().tokens};
  if (context < prompt + 2 * generate::draft_tree::max_rows)
    return fail(errc::usage, "--depth {} leaves no room for answers in the context of {}", depth,
                e.context().text());
  const auto text = script_of(prompt + std::min(most_tokens, context - prompt), vocab);
  auto limits = actors::session_options{};
  limits.limits.cache_bytes = 0; // each answer reads its prompt
  limits.speculation = speculation_of(flags, e.model().config);
  limits.speculation.sources = {
      std::make_shared<speculation::script_source>(text, vocab, acceptance)};
  LARQL_TRY(const auto service, e.start_sessions(std::move(limits)));
  auto out = bench_speculation{};
  out.acceptance = acceptance;
  while (out.passes < least_speculated_passes)
    LARQL_TRY_VOID(measure(service->client(), text, prompt, stop, out));
  return out;
}

} // namespace larql::cli
