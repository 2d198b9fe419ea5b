// A vindex, or slices of one, to the Hub: what is there already is skipped, the rest uploaded, and
// all of it becomes one commit. Whatever ends a publish, the same one goes on: finished uploads
// stay on the server, hashes in the notes.
//
// Blocking  Yes; ends soon after http.stop is requested.
// Errors    Name the repository, the file, the status and what to do.
// Source    docs/hub.md.

#pragma once

#include "runtime/hub/hub_client.hpp"
#include "runtime/hub/publish_source.hpp"

namespace larql::hub {

struct publish_options {
  http_settings http;
  unsigned connections = 4;
  bool is_private = false; ///< of a repository that is made
  bool force = false;      ///< also what is there already
  bool dry_run = false;    ///< change nothing
  std::string message;     ///< of the commit
  /// "hash" or "upload"; bytes done, in all, and had before.
  std::function<void(const char* step, std::uint64_t done, std::uint64_t total,
                     std::uint64_t already, const std::string& file)>
      on_progress;
};

struct publish_outcome {
  std::string commit;                 ///< empty: nothing to do, or a dry run
  bool makes_repository = false;      ///< it did not exist
  std::vector<std::string> same;      ///< files that were there
  std::vector<std::string> new_files; ///< files of the commit
  std::uint64_t new_bytes = 0;        ///< of those
  std::uint64_t sent_bytes = 0;       ///< less than new_bytes if contents were there
};

/// `files` as publish_source.hpp makes them; they are hashed here.
[[nodiscard]] result<publish_outcome> publish(std::vector<published_file> files, const repo& to,
                                              const std::filesystem::path& notes,
                                              const publish_options& options);

/// The body of a commit request. For files in large-file storage their hash, for others their
/// content.
struct commit_entry {
  const published_file* file = nullptr;
  bool lfs = false;
};
[[nodiscard]] result<std::string> commit_body(const std::vector<commit_entry>& entries,
                                              const std::string& message,
                                              const std::string& parent);

[[nodiscard]] std::string to_base64(std::string_view bytes);

} // namespace larql::hub
