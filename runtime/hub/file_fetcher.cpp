#include "runtime/hub/file_fetcher.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/disk_space.hpp"

#include <algorithm>

namespace larql::hub {

namespace fs = std::filesystem;

result<bool> file_fetcher::is_complete(const planned_file& f, std::uint64_t& held_bytes,
                                       bool& checked) const {
  const auto local = find_local(layout_, f);
  const auto missing = f.wanted.without(local.state.held);
  held_bytes = f.wanted.bytes() - missing.bytes();
  checked = true;
  if (f.remote.bytes == 0)
    return path_exists(local.path);
  if (!missing.empty())
    return false;
  LARQL_TRY(const auto in, file::open(local.path));
  LARQL_TRY(const auto all, checks_of_(f, in));
  auto covered = interval_set{};
  for (const auto& c : all) {
    covered.add(c.bytes);
    if (!local.state.verified.contains(c.bytes))
      return false;
  }
  checked = covered.contains(f.wanted);
  return true;
}

result<std::uint64_t> file_fetcher::unchecked_bytes(const std::vector<planned_file>& files) const {
  auto sum = std::uint64_t{0};
  for (const auto& f : files) {
    auto held = std::uint64_t{0};
    auto checked = false;
    LARQL_TRY(const auto complete, is_complete(f, held, checked));
    LARQL_CHECK(complete);
    sum += checked ? 0 : f.wanted.bytes();
  }
  return sum;
}

// A file that no pull has brought is somebody's own.
result<void> file_fetcher::check_not_in_the_way(const planned_file& f) const {
  auto error = std::error_code{};
  const auto place = layout_.place(f.remote.path, f.is_meta);
  if (fs::exists(layout_.journal(f.remote.path), error) ||
      !fs::exists(fs::symlink_status(place, error)))
    return {};
  return fail(errc::usage,
              "{}: exists and was not made by a pull; move it away, or choose "
              "another directory",
              place.string());
}

result<void> file_fetcher::fetch(const std::vector<planned_file>& files, bool is_last) {
  const auto again = options_.check && is_last;
  auto unfinished = std::vector<const planned_file*>{};
  auto p = pull_progress{};
  for (const auto& f : files) {
    auto held = std::uint64_t{0};
    auto checked = false;
    LARQL_TRY(const auto complete, is_complete(f, held, checked));
    p.total_bytes += f.wanted.bytes();
    p.resumed_bytes += held;
    if (!complete || (again && f.remote.bytes != 0))
      unfinished.push_back(&f);
  }
  if (unfinished.empty())
    return {};
  LARQL_TRY_VOID(check_free_space(layout_.dir(), p.total_bytes - p.resumed_bytes));
  auto targets = std::vector<std::unique_ptr<pull_target>>{};
  for (const auto* f : unfinished) {
    LARQL_TRY_VOID(check_not_in_the_way(*f));
    targets.push_back(std::make_unique<pull_target>(layout_, *f, again));
  }
  auto last = std::uint64_t{0};
  auto o = transfer_options{};
  o.connections = options_.connections;
  o.url_of = url_of_;
  o.checks_of = checks_of_;
  o.on_progress = [&](std::uint64_t fetched, const std::string& name) {
    last = fetched;
    p.done_bytes = std::min(p.resumed_bytes + fetched, p.total_bytes);
    p.file = name;
    if (is_last && options_.on_progress)
      options_.on_progress(p);
  };
  const auto done = transfer(targets, options_.http, o);
  fetched_ += last;
  if (!done && done.error().code == errc::cancelled)
    return fail(errc::cancelled, "stopped; the same command goes on from here");
  return done;
}

} // namespace larql::hub
