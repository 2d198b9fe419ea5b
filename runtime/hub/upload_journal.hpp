// What of a multipart upload the server has: the addresses it gave for the upload, and the ETags of
// the parts it took. So an upload that was stopped goes on at the parts that are missing.
//
// The server knows an upload by those addresses only. Asked anew it begins another one, so they are
// kept. They are signed and let their holder write, so only the user may read the directory.
//
// A file for each content, of lines:
//   {"version": 1, "repository": …, "objects": [{…}]}    as the server answered, but for `verify`
//   NUMBER ETAG                                           a part is there; numbers count from 1
// A torn line, and what follows it, does not count. A journal is a convenience: one that cannot be
// read is none, one that cannot be written costs the next run a repetition.
//
// Threads   One at a time; the caller locks.

#pragma once

#include "runtime/hub/hub_json.hpp"

#include <filesystem>
#include <optional>

namespace larql::hub {

struct begun_upload {
  lfs_object object;              ///< with parts; without `verify`
  std::vector<std::string> etags; ///< by part; empty: the server does not have it
};

/// Reads a journal's text. `repository` is what it must be about: "https://huggingface.co/a/b".
[[nodiscard]] result<begun_upload> parse_upload_journal(std::string_view text,
                                                        std::string_view repository);

/// The first line, and one for each part that is there.
[[nodiscard]] std::string write_upload_journal(const begun_upload& u, std::string_view repository);

class upload_journal {
public:
  /// Journals of uploads to one repository. An empty directory's name: nothing is kept.
  upload_journal(std::filesystem::path dir, std::string repository)
      : dir_(std::move(dir)), repository_(std::move(repository)) {}

  /// Nothing if no upload of this content is under way.
  [[nodiscard]] std::optional<begun_upload> find(const std::string& sha256,
                                                 std::uint64_t bytes) const;
  /// Starts the journal of an upload, or replaces one.
  void begin(const begun_upload& u) const;
  /// Notes a part, counted from 0.
  void add(const lfs_object& object, std::size_t part, const std::string& etag) const;
  /// The content is there, or its upload cannot go on.
  void forget(const std::string& sha256) const;

private:
  [[nodiscard]] std::filesystem::path path(const std::string& sha256) const;

  std::filesystem::path dir_;
  std::string repository_;
};

} // namespace larql::hub
