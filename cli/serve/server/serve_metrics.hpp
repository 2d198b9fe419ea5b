// The numbers of a server as Prometheus reads them (text format 0.0.4). Every name, unit and
// meaning is in docs/serve.md. Where llama.cpp has a number of the same meaning, its name is there
// as well.
//
// Threads   Pure function.

#pragma once

#include "actors/net/http_server.hpp"
#include "actors/session/status.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace larql::serve {

/// How long a message to a node and back takes.
struct node_latency {
  std::string node;
  std::string address;
  double p50_seconds = 0;
  double p99_seconds = 0;
};

/// What one scrape shows.
struct serve_numbers {
  std::string version;
  std::string model;
  bool ready = false;
  const actors::session_status* sessions = nullptr; ///< null: the model is being loaded
  actors::http_server::counts http;
  std::size_t busy = 0; ///< HTTP requests under way
  std::vector<node_latency> nodes;
  std::uint32_t predispatch = 0; ///< dispatches of a pass, if answers are approximate
  bool rounded_sums = false;     ///< nodes round what they send
};

[[nodiscard]] std::string metrics_text(const serve_numbers& from);

} // namespace larql::serve
