#include "cli/node/metrics.hpp"

#include "runtime/base/one_line.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>

namespace larql::cli {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using families = std::vector<MetricFamily>;

void counter(families& out, const char* name, const char* help, std::uint64_t value) {
  auto m = ClientMetric{};
  m.counter.value = static_cast<double>(value);
  out.push_back({name, help, MetricType::Counter, {std::move(m)}});
}

void gauge(families& out, const char* name, const char* help, double value,
           std::vector<ClientMetric::Label> labels = {}) {
  auto m = ClientMetric{};
  m.gauge.value = value;
  m.label = std::move(labels);
  out.push_back({name, help, MetricType::Gauge, {std::move(m)}});
}

ClientMetric::Histogram read(const actors::latency_histogram& h) {
  auto out = ClientMetric::Histogram{};
  auto total = std::uint64_t{0};
  for (auto i = std::size_t{0}; i <= h.bounds.size(); ++i) {
    total += h.count(i);
    out.bucket.push_back(
        {total, i < h.bounds.size() ? h.bounds[i] : std::numeric_limits<double>::infinity()});
  }
  out.sample_count = total;
  out.sample_sum = h.sum_seconds();
  return out;
}

void by_layer(families& out, const char* name, const char* help, const actors::node_counters& c,
              actors::latency_histogram actors::node_counters::layer_times::*part) {
  auto family = MetricFamily{name, help, MetricType::Histogram, {}};
  for (auto i = std::size_t{0}; i < c.layers.size(); ++i) {
    auto m = ClientMetric{};
    m.label = {{"layer", std::to_string(c.first_layer + i)}};
    m.histogram = read(c.layers[i].*part);
    family.metric.push_back(std::move(m));
  }
  if (!family.metric.empty())
    out.push_back(std::move(family));
}

void single(families& out, const char* name, const char* help,
            const actors::latency_histogram& times) {
  auto m = ClientMetric{};
  m.histogram = read(times);
  out.push_back({name, help, MetricType::Histogram, {std::move(m)}});
}

void add_counters(families& out, const actors::node_counters& c) {
  counter(out, "larql_calls_total", "Calls answered, failures included", c.served);
  counter(out, "larql_calls_failed_total", "Calls answered with a failure", c.failed);
  counter(out, "larql_calls_refused_total",
          "Calls turned away at once: loading, degraded, too many, or not allowed", c.refused);
  counter(out, "larql_rows_total", "Rows of the calls that were computed", c.rows);
  counter(out, "larql_experts_total", "Experts read from memory, once a call", c.experts);
  counter(out, "larql_expert_rows_total", "Rows put through an expert", c.expert_rows);
  counter(out, "larql_relayed_calls_total", "Calls answered with the help of other nodes",
          c.relayed_calls);
  counter(out, "larql_forwarded_calls_total", "Calls to other nodes for them", c.forwarded_calls);
  counter(out, "larql_forwarded_rows_total", "Rows in these", c.forwarded_rows);
  counter(out, "larql_forward_failures_total", "Of these calls, without a right answer",
          c.forward_failures);
  gauge(out, "larql_reached_nodes", "Other nodes that are connected and answered for",
        c.reached_nodes);
  counter(out, "larql_received_bytes_total", "Bytes of frames from laptops", c.bytes_in);
  counter(out, "larql_sent_bytes_total", "Bytes of frames to laptops", c.bytes_out);
  counter(out, "larql_connections_total", "Connections that were greeted", c.connected);
  counter(out, "larql_tls_failures_total", "Connections that failed in the TLS handshake",
          c.tls_failures);
  counter(out, "larql_handshake_failures_total",
          "Connections that failed after TLS, before their first call", c.handshake_failures);
  counter(out, "larql_sessions_total", "Sessions of laptops that were opened", c.sessions_opened);
  counter(out, "larql_session_tokens_total", "Tokens that sessions were given", c.session_tokens);
  gauge(out, "larql_sessions", "Sessions that are held for laptops now", c.sessions);
  gauge(out, "larql_calls_waiting", "Calls accepted and not answered yet", c.waiting);
  gauge(out, "larql_buffered_bytes", "Calls that wait and answers that peers have not read",
        static_cast<double>(c.buffers->used()));
  gauge(out, "larql_buffer_limit_bytes", "What these may hold together",
        static_cast<double>(c.buffers->limit()));
  gauge(out, "larql_messages_waiting", "Messages that the node's actors have not handled yet",
        c.mailboxes ? static_cast<double>(c.mailboxes->waiting()) : 0);
  by_layer(out, "larql_call_seconds", "From a call's frame to its answer, waiting included", c,
           &actors::node_counters::layer_times::answered);
  by_layer(out, "larql_compute_seconds", "Of a call, the time in the kernels", c,
           &actors::node_counters::layer_times::computed);
  if (c.forwarded_calls != 0)
    single(out, "larql_forward_seconds", "From a call to another node to its answer",
           c.forward_times);
}

void add_status(families& out, const schema::node_status& s) {
  counter(out, "larql_shard_restarts_total", "Starts of the shard after its first", s.restarts);
  gauge(out, "larql_connections", "Connections of laptops now", s.connections);
  gauge(out, "larql_uptime_seconds", "Since the node started",
        static_cast<double>(s.uptime_ms) / 1000);
  gauge(out, "larql_owned_bytes", "Bytes of the experts that the node owns",
        static_cast<double>(s.owned_bytes));
  gauge(out, "larql_resident_bytes", "Of those, bytes in memory",
        static_cast<double>(s.resident_bytes));
  gauge(out, "larql_process_resident_bytes", "Resident set of the process, owned experts included",
        static_cast<double>(s.rss_bytes));
  gauge(out, "larql_load_ratio", "Load average of one minute by core",
        static_cast<double>(s.load_percent) / 100);
}

// One line for each state there is, 1 for the present one: what alerts are written against.
void add_state(families& out, const actors::node_counters* c) {
  using schema::node_state;
  auto family =
      MetricFamily{"larql_node_state", "1 for the state the node is in", MetricType::Gauge, {}};
  const auto now = c == nullptr ? node_state::loading : c->state.load();
  for (const auto s :
       {node_state::loading, node_state::serving, node_state::draining, node_state::degraded}) {
    auto m = ClientMetric{};
    m.label = {{"state", schema::name_of(s)}};
    m.gauge.value = s == now ? 1 : 0;
    family.metric.push_back(std::move(m));
  }
  out.push_back(std::move(family));
}

void add_certificates(families& out, const std::vector<actors::certificate_facts>& all) {
  auto family = MetricFamily{"larql_certificate_expiry_timestamp_seconds",
                             "When a certificate expires, in seconds since 1970",
                             MetricType::Gauge,
                             {}};
  for (const auto& c : all) {
    auto m = ClientMetric{};
    m.label = {{"file", c.file.string()}, {"name", c.name}, {"role", c.role}};
    m.gauge.value = static_cast<double>(std::chrono::system_clock::to_time_t(c.until));
    family.metric.push_back(std::move(m));
  }
  if (!family.metric.empty())
    out.push_back(std::move(family));
}

} // namespace

std::string metrics_text(const metrics_source& from) {
  auto out = families{};
  gauge(
      out, "larql_build_info", "Always 1; what runs here", 1,
      {{"version", from.version}, {"node", one_line(from.node)}, {"model", one_line(from.model)}});
  gauge(out, "larql_ready", "1 if calls are taken, as /readyz says", from.ready ? 1 : 0);
  add_state(out, from.counters);
  add_certificates(out, from.certificates);
  if (from.counters != nullptr)
    add_counters(out, *from.counters);
  if (from.status != nullptr)
    add_status(out, *from.status);
  return prometheus::TextSerializer{}.Serialize(out);
}

} // namespace larql::cli
