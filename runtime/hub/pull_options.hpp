// How a pull is done, and what became of it.

#pragma once

#include "runtime/hub/http_client.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace larql::hub {

struct pull_progress {
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t resumed_bytes = 0; ///< of done_bytes: from an earlier run
  std::string file;
};

struct pull_options {
  http_settings http;
  unsigned connections = 8;
  /// Stay at the commit that the directory has, if it has one of this revision; then a directory
  /// that holds everything needs no request.
  bool keep_commit = false;
  /// Hash again what an earlier run found to be right, and fetch again what no longer is.
  bool check = false;
  /// Wait for another process that pulls into the directory instead of failing after five seconds.
  bool wait_for_others = false;
  std::function<void(const pull_progress&)> on_progress;
};

struct pull_outcome {
  std::string commit;
  std::uint64_t wanted_bytes = 0;    ///< of files, heads and experts
  std::uint64_t fetched_bytes = 0;   ///< by this call
  std::uint64_t unchecked_bytes = 0; ///< of wanted_bytes: no hash covers them
};

} // namespace larql::hub
