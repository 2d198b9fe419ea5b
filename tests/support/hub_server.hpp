// A Hugging Face Hub of this process: repositories in memory, the API of the real one as far as
// larql uses it, and a storage host of its own (another port, so another origin) that large files
// are redirected to and uploaded to.
//
// The storage host must never see the caller's token: token_leaks() counts when it does.

#pragma once

#include "tests/support/child_process.hpp"
#include "tests/support/files.hpp"
#include "tests/support/http_server.hpp"

#include <filesystem>
#include <set>

namespace larql::test {

class hub_server {
public:
  hub_server();

  /// What a program needs to use this Hub; `token` may be empty.
  [[nodiscard]] child_process::variables environment(const std::string& token = "") const;

  http_server& hub() noexcept { return *hub_; }
  http_server& storage() noexcept { return *storage_; }
  [[nodiscard]] std::string endpoint() const { return hub_->url(); }
  [[nodiscard]] std::uint64_t sent_bytes() const {
    return hub_->sent_bytes() + storage_->sent_bytes();
  }
  void forget_calls();
  /// Requests to the storage host that carried a token.
  [[nodiscard]] std::size_t token_leaks() const;

  /// A commit on main with these files added; the repository is made if need be. Files of at least
  /// `lfs_bytes` are large ones.
  std::string commit(const std::string& repo, const file_tree& files);
  std::string commit_directory(const std::string& repo, const std::filesystem::path& dir);
  /// Files of main's newest commit.
  [[nodiscard]] file_tree files(const std::string& repo) const;
  [[nodiscard]] std::vector<std::string> repositories() const;
  [[nodiscard]] bool is_private(const std::string& repo) const;
  /// SHA-256 of the large files that the storage host has.
  [[nodiscard]] std::set<std::string> stored() const;

  /// Forgets uploads in parts that were begun: their addresses lead nowhere from now on.
  void forget_uploads();
  /// Uploads in parts that were begun and neither completed nor forgotten.
  [[nodiscard]] std::size_t open_uploads() const;

  // Knobs. To be set before requests come.
  std::size_t lfs_bytes = 1000;       ///< from this size on a file is a large one
  std::uint64_t part_bytes = 0;       ///< uploads above it come in parts; 0: never
  std::size_t files_per_page = 5;     ///< of listings
  std::string token = "hf_secret";    ///< whoever has it may do everything
  std::set<std::string> secret_repos; ///< invisible without the token
  std::set<std::string> gated_repos;  ///< files only with the token

private:
  struct version {
    std::string hash;
    file_tree files;
  };
  struct repository {
    bool is_private = false;
    std::vector<version> versions;
  };

  http_reply answer_hub(const http_call& call);
  http_reply answer_storage(const http_call& call);
  http_reply take_part(const http_call& call, const std::string& upload, int number);
  http_reply complete_upload(const http_call& call, const std::string& upload);
  http_reply revision(const http_call& call, const std::string& repo, const std::string& rev);
  http_reply tree(const http_call& call, const std::string& repo, const std::string& rev);
  http_reply resolve(const http_call& call, const std::string& repo, const std::string& rest);
  http_reply create(const http_call& call);
  http_reply preupload(const http_call& call);
  http_reply lfs_batch(const http_call& call);
  http_reply lfs_verify(const http_call& call);
  http_reply take_commit(const http_call& call, const std::string& repo);
  const version* find(const std::string& repo, const std::string& rev) const;
  std::string add_version(const std::string& repo, file_tree files);
  bool knows(const http_call& call) const {
    return call.header("authorization") == "Bearer " + token;
  }

  mutable std::mutex mutex_; // guards what follows
  std::map<std::string, repository> repos_;
  std::map<std::string, std::string> objects_; ///< large files by SHA-256
  /// Uploads in parts. Every batch that asks for one begins it anew, as storage hosts do.
  struct parted_upload {
    std::string oid;
    std::map<int, std::string> parts;
  };
  std::map<std::string, parted_upload> uploads_; ///< by the id in their addresses
  std::size_t commits_ = 0;
  std::size_t begun_uploads_ = 0;
  std::unique_ptr<http_server> storage_;
  std::unique_ptr<http_server> hub_;
};

/// The names that the Hub gives contents.
[[nodiscard]] std::string sha256_of(const std::string& content);
[[nodiscard]] std::string git_blob_of(const std::string& content);

} // namespace larql::test
