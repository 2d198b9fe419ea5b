// Large files to the Hub's storage: asks what is there already, sends the rest in one piece or in
// parts as the server wishes, over several connections, and has the server confirm each.
//
// The storage host gets no token: its URLs are signed.
//
// An upload in parts that was stopped goes on where it was (upload_journal.hpp), unless the server
// no longer knows it; then the file is sent anew, and on_notice says so.
//
// Blocking  Until all is there, or the first error.
// Errors    Name the file, the URL without its query, the status.
// Threads   One per connection, inside; on_progress is called in the calling thread.

#pragma once

#include "runtime/hub/hub_client.hpp"
#include "runtime/hub/publish_source.hpp"

namespace larql::hub {

struct upload_options {
  unsigned connections = 4;
  /// Where unfinished uploads are noted; empty: nowhere.
  std::filesystem::path journals;
  /// Bytes sent so far, those included that the server had; and the file worked on.
  std::function<void(std::uint64_t done, std::uint64_t had, const std::string& file)> on_progress;
};

/// Bytes that were sent.
[[nodiscard]] result<std::uint64_t> upload_objects(const repo& to, const http_settings& http,
                                                   const std::vector<const published_file*>& files,
                                                   const upload_options& options);

} // namespace larql::hub
