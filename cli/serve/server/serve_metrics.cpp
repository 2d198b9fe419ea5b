#include "cli/serve/server/serve_metrics.hpp"

#include "runtime/base/one_line.hpp"

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <string>
#include <tuple>

namespace larql::serve {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class families {
public:
  void counter(const char* name, const char* help, double value) {
    auto m = ClientMetric{};
    m.counter.value = value;
    all_.push_back({name, help, MetricType::Counter, {std::move(m)}});
  }
  void gauge(const char* name, const char* help, double value,
             std::vector<ClientMetric::Label> labels = {}) {
    auto m = ClientMetric{};
    m.gauge.value = value;
    m.label = std::move(labels);
    all_.push_back({name, help, MetricType::Gauge, {std::move(m)}});
  }
  template <const auto& Bounds>
  void histogram(const char* name, const char* help, const actors::session_histogram<Bounds>& h) {
    auto m = ClientMetric{};
    auto below = std::uint64_t{0};
    for (auto i = std::size_t{0}; i < h.counts.size(); ++i) {
      below += h.counts[i];
      m.histogram.bucket.push_back({below, i < std::size(Bounds)
                                               ? static_cast<double>(Bounds[i])
                                               : std::numeric_limits<double>::infinity()});
    }
    m.histogram.sample_count = h.total;
    m.histogram.sample_sum = h.sum;
    all_.push_back({name, help, MetricType::Histogram, {std::move(m)}});
  }
  void add(MetricFamily f) {
    if (!f.metric.empty())
      all_.push_back(std::move(f));
  }
  [[nodiscard]] std::string text() const { return prometheus::TextSerializer{}.Serialize(all_); }

private:
  std::vector<MetricFamily> all_;
};

double number(std::uint64_t n) {
  return static_cast<double>(n);
}

double ratio(double a, double b) {
  return b > 0 ? a / b : 0;
}

void add_llama_names(families& out, const actors::session_status& s) {
  out.counter("llamacpp:prompt_tokens_total",
              "Tokens of prompts that were read, without cached ones", number(s.read_tokens));
  out.counter("llamacpp:prompt_seconds_total", "Time of reading prompts", s.read_seconds);
  out.counter("llamacpp:prompt_tokens_cached_total", "Tokens of prompts that were in the cache",
              number(s.cached_tokens));
  out.counter("llamacpp:tokens_predicted_total", "Tokens of answers", number(s.answer_tokens));
  out.counter("llamacpp:tokens_predicted_seconds_total",
              "Time of answers, from the first to the last token", s.answer_seconds);
  out.counter("llamacpp:n_decode_total", "Passes", number(s.passes));
  out.gauge("llamacpp:prompt_tokens_seconds", "Tokens of prompts read in a second, on average",
            ratio(number(s.read_tokens), s.read_seconds));
  out.gauge("llamacpp:predicted_tokens_seconds", "Tokens of an answer in a second, on average",
            ratio(number(s.answer_tokens), s.answer_seconds));
  out.gauge("llamacpp:requests_processing", "Answers that are computed", s.running);
  out.gauge("llamacpp:requests_deferred", "Answers that wait for their turn", s.waiting);
}

// Drafts by position behind the text, as llama.cpp counts them.
void add_speculation(families& out, const generate::speculation_stats& s) {
  out.counter("llamacpp:spec_decode_num_drafts_total", "Passes of an answer that verified drafts",
              number(s.passes));
  out.counter("llamacpp:spec_decode_num_draft_tokens_total", "Drafts that were verified",
              number(s.drafted));
  out.counter("llamacpp:spec_decode_num_accepted_tokens_total", "Drafts that became tokens",
              number(s.accepted));
  for (const auto& [name, help, counts] :
       {std::tuple{"larql_drafts_tried_total",
                   "Passes of an answer that had drafts at a position that was reached",
                   &s.tried_at},
        std::tuple{"llamacpp:spec_decode_num_accepted_tokens_per_pos_total",
                   "Of these, those where one was right", &s.accepted_at}}) {
    auto family = MetricFamily{name, help, MetricType::Counter, {}};
    for (auto i = std::size_t{0}; i < counts->size(); ++i) {
      auto m = ClientMetric{};
      m.label = {{"position", std::to_string(i)}};
      m.counter.value = number((*counts)[i]);
      family.metric.push_back(std::move(m));
    }
    out.add(std::move(family));
  }
}

void add_sessions(families& out, const actors::session_status& s) {
  out.gauge("larql_answers_running", "Answers that are computed", s.running);
  out.gauge("larql_answers_reading", "Of these, those whose prompt is read", s.reading);
  out.gauge("larql_answers_paused", "Answers whose client does not read", s.paused);
  out.gauge("larql_answers_waiting", "Answers that wait for their turn", s.waiting);
  out.counter("larql_requests_total", "Requests that were admitted", number(s.requests));
  out.counter("larql_requests_refused_total", "Requests that would have exceeded a bound",
              number(s.refused));
  out.counter("larql_requests_cancelled_total", "Requests whose client has left",
              number(s.cancelled));
  out.counter("larql_requests_failed_total", "Requests that a failure has ended", number(s.failed));
  out.counter("larql_answers_preempted_total",
              "Answers that made room for others and were read again", number(s.preempted));
  out.gauge("larql_kv_bytes", "Keys and values in use, cached ones included", number(s.kv_bytes));
  out.gauge("larql_kv_limit_bytes", "What these may hold together; 0: not bounded",
            number(s.kv_limit));
  out.gauge("larql_cached_sequences", "Sequences in the prefix cache", number(s.cached_sequences));
  out.gauge("larql_cached_bytes", "Keys and values that only the prefix cache holds",
            number(s.cached_bytes));
  out.counter("larql_prefix_cache_lookups_total", "Prompts that were looked for in the cache",
              number(s.cache_lookups));
  out.counter("larql_prefix_cache_hits_total", "Of these, prompts of which a part was found",
              number(s.cache_hits));
  out.counter("larql_prefix_cache_evictions_total", "Sequences that made room for others",
              number(s.cache_evictions));
  out.counter("larql_prefix_cache_disk_hits_total", "Prompts of which a part came from the disk",
              number(s.disk_hits));
  out.counter("larql_passes_failed_total", "Passes that failed", number(s.failed_passes));
  out.histogram("larql_time_to_first_token_seconds",
                "From a request's admission to its first token", s.to_first_token);
  out.histogram("larql_inter_token_seconds", "Between two tokens of an answer", s.between_tokens);
  out.histogram("larql_pass_seconds", "Time of a pass", s.pass_seconds);
  out.histogram("larql_pass_rows", "Rows of a pass", s.pass_rows);
  const auto& calls = s.cost.calls;
  out.counter("larql_node_calls_total", "Calls to nodes", number(calls.calls));
  out.counter("larql_node_calls_repeated_total", "Of these, calls made again or twice",
              number(calls.retries + calls.hedges));
  out.counter("larql_node_sent_bytes_total", "Bytes sent to nodes", number(calls.bytes_sent));
  out.counter("larql_node_received_bytes_total", "Bytes received from nodes",
              number(calls.bytes_received));
}

void add_http(families& out, const serve_numbers& from) {
  out.gauge("larql_http_connections", "Connections that are open", number(from.http.connections));
  out.gauge("larql_http_requests", "Requests under way", number(from.busy));
  out.counter("larql_http_clients_left_total", "Clients that did not wait for their answer's end",
              number(from.http.left));
  auto family =
      MetricFamily{"larql_http_replies_total", "Replies by status", MetricType::Counter, {}};
  for (auto i = std::size_t{1}; i < from.http.replies.size(); ++i) {
    auto m = ClientMetric{};
    m.label = {{"class", fmt::format("{}xx", i)}};
    m.counter.value = number(from.http.replies[i]);
    family.metric.push_back(std::move(m));
  }
  out.add(std::move(family));
}

void add_nodes(families& out, const std::vector<node_latency>& nodes) {
  auto family = MetricFamily{
      "larql_node_round_trip_seconds", "A message to the node and back", MetricType::Gauge, {}};
  for (const auto& n : nodes)
    for (const auto& [quantile, value] :
         {std::pair{"0.5", n.p50_seconds}, std::pair{"0.99", n.p99_seconds}}) {
      auto m = ClientMetric{};
      m.label = {
          {"node", one_line(n.node)}, {"address", one_line(n.address)}, {"quantile", quantile}};
      m.gauge.value = value;
      family.metric.push_back(std::move(m));
    }
  out.add(std::move(family));
}

} // namespace

std::string metrics_text(const serve_numbers& from) {
  auto out = families{};
  out.gauge("larql_build_info", "Always 1; what runs here", 1,
            {{"version", from.version}, {"model", one_line(from.model)}});
  out.gauge("larql_ready", "1 if requests are answered", from.ready ? 1 : 0);
  out.gauge("larql_predispatch_iterations",
            "How often a pass asks for the experts of all layers at once; 0: layer after layer",
            from.predispatch);
  out.gauge("larql_rounded_sums",
            "1 if nodes round what they send, so that answers are approximate",
            from.rounded_sums ? 1 : 0);
  add_http(out, from);
  if (from.sessions != nullptr) {
    add_sessions(out, *from.sessions);
    add_speculation(out, from.sessions->speculation);
    add_llama_names(out, *from.sessions);
  }
  add_nodes(out, from.nodes);
  return out.text();
}

} // namespace larql::serve
