// The numbers of a node as Prometheus reads them (text format 0.0.4). Every name, unit and meaning
// is in docs/operations.md.

#pragma once

#include "actors/net/member_files.hpp"
#include "actors/node/node_counters.hpp"
#include "schema/messages.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace larql::cli {

inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

/// What one scrape shows. Absent parts belong to a node that is still loading.
struct metrics_source {
  std::string node;
  std::string version;
  std::string model;
  bool ready = false;
  const actors::node_counters* counters = nullptr;
  const schema::node_status* status = nullptr;
  std::vector<actors::certificate_facts> certificates = {};
};

[[nodiscard]] std::string metrics_text(const metrics_source& from);

} // namespace larql::cli
