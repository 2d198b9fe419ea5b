#include "cli/laptop/bench_report.hpp"

#include "cli/laptop/bench_bounds.hpp"
#include "cli/laptop/report.hpp"
#include "cli/support/progress.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/one_line.hpp"

#include <fmt/format.h>
#include <numeric>

namespace larql::cli {

namespace {

using json = nlohmann::ordered_json;

double total(const std::vector<double>& v) {
  return std::accumulate(v.begin(), v.end(), 0.0);
}

// In the unit of the numbers.
double share_of(const std::vector<double>& v, double share) {
  return quantile(std::vector<float>(v.begin(), v.end()), share);
}

double per_second(double count, double seconds) {
  return seconds > 0 ? count / seconds : 0;
}

struct named_phase {
  const char* name;
  double seconds;
};

std::vector<named_phase> phases_of(const gemma4::phase_times& t) {
  const auto seconds = [](std::chrono::nanoseconds x) {
    return std::chrono::duration<double>(x).count();
  };
  return {{"attention", seconds(t.attention)}, {"router", seconds(t.router)},
          {"dense", seconds(t.dense)},         {"experts", seconds(t.experts)},
          {"combine", seconds(t.combine)},     {"head", seconds(t.head)}};
}

json phases_json(const gemma4::phase_times& t, double passes) {
  auto out = json::object();
  for (const auto& p : phases_of(t))
    out[p.name] = p.seconds * 1e3 / passes;
  return out;
}

// Of weights that one pass reads here. Sessions in one pass share dense weights; how many experts
// they share depends on the routing, so it is known for one session only.
double bytes_per_pass(const bench_results& r, const bench_decode& d) {
  return d.sessions == 1 ? static_cast<double>(r.dense_bytes + r.expert_bytes) : 0;
}

std::vector<float> network_of(const bench_decode& d) {
  auto out = d.round_trip_us;
  for (auto i = std::size_t{0}; i < out.size(); ++i)
    out[i] -= d.round_trip_compute_us[i];
  return out;
}

std::string phases_text(const gemma4::phase_times& t, double passes) {
  auto out = std::string{};
  for (const auto& p : phases_of(t))
    out += fmt::format("{}{} {:.2f}", out.empty() ? "" : ", ", p.name, p.seconds * 1e3 / passes);
  return out;
}

std::string link_text(const bench_link_facts& l) {
  const auto mbit = [](double bytes_per_second) { return bytes_per_second * 8e-6; };
  auto out = fmt::format("link {}: round trip {:.2f} ms, {:.0f} Mbit/s down, {:.0f} Mbit/s up, "
                         "{}",
                         l.name, l.round_trip * 1e3, mbit(l.down_bytes_per_second),
                         mbit(l.up_bytes_per_second),
                         l.slow_start ? "TCP begins slowly" : "TCP's window left out");
  if (l.jitter > 0)
    out += fmt::format(", up to {:.1f} ms of jitter", l.jitter * 1e3);
  if (l.stall_every > 0)
    out += fmt::format(", stalls of {:.0f} ms about every {:.1f} s", l.stall_length * 1e3,
                       l.stall_every);
  return out + '\n';
}

std::string bound_text(double tokens_per_second, double bound) {
  return fmt::format("         bound of this link {:14.2f} tokens/s: {:.2f} of it\n", bound,
                     tokens_per_second / bound);
}

json link_json(const bench_link_facts& l) {
  return {{"name", l.name},
          {"round_trip_ms", l.round_trip * 1e3},
          {"up_bytes_per_second", l.up_bytes_per_second},
          {"down_bytes_per_second", l.down_bytes_per_second},
          {"jitter_ms", l.jitter * 1e3},
          {"stall_every_seconds", l.stall_every},
          {"stall_ms", l.stall_length * 1e3},
          {"slow_start", l.slow_start},
          {"nodes", l.nodes}};
}

json bound_json(double tokens_per_second, double bound, const row_costs& c) {
  return {{"tokens_per_second", bound},
          {"share", tokens_per_second / bound},
          {"bytes_up", c.bytes_up},
          {"bytes_down", c.bytes_down},
          {"laptop_ms", (c.before + c.meanwhile) * 1e3},
          {"nodes_ms", c.nodes * 1e3}};
}

std::string decode_text(const bench_results& r, const bench_decode& d) {
  const auto passes = static_cast<double>(d.seconds.size());
  const auto seconds = total(d.seconds);
  auto out = fmt::format("decode   {:5} session{} {:8.2f} tokens/s   per token p50 {:.1f} ms, p95 "
                         "{:.1f} ms, p99 {:.1f} ms\n",
                         d.sessions, d.sessions == 1 ? " " : "s",
                         per_second(passes * d.sessions, seconds), share_of(d.seconds, 0.5) * 1e3,
                         share_of(d.seconds, 0.95) * 1e3, share_of(d.seconds, 0.99) * 1e3);
  if (r.link)
    out += bound_text(per_second(d.sessions, share_of(d.seconds, 0.5)), bound_of(d, *r.link));
  out += fmt::format("         ms per {}: {}\n", d.groups == 1 ? "pass" : "round",
                     phases_text(d.phases, passes));
  if (const auto bytes = bytes_per_pass(r, d); bytes > 0) {
    const auto rate = bytes / share_of(d.seconds, 0.5);
    out += fmt::format("         weights read here: {} per token, {:.1f} GB/s",
                       format_bytes(static_cast<std::uint64_t>(bytes)), rate * 1e-9);
    if (r.read_bytes_per_second > 0)
      out += fmt::format(", {:.0f} % of what memory gives", 100 * rate / r.read_bytes_per_second);
    out += '\n';
  }
  const auto layers = d.wire_after.layers - d.wire_before.layers;
  if (layers == 0)
    return out;
  const auto calls = static_cast<double>(d.wire_after.calls - d.wire_before.calls);
  const auto network = network_of(d);
  out += fmt::format(
      "         per layer and node: {:.1f} kB sent, {:.1f} kB received; round trip "
      "p50 {:.0f} us, p99 {:.0f} us; without kernels p50 {:.0f} us, p99 {:.0f} us\n",
      static_cast<double>(d.wire_after.bytes_sent - d.wire_before.bytes_sent) / calls * 1e-3,
      static_cast<double>(d.wire_after.bytes_received - d.wire_before.bytes_received) / calls *
          1e-3,
      quantile(d.round_trip_us, 0.5), quantile(d.round_trip_us, 0.99), quantile(network, 0.5),
      quantile(network, 0.99));
  return out;
}

json decode_json(const bench_results& r, const bench_decode& d) {
  const auto passes = static_cast<double>(d.seconds.size());
  const auto median = share_of(d.seconds, 0.5);
  auto out = json{{"sessions", d.sessions},
                  {"groups", d.groups},
                  {"depth", d.depth},
                  {"passes", d.seconds.size()},
                  {"tokens_per_second", per_second(passes * d.sessions, total(d.seconds))},
                  {"median_tokens_per_second", per_second(d.sessions, median)},
                  {"token_ms",
                   {{"p50", median * 1e3},
                    {"p95", share_of(d.seconds, 0.95) * 1e3},
                    {"p99", share_of(d.seconds, 0.99) * 1e3}}},
                  {"phases_ms", phases_json(d.phases, passes)}};
  if (r.link)
    out["bound"] = bound_json(per_second(d.sessions, median), bound_of(d, *r.link), costs_of(d));
  if (const auto bytes = bytes_per_pass(r, d); bytes > 0) {
    out["weight_bytes_per_token"] = bytes;
    out["weight_bytes_per_second"] = bytes / median;
    if (r.read_bytes_per_second > 0)
      out["share_of_read_bandwidth"] = bytes / median / r.read_bytes_per_second;
  }
  if (d.wire_after.layers != d.wire_before.layers) {
    const auto network = network_of(d);
    out["wire"] = {
        {"layers", d.wire_after.layers - d.wire_before.layers},
        {"calls", d.wire_after.calls - d.wire_before.calls},
        {"bytes_sent", d.wire_after.bytes_sent - d.wire_before.bytes_sent},
        {"bytes_received", d.wire_after.bytes_received - d.wire_before.bytes_received},
        {"round_trip_us",
         {{"p50", quantile(d.round_trip_us, 0.5)}, {"p99", quantile(d.round_trip_us, 0.99)}}},
        {"round_trip_without_kernels_us",
         {{"p50", quantile(network, 0.5)}, {"p99", quantile(network, 0.99)}}}};
  }
  return out;
}

std::string speculation_text(const bench_speculation& s) {
  return fmt::format("drafts   {:5.2f} right    {:8.2f} tokens/s   {:.2f} tokens per pass, {:.1f} "
                     "ms; {} of {} drafts were right\n",
                     s.acceptance, per_second(static_cast<double>(s.tokens), s.seconds),
                     per_second(static_cast<double>(s.tokens), static_cast<double>(s.passes)),
                     per_second(s.seconds * 1e3, static_cast<double>(s.passes)), s.accepted,
                     s.drafted);
}

json speculation_json(const bench_speculation& s) {
  const auto tokens = static_cast<double>(s.tokens);
  const auto passes = static_cast<double>(s.passes);
  return {{"acceptance", s.acceptance},
          {"passes", s.passes},
          {"tokens", s.tokens},
          {"drafted", s.drafted},
          {"accepted", s.accepted},
          {"tokens_per_second", per_second(tokens, s.seconds)},
          {"tokens_per_pass", per_second(tokens, passes)},
          {"pass_ms", per_second(s.seconds * 1e3, passes)}};
}

} // namespace

std::string text_of(const bench_results& r) {
  auto out =
      fmt::format("{}: experts {}, {} threads, {}, opened in {:.0f} ms\n", one_line(r.vindex),
                  r.placement == "local" ? "on this machine" : "on nodes", r.threads, r.simd,
                  r.open_seconds * 1e3);
  if (r.predispatch != 0)
    out += fmt::format("experts of all layers at once, {} round trip{} per pass\n", r.predispatch,
                       r.predispatch == 1 ? "" : "s");
  if (r.sums != quant::sum_format::exact)
    out += fmt::format("nodes round their sums to {}\n", name_of(r.sums));
  if (r.read_bytes_per_second > 0)
    out +=
        fmt::format("memory gives {:.1f} GB/s to these threads\n", r.read_bytes_per_second * 1e-9);
  if (r.link)
    out += link_text(*r.link);
  for (const auto& p : r.prefill) {
    const auto median = share_of(p.seconds, 0.5);
    out += fmt::format("prefill  {:5} tokens  {:8.2f} tokens/s   ms: {}\n", p.tokens,
                       per_second(p.tokens, median), phases_text(p.phases, 1));
    if (r.link)
      out += bound_text(per_second(p.tokens, median), bound_of(p, *r.link));
  }
  for (const auto& d : r.decode)
    out += decode_text(r, d);
  for (const auto& s : r.speculation)
    out += speculation_text(s);
  return out;
}

std::string json_of(const bench_results& r) {
  auto out = json{{"vindex", r.vindex},
                  {"placement", r.placement},
                  {"moe_dispatch", r.predispatch == 0 ? "streaming" : "batch"},
                  {"wire_sums", name_of(r.sums)},
                  {"simd", r.simd},
                  {"threads", r.threads},
                  {"open_ms", r.open_seconds * 1e3},
                  {"dense_bytes_per_token", r.dense_bytes},
                  {"expert_bytes_per_token", r.expert_bytes},
                  {"read_bytes_per_second", r.read_bytes_per_second},
                  {"prefill", json::array()},
                  {"decode", json::array()}};
  if (r.predispatch != 0)
    out["moe_predispatch_iters"] = r.predispatch;
  if (r.link)
    out["link"] = link_json(*r.link);
  for (const auto& p : r.prefill) {
    const auto speed = per_second(p.tokens, share_of(p.seconds, 0.5));
    auto one = json{{"tokens", p.tokens},
                    {"chunks", p.chunks},
                    {"seconds", p.seconds},
                    {"median_tokens_per_second", speed},
                    {"phases_ms", phases_json(p.phases, 1)}};
    if (r.link)
      one["bound"] = bound_json(speed, bound_of(p, *r.link), costs_of(p));
    out["prefill"].push_back(std::move(one));
  }
  for (const auto& d : r.decode)
    out["decode"].push_back(decode_json(r, d));
  for (const auto& s : r.speculation)
    out["speculation"].push_back(speculation_json(s));
  return out.dump(2, ' ', true, json::error_handler_t::replace) + "\n";
}

} // namespace larql::cli
