// What the Hub answers, parsed and checked. Pure functions over text: nothing from outside is
// believed, so each is a fuzz target.
//
// Errors    Name the answer, the field, what was found and what was expected.

#pragma once

#include "runtime/base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace larql::hub {

/// A file of a revision.
struct remote_file {
  std::string path;
  std::uint64_t bytes = 0;
  std::string git_blob; ///< empty for a file in large-file storage
  std::string sha256;   ///< of the content, if it is in large-file storage; else empty

  /// The hash that names the content, whichever there is.
  [[nodiscard]] const std::string& content_name() const noexcept {
    return sha256.empty() ? git_blob : sha256;
  }
  friend bool operator==(const remote_file&, const remote_file&) = default;
};

/// Most files and folders of a repository, which is many times what a vindex has.
inline constexpr std::size_t max_listed = 20'000;

/// The commit of "GET /api/models/ID/revision/REV".
[[nodiscard]] result<std::string> parse_revision(std::string_view text, std::string_view name);

/// Files of one page of "GET /api/models/ID/tree/REV?recursive=true". Folders are left out,
/// and files whose path is not a harmless one (repo.hpp): .gitattributes, "../passwd". More than
/// `max_entries` are an error; `entries` tells how many there were, with those left out.
[[nodiscard]] result<std::vector<remote_file>> parse_tree(std::string_view text,
                                                          std::string_view name,
                                                          std::size_t max_entries,
                                                          std::size_t& entries);

/// An error if size and hash contradict each other: of nothing there is one hash only.
[[nodiscard]] result<void> check_listed(const remote_file& file, std::string_view name);

/// The next page of a "Link" header: `<URL>; rel="next"`. Empty if there is none.
[[nodiscard]] std::string next_page(std::string_view link_header);

/// How the Hub wants a file: answer of "POST /api/models/ID/preupload/REV".
struct upload_mode {
  std::string path;
  bool lfs = false;
  bool ignored = false; ///< by the repository's .gitignore
};
[[nodiscard]] result<std::vector<upload_mode>> parse_preupload(std::string_view text,
                                                               std::string_view name);

/// A request that the large-file storage asks for.
struct lfs_action {
  std::string url;
  std::vector<std::string> headers; ///< "Name: value"
};

/// What is to be done for one object.
struct lfs_object {
  std::string oid;
  std::uint64_t bytes = 0;
  std::optional<lfs_action> upload; ///< absent: it is there already
  std::optional<lfs_action> verify;
  std::uint64_t part_bytes = 0;       ///< of a multipart upload; 0: in one piece
  std::vector<std::string> part_urls; ///< in order; covers all bytes
};
[[nodiscard]] result<std::vector<lfs_object>> parse_lfs_batch(std::string_view text,
                                                              std::string_view name);

} // namespace larql::hub
