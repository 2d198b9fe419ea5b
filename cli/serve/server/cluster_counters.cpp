#include "cli/serve/server/cluster_counters.hpp"

namespace larql::serve {

namespace {

double seconds(std::chrono::nanoseconds t) {
  return std::chrono::duration<double>(t).count();
}

} // namespace

picture_counters counters_of(const actors::session_status& s) {
  auto out = picture_counters{};
  out.running = s.running;
  out.reading = s.reading;
  out.waiting = s.waiting;
  out.kv_bytes = s.kv_bytes;
  out.kv_limit_bytes = s.kv_limit;
  out.cached_sequences = s.cached_sequences;
  out.cached_bytes = s.cached_bytes;
  out.requests = s.requests;
  out.prompt_tokens = s.prompt_tokens;
  out.cached_tokens = s.cached_tokens;
  out.read_tokens = s.read_tokens;
  out.read_seconds = s.read_seconds;
  out.answer_tokens = s.answer_tokens;
  out.decoded_tokens = s.between_tokens.total;
  out.decoded_seconds = s.between_tokens.sum;
  out.cache_lookups = s.cache_lookups;
  out.cache_hits = s.cache_hits;
  out.cache_evictions = s.cache_evictions;
  out.disk_hits = s.disk_hits;
  out.preempted = s.preempted;
  out.passes = s.passes;
  out.rows = static_cast<std::uint64_t>(s.pass_rows.sum);
  out.pass_seconds = s.pass_seconds.sum;
  const auto& t = s.cost.times;
  out.attention_seconds = seconds(t.attention);
  out.router_seconds = seconds(t.router);
  out.dense_seconds = seconds(t.dense);
  out.experts_seconds = seconds(t.experts);
  out.combine_seconds = seconds(t.combine);
  out.head_seconds = seconds(t.head);
  const auto& calls = s.cost.calls;
  out.calls = calls.calls;
  out.repeated = calls.retries;
  out.hedged = calls.hedges;
  out.sent_bytes = calls.bytes_sent;
  out.received_bytes = calls.bytes_received;
  return out;
}

speculation_counters speculation_of(const actors::session_status& s) {
  return {s.speculation.drafted, s.speculation.accepted};
}

} // namespace larql::serve
