#include "cli/laptop/report.hpp"

#include "cli/support/output.hpp"
#include "runtime/base/format_bytes.hpp"
#include "runtime/base/quantile.hpp"

#include <fmt/format.h>
#include <numeric>
#include <span>

namespace larql::cli {

namespace {

double seconds(std::chrono::nanoseconds t) {
  return std::chrono::duration<double>(t).count();
}

// "402 us", "23 ms", "24.0 s"
std::string time_text(std::chrono::nanoseconds t) {
  const auto us = seconds(t) * 1e6;
  return us < 1e3   ? fmt::format("{:.0f} us", us)
         : us < 1e6 ? fmt::format("{:.0f} ms", us / 1e3)
                    : fmt::format("{:.1f} s", us / 1e6);
}

std::string time_text(float us) {
  return time_text(std::chrono::nanoseconds{static_cast<std::int64_t>(us * 1e3f)});
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

// Of the decoded tokens behind the first; 0 without any.
double tokens_per_second(const generate::answer_stats& s) {
  const auto time =
      std::accumulate(s.token_times.begin(), s.token_times.end(), std::chrono::nanoseconds{0});
  return time.count() == 0 ? 0.0 : static_cast<double>(s.token_times.size()) / seconds(time);
}

// Behind the first token.
double tokens_per_pass(const generate::speculation_stats& s) {
  return static_cast<double>(s.steps + s.accepted) / static_cast<double>(s.steps);
}

} // namespace

float quantile(std::vector<float> numbers, double share) {
  return larql::quantile(std::span{numbers}, share);
}

std::string speed_text(const generate::answer_stats& s) {
  const auto rate = tokens_per_second(s);
  return fmt::format("{} token{}{}{}", s.tokens, s.tokens == 1 ? "" : "s",
                     rate > 0 ? fmt::format(", {:.1f} tokens/s", rate) : "",
                     s.speculation.drafted != 0
                         ? fmt::format(", {:.2f} per pass", tokens_per_pass(s.speculation))
                         : "");
}

void print_report(const generate::answer_stats& s) {
  report_line("\n{} ({})", speed_text(s), text_of(s.reason));
  if (s.predispatch != 0)
    report_line("experts of all layers at once (--moe-dispatch batch): {} round trip{} per pass",
                s.predispatch, s.predispatch == 1 ? "" : "s");
  if (s.sums != quant::sum_format::exact)
    report_line("nodes rounded their sums to {} ([wire] sums)", name_of(s.sums));
  const auto rate =
      s.prefill.count() == 0 ? 0.0 : static_cast<double>(s.prompt_tokens) / seconds(s.prefill);
  if (s.tokens != 0)
    report_line("time to first token: {} (prompt: {} tokens, {:.1f} tokens/s)",
                time_text(s.to_first_token), s.prompt_tokens, rate);
  else if (rate > 0)
    report_line("prompt: {} tokens, {:.1f} tokens/s", s.prompt_tokens, rate);
  if (s.read_again != 0)
    report_line("read again after a node was found wrong: {} tokens", s.read_again);
  if (const auto& drafts = s.speculation; drafts.drafted != 0)
    report_line("speculation: {} of {} drafts were right, in {} of {} passes", drafts.accepted,
                drafts.drafted, drafts.passes, drafts.steps);
  const auto& calls = s.passes.calls;
  if (calls.calls == 0)
    return;
  auto round_trips = std::vector<float>{}, network = std::vector<float>{};
  for (const auto& t : s.layer_times) {
    round_trips.push_back(t.round_trip_us);
    network.push_back(t.round_trip_us - t.compute_us);
  }
  report_line("{} round trip: p50 {}, p99 {}; of that on the way or waiting: p50 {}",
              s.predispatch == 0 ? "per-layer" : "longest", time_text(quantile(round_trips, 0.5)),
              time_text(quantile(round_trips, 0.99)), time_text(quantile(network, 0.5)));
  report_line("experts: {} {} in {} calls; bytes sent: {}, received: {}", s.passes.layers,
              s.predispatch == 0 ? "layers" : "round trips", calls.calls,
              format_bytes(calls.bytes_sent), format_bytes(calls.bytes_received));
  if (calls.retries + calls.hedges != 0)
    report_line("calls made again: {}, hedged: {}", calls.retries, calls.hedges);
  if (calls.relayed != 0)
    report_line("calls that relays asked others for: {}", calls.relayed);
}

} // namespace larql::cli
