#include "cli/laptop/chat/turn_numbers.hpp"

#include "runtime/base/format_bytes.hpp"

#include <fmt/format.h>
#include <numeric>

namespace larql::cli {

namespace {

std::string counted(std::uint64_t n, std::string_view one) {
  return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s");
}

} // namespace

turn_numbers numbers_of(const generate::answer_stats& s, std::size_t prompt_tokens,
                        std::uint32_t nodes) {
  using seconds = std::chrono::duration<double>;
  auto out = turn_numbers{};
  out.prompt_tokens = prompt_tokens;
  out.read_tokens = s.prompt_tokens;
  out.read_seconds = seconds(s.prefill).count();
  out.tokens = s.tokens;
  const auto time =
      std::accumulate(s.token_times.begin(), s.token_times.end(), std::chrono::nanoseconds{0});
  if (time.count() != 0)
    out.tokens_per_second = static_cast<double>(s.token_times.size()) / seconds(time).count();
  out.nodes = nodes;
  out.round_trips = s.layer_times.size();
  out.predispatch = s.predispatch;
  out.sums = s.sums;
  out.sent_bytes = s.passes.calls.bytes_sent;
  out.received_bytes = s.passes.calls.bytes_received;
  if (s.speculation.drafted != 0)
    out.drafts = draft_numbers{s.speculation.drafted, s.speculation.accepted};
  return out;
}

std::string timing_text(const turn_numbers& n) {
  auto out = counted(n.tokens, "token");
  if (n.tokens_per_second > 0)
    out += fmt::format(", {:.1f} tokens/s", n.tokens_per_second);
  if (n.nodes != 0)
    out += fmt::format(", {}, {}, {} sent, {} received", counted(n.nodes, "node"),
                       counted(n.round_trips, "round trip"), format_bytes(n.sent_bytes),
                       format_bytes(n.received_bytes));
  if (n.drafts && n.drafts->tried != 0)
    out += fmt::format(", {} of {} drafts accepted", n.drafts->accepted, n.drafts->tried);
  return out;
}

std::string cut_text(generate::end_reason reason, std::size_t tokens, std::size_t context) {
  switch (reason) {
  case generate::end_reason::max_tokens:
    return fmt::format("cut after {}: /continue goes on, /set max-tokens allows more",
                       counted(tokens, "token"));
  case generate::end_reason::context_full:
    return fmt::format("cut: the context of {} tokens is full; /continue goes on without the "
                       "oldest turns",
                       context);
  case generate::end_reason::stopped: return "stopped: /continue goes on, /retry asks again";
  case generate::end_reason::stop_token:
  case generate::end_reason::stop_text:
  case generate::end_reason::none: break;
  }
  return {};
}

} // namespace larql::cli
