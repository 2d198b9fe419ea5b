// What a node answers over HTTP: /healthz, /readyz and /metrics.
//
// Owner     serve_node(), from before the model is read until the process ends.
// Threads   Its endpoint's, which never touches an actor. Pages are counted at most once a second,
//           so that a flood of scrapes costs the node nothing.

#pragma once

#include "actors/net/http_endpoint.hpp"
#include "cli/node/health.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace larql::cli {

class node_http {
public:
  [[nodiscard]] static result<std::unique_ptr<node_http>>
  start(const actors::endpoint& at, const node_health& health,
        const actors::http_options& options = {});

  [[nodiscard]] std::uint16_t port() const noexcept { return endpoint_->port(); }

private:
  explicit node_http(const node_health& health) : health_(health) {}
  [[nodiscard]] actors::http_answer answer(std::string_view path);
  [[nodiscard]] std::string metrics();

  const node_health& health_;
  std::string metrics_;
  std::chrono::steady_clock::time_point metrics_at_{};
  std::unique_ptr<actors::http_endpoint> endpoint_; // last: its thread uses the rest
};

} // namespace larql::cli
