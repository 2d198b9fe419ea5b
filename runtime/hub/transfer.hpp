// Fetches what is missing of many files over several connections at once, checks each file when its
// bytes are here, and fetches again what was wrong.
//
// Blocking  Returns when all is here and checked, or at the first error; what came by then is kept.
// Threads   One per connection, inside; callbacks are called in the calling thread unless said
//           otherwise.

#pragma once

#include "runtime/hub/http_client.hpp"
#include "runtime/hub/pull_target.hpp"

#include <memory>
#include <vector>

namespace larql::hub {

struct transfer_options {
  unsigned connections = 8;
  std::uint64_t request_bytes = 32 << 20; ///< most of one request
  /// Where a file is.
  std::function<std::string(const remote_file&)> url_of;
  /// Checks of a file. Called by the connections' threads.
  checks_of_fn checks_of;
  /// Bytes fetched since the start, and the file worked on; several times a second.
  std::function<void(std::uint64_t, const std::string&)> on_progress;
};

/// Errors   Of the first connection that failed. A content that is wrong again and again is
///          errc::corrupt and names file and part.
[[nodiscard]] result<void> transfer(const std::vector<std::unique_ptr<pull_target>>& files,
                                    const http_settings& http, const transfer_options& options);

} // namespace larql::hub
