#include "cli/serve/page/cluster_json.hpp"

#include <algorithm>

namespace larql::serve {

namespace {

// What JavaScript reads without loss, and what a person sees: a millisecond.
std::int64_t milliseconds(std::chrono::steady_clock::duration t) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(t).count();
}

ordered_json range_json(experts::index_range r) {
  return ordered_json::array({r.first, r.last});
}

void add_owned(ordered_json& to, const experts::ownership& owned) {
  to["layers"] = range_json(owned.layers);
  to["experts"] = range_json(owned.experts);
}

std::string base64(const std::vector<std::uint8_t>& bytes) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  auto out = std::string{};
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (auto i = std::size_t{0}; i < bytes.size(); i += 3) {
    const auto n = std::min<std::size_t>(3, bytes.size() - i);
    auto group = std::uint32_t{0};
    for (auto k = std::size_t{0}; k < 3; ++k)
      group = group << 8 | (k < n ? bytes[i + k] : 0u);
    for (auto k = std::size_t{0}; k < 4; ++k)
      out += k <= n ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

ordered_json model_json(const model_facts& m) {
  auto out = ordered_json::object();
  out["name"] = m.name;
  out["file"] = m.file;
  out["encoding"] = m.encoding;
  out["parameters"] = m.parameters;
  out["size_bytes"] = m.size_bytes;
  out["layers"] = m.layers;
  out["experts"] = m.experts;
  out["experts_per_token"] = m.experts_per_token;
  out["hidden"] = m.hidden;
  out["context"] = m.context;
  auto& defaults = out["defaults"];
  defaults["temperature"] = m.temperature;
  defaults["top_k"] = m.top_k;
  defaults["top_p"] = m.top_p;
  defaults["thinking"] = m.thinking;
  return out;
}

ordered_json node_json(const picture_node& n) {
  auto out = ordered_json::object();
  out["name"] = n.name;
  out["address"] = n.address;
  out["state"] = n.state;
  if (!n.why.empty())
    out["why"] = n.why;
  add_owned(out, n.owned);
  if (!n.numbers)
    return out;
  out["round_trip_ms"]["p50"] = n.numbers->round_trip_p50.count();
  out["round_trip_ms"]["p99"] = n.numbers->round_trip_p99.count();
  out["owned_bytes"] = n.numbers->owned_bytes;
  out["resident_bytes"] = n.numbers->resident_bytes;
  out["rss_bytes"] = n.numbers->process_bytes;
  out["calls"] = n.numbers->calls;
  out["failed"] = n.numbers->failed;
  out["waiting"] = n.numbers->waiting;
  out["load_percent"] = n.numbers->load_percent;
  return out;
}

const char* name_of(cluster_event::kind what) {
  switch (what) {
  case cluster_event::kind::joined: return "joined";
  case cluster_event::kind::lost: return "lost";
  case cluster_event::kind::changed: break;
  }
  return "changed";
}

ordered_json event_json(const cluster_event& e, cluster_event::time now) {
  auto out = ordered_json::object();
  out["number"] = e.number;
  out["ago_ms"] = milliseconds(now - e.at);
  out["kind"] = name_of(e.what);
  out["node"] = e.node;
  if (!e.why.empty())
    out["why"] = e.why;
  add_owned(out, e.owned);
  if (e.what != cluster_event::kind::lost)
    return out;
  out["took_over"] = ordered_json::array();
  for (const auto& t : e.took_over) {
    auto one = ordered_json::object();
    one["node"] = t.node;
    add_owned(one, t.part);
    out["took_over"].push_back(std::move(one));
  }
  out["without_owner"] = e.without_owner;
  return out;
}

void add_counters(ordered_json& out, const picture_counters& c) {
  out["answers"] = {{"running", c.running},
                    {"reading", c.reading},
                    {"waiting", c.waiting},
                    {"requests", c.requests}};
  out["tokens"] = {{"prompt", c.prompt_tokens},
                   {"cached", c.cached_tokens},
                   {"read", c.read_tokens},
                   {"read_seconds", c.read_seconds},
                   {"answer", c.answer_tokens},
                   {"decoded", c.decoded_tokens},
                   {"decoded_seconds", c.decoded_seconds}};
  out["time"] = {{"passes", c.passes},
                 {"seconds", c.pass_seconds},
                 {"attention", c.attention_seconds},
                 {"router", c.router_seconds},
                 {"dense", c.dense_seconds},
                 {"experts", c.experts_seconds},
                 {"combine", c.combine_seconds},
                 {"head", c.head_seconds}};
  out["calls"] = {{"calls", c.calls},
                  {"repeated", c.repeated},
                  {"hedged", c.hedged},
                  {"sent_bytes", c.sent_bytes},
                  {"received_bytes", c.received_bytes}};
  out["batching"] = {{"passes", c.passes}, {"rows", c.rows}};
  out["cache"] = {{"lookups", c.cache_lookups},        {"hits", c.cache_hits},
                  {"evictions", c.cache_evictions},    {"disk_hits", c.disk_hits},
                  {"preempted", c.preempted},          {"sequences", c.cached_sequences},
                  {"bytes", c.cached_bytes},           {"kv_bytes", c.kv_bytes},
                  {"kv_limit_bytes", c.kv_limit_bytes}};
}

} // namespace

ordered_json cluster_json(const cluster_picture& from) {
  auto out = ordered_json::object();
  out["clock_ms"] = milliseconds(from.now - from.started);
  out["version"] = from.model.version;
  out["model"] = model_json(from.model);
  out["own"] = nullptr;
  if (from.own) {
    out["own"] = ordered_json::object();
    add_owned(out["own"], *from.own);
  }
  out["nodes"] = ordered_json::array();
  for (const auto& n : from.nodes)
    out["nodes"].push_back(node_json(n));
  out["events"] = ordered_json::array();
  for (const auto& e : from.events)
    out["events"].push_back(event_json(e, from.now));
  out["heat"] = {{"tokens", from.heat.tokens}, {"counts", base64(from.heat.counts)}};
  add_counters(out, from.counters);
  out["speculation"] = nullptr;
  if (from.speculation)
    out["speculation"] = {{"drafted", from.speculation->drafted},
                          {"accepted", from.speculation->accepted}};
  return out;
}

} // namespace larql::serve
