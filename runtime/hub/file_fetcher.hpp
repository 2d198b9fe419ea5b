// Brings planned files of a commit into a directory, each as far as it is wanted, and checks them:
// what is here already, what is missing, progress over all of them. Files stay among the parts;
// their caller gives them their places.
//
// Blocking  Downloads; ends soon after http.stop is requested.
// Errors    As transfer.hpp; errc::cancelled if it was stopped, the same pull goes on.

#pragma once

#include "runtime/hub/pull_options.hpp"
#include "runtime/hub/transfer.hpp"

namespace larql::hub {

class file_fetcher {
public:
  using url_fn = std::function<std::string(const remote_file&)>;

  /// `layout` and `options` outlive it; the functions are called by several threads.
  file_fetcher(const pull_layout& layout, const pull_options& options, url_fn url_of,
               checks_of_fn checks_of)
      : layout_(layout),
        options_(options),
        url_of_(std::move(url_of)),
        checks_of_(std::move(checks_of)) {}

  /// Brings what is missing. The last call of a pull, for everything that is wanted, has progress,
  /// and with options.check looks at what is here as well.
  [[nodiscard]] result<void> fetch(const std::vector<planned_file>& files, bool is_last);

  /// Of complete files: how many of the wanted bytes no hash covers.
  [[nodiscard]] result<std::uint64_t> unchecked_bytes(const std::vector<planned_file>& files) const;

  /// By all calls so far.
  [[nodiscard]] std::uint64_t fetched_bytes() const noexcept { return fetched_; }

private:
  /// Whether all of it is here, and checked as far as it can be.
  [[nodiscard]] result<bool> is_complete(const planned_file& f, std::uint64_t& held_bytes,
                                         bool& checked) const;
  [[nodiscard]] result<void> check_not_in_the_way(const planned_file& f) const;

  const pull_layout& layout_;
  const pull_options& options_;
  url_fn url_of_;
  checks_of_fn checks_of_;
  std::uint64_t fetched_ = 0;
};

} // namespace larql::hub
