#include "cli/node/http.hpp"

#include "cli/node/metrics.hpp"
#include "cli/support/version.hpp"

namespace larql::cli {

namespace {

// How old the numbers of an answer may be.
constexpr auto metrics_age = std::chrono::seconds{1};

constexpr auto plain_text = "text/plain; charset=utf-8";

} // namespace

result<std::unique_ptr<node_http>> node_http::start(const actors::endpoint& at,
                                                    const node_health& health,
                                                    const actors::http_options& options) {
  LARQL_TRY(auto listening, actors::listen_on(at));
  auto out = std::unique_ptr<node_http>{new node_http{health}};
  LARQL_TRY(out->endpoint_,
            actors::http_endpoint::start(
                std::move(listening),
                [self = out.get()](std::string_view path) { return self->answer(path); }, options));
  return out;
}

actors::http_answer node_http::answer(std::string_view path) {
  if (path == "/healthz")
    return {200, plain_text, "alive\n"};
  if (path == "/readyz") {
    const auto r = health_.ready();
    return {r.ready ? 200u : 503u, plain_text, r.text + '\n'};
  }
  if (path == "/metrics")
    return {200, std::string{metrics_content_type}, metrics()};
  return {404, plain_text, "there are /healthz, /readyz and /metrics\n"};
}

std::string node_http::metrics() {
  const auto now = std::chrono::steady_clock::now();
  if (!metrics_.empty() && now - metrics_at_ < metrics_age)
    return metrics_;
  auto from = metrics_source{};
  from.version = version_number();
  from.ready = health_.ready().ready;
  from.certificates = health_.certificates();
  const auto there = health_.with_node([&](const actors::node_server& node) {
    from.node = node.description().node;
    from.model = node.description().model.name;
    from.counters = &node.counters();
    const auto status = node.observe();
    from.status = &status;
    metrics_ = metrics_text(from);
  });
  if (!there)
    metrics_ = metrics_text(from);
  metrics_at_ = now;
  return metrics_;
}

} // namespace larql::cli
