#include "cli/laptop/report.hpp"

#include "cli/support/output.hpp"
#include "runtime/base/format_bytes.hpp"
#include "runtime/base/quantile.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <numeric>
#include <span>

namespace larql::cli {

namespace {

double seconds(std::chrono::nanoseconds t) {
  return std::chrono::duration<double>(t).count();
}

const char* text_of(generate::end_reason reason) {
  switch (reason) {
  case generate::end_reason::stop_token: return "the model ended its answer";
  case generate::end_reason::max_tokens: return "--max-tokens reached";
  case generate::end_reason::context_full: return "the context is full";
  case generate::end_reason::stopped: return "stopped";
  case generate::end_reason::stop_text: return "a stop text came";
  case generate::end_reason::none: break;
  }
  return "ended early";
}

} // namespace

float quantile(std::vector<float> numbers, double share) {
  return larql::quantile(std::span{numbers}, share);
}

double tokens_per_second(const generate::answer_stats& s) {
  const auto time =
      std::accumulate(s.token_times.begin(), s.token_times.end(), std::chrono::nanoseconds{0});
  return time.count() == 0 ? 0.0 : static_cast<double>(s.token_times.size()) / seconds(time);
}

void print_report(const generate::answer_stats& s) {
  report_line("\n{} tokens, {:.1f} tokens/s ({})", s.tokens, tokens_per_second(s),
              text_of(s.reason));
  report_line("time to first token: {:.0f} ms (prompt: {} tokens, {:.1f} tokens/s)",
              seconds(s.to_first_token) * 1e3, s.prompt_tokens,
              s.prefill.count() == 0 ? 0.0
                                     : static_cast<double>(s.prompt_tokens) / seconds(s.prefill));
  if (s.read_again != 0)
    report_line("read again after a node was found wrong: {} tokens", s.read_again);
  const auto& calls = s.passes.calls;
  if (calls.calls == 0)
    return;
  auto round_trips = std::vector<float>{}, network = std::vector<float>{};
  for (const auto& t : s.layer_times) {
    round_trips.push_back(t.round_trip_us);
    network.push_back(t.round_trip_us - t.compute_us);
  }
  report_line(
      "per-layer round trip: p50 {:.0f} us, p99 {:.0f} us; of that outside the kernels: p50 "
      "{:.0f} us",
      quantile(round_trips, 0.5), quantile(round_trips, 0.99), quantile(network, 0.5));
  report_line("experts: {} layers in {} calls; bytes sent: {}, received: {}", s.passes.layers,
              calls.calls, format_bytes(calls.bytes_sent), format_bytes(calls.bytes_received));
  if (calls.retries + calls.hedges != 0)
    report_line("calls made again: {}, hedged: {}", calls.retries, calls.hedges);
}

} // namespace larql::cli
