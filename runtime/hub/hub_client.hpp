// The Hub's own endpoints for reading a repository.
//
// Blocking, errors, threads: as http_client.hpp.

#pragma once

#include "runtime/hub/http_client.hpp"
#include "runtime/hub/hub_json.hpp"
#include "runtime/hub/repo.hpp"

namespace larql::hub {

class hub_client {
public:
  explicit hub_client(const http_settings& settings) : settings_(settings), http_(settings) {}

  [[nodiscard]] http_client& http() noexcept { return http_; }
  [[nodiscard]] const std::string& endpoint() const noexcept { return settings_.access.endpoint; }

  /// The commit that a branch or tag means now.
  [[nodiscard]] result<std::string> commit_of(const repo& r);

  /// All files of a commit, sorted by path.
  [[nodiscard]] result<std::vector<remote_file>> files_of(const repo& r, const std::string& commit);

  /// Where a file of a commit is.
  [[nodiscard]] std::string file_url(const repo& r, const std::string& commit,
                                     std::string_view path) const;

  /// "https://host/api/models/owner/name"
  [[nodiscard]] std::string api_url(const repo& r) const;

private:
  const http_settings& settings_;
  http_client http_;
};

} // namespace larql::hub
