#include "cli/laptop/run_json.hpp"

#include "runtime/base/json.hpp"

namespace larql::cli {

namespace {

const char* name_of(generate::end_reason reason) {
  using generate::end_reason;
  switch (reason) {
  case end_reason::stop_token: return "stop";
  case end_reason::stop_text: return "stop_text";
  case end_reason::max_tokens: return "max_tokens";
  case end_reason::context_full: return "context_full";
  case end_reason::stopped: return "stopped";
  case end_reason::none: break;
  }
  return "error";
}

} // namespace

std::string run_json(const run_answer& a) {
  const auto& n = a.numbers;
  auto out = ordered_json::object();
  out["model"] = a.model;
  out["text"] = a.text;
  if (!a.thoughts.empty())
    out["thoughts"] = a.thoughts;
  out["finish_reason"] = name_of(a.reason);
  out["moe_dispatch"] = n.predispatch == 0 ? "streaming" : "batch";
  if (n.predispatch != 0)
    out["moe_predispatch_iters"] = n.predispatch;
  out["wire_sums"] = name_of(n.sums);
  out["prompt_tokens"] = n.prompt_tokens;
  out["tokens"] = n.tokens;
  auto& t = out["timings"];
  t["prompt_ms"] = n.read_seconds * 1000;
  t["first_token_ms"] = std::chrono::duration<double, std::milli>(a.to_first_token).count();
  t["tokens_per_second"] = n.tokens_per_second;
  t["nodes"] = n.nodes;
  t["round_trips"] = n.round_trips;
  t["sent_bytes"] = n.sent_bytes;
  t["received_bytes"] = n.received_bytes;
  return out.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

} // namespace larql::cli
