#include "runtime/hub/pull_target.hpp"

#include "runtime/base/unfinished_directory.hpp"
#include "runtime/hub/git_blob.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace larql::hub {

namespace {

namespace fs = std::filesystem;

// How much may have to be fetched again after the machine (not just the process) went down.
constexpr std::uint64_t sync_bytes = 64 << 20;

bool has_size(const fs::path& path, std::uint64_t bytes) {
  auto error = std::error_code{};
  return fs::is_regular_file(path, error) && fs::file_size(path, error) == bytes && !error;
}

} // namespace

local_copy find_local(const pull_layout& layout, const planned_file& f) {
  const auto& name = f.remote.path;
  auto out = local_copy{};
  auto state = read_journal(layout.journal(name), f.content());
  const auto in_place = layout.place(name, f.is_meta);
  out.path = layout.part(name);
  // A part is what the journal is about as long as there is one.
  if (has_size(out.path, f.remote.bytes)) {
    out.state = std::move(state);
  } else if (auto error = std::error_code{}; !fs::exists(out.path, error) &&
                                             has_size(in_place, f.remote.bytes) &&
                                             !state.held.empty()) {
    out.path = in_place;
    out.in_place = true;
    out.state = std::move(state);
  } else if (f.remote.bytes == 0 && has_size(in_place, 0)) {
    out.path = in_place;
    out.in_place = true;
  }
  return out;
}

result<void> move_into_place(const pull_layout& layout, const planned_file& f) {
  if (find_local(layout, f).in_place)
    return {};
  const auto from = layout.part(f.remote.path);
  const auto to = layout.place(f.remote.path, f.is_meta);
  LARQL_TRY_VOID(make_directories(to.parent_path()));
  auto error = std::error_code{};
  fs::rename(from, to, error);
  if (error)
    return fail(errc::io, "{}: rename to {}: {}", from.string(), to.string(), error.message());
  return {};
}

pull_target::pull_target(const pull_layout& layout, planned_file f, bool again)
    : plan_(std::move(f)), journal_path_(layout.journal(plan_.remote.path)) {
  auto local = find_local(layout, plan_);
  if (again)
    local.state.verified = {};
  path_ = std::move(local.path);
  in_place_ = local.in_place;
  state_ = std::move(local.state);
}

result<void> pull_target::start() {
  const auto lock = std::lock_guard{mutex_};
  if (journal_)
    return {};
  LARQL_TRY_VOID(make_directories(path_.parent_path()));
  LARQL_TRY_VOID(make_directories(journal_path_.parent_path()));
  const auto error = [&](const char* what) {
    return fail(errc::io, "{}: {}: {}", path_.string(), what, errno_text(errno));
  };
  if (fd_ < 0)
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0)
    return error("open");
  if (::ftruncate(fd_, static_cast<off_t>(plan_.remote.bytes)) != 0)
    return error("set the size");
  if (::fdatasync(fd_) != 0)
    return error("fdatasync");
  LARQL_TRY(journal_, journal::create(journal_path_, plan_.content(), std::move(state_)));
  return {};
}

result<void> pull_target::stop() {
  const auto lock = std::lock_guard{mutex_};
  if (!journal_)
    return {};
  LARQL_TRY_VOID(sync_locked());
  state_ = journal_->state();
  journal_.reset();
  ::close(std::exchange(fd_, -1));
  return {};
}

pull_target::~pull_target() {
  if (fd_ >= 0)
    ::close(fd_);
}

interval_set pull_target::missing() const {
  const auto lock = std::lock_guard{mutex_};
  return plan_.wanted.without(state().held);
}

result<void> pull_target::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return fail(errc::io, "{}: write: {}", path_.string(), errno_text(errno));
    offset += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

result<void> pull_target::record(interval written) {
  const auto lock = std::lock_guard{mutex_};
  LARQL_TRY_VOID(journal_->add(written));
  unsynced_bytes_ += written.bytes();
  return unsynced_bytes_ >= sync_bytes ? sync_locked() : result<void>{};
}

result<void> pull_target::sync_locked() {
  if (::fdatasync(fd_) != 0)
    return fail(errc::io, "{}: fdatasync: {}", path_.string(), errno_text(errno));
  unsynced_bytes_ = 0;
  return journal_->synced();
}

result<bool> pull_target::passes(const content_check& c, const file& in,
                                 const hash_progress& on_read) const {
  if (!c.sha256.empty()) {
    const auto all = byte_range{0, in.size_bytes()};
    LARQL_TRY(
        const auto found,
        hash_ranges(in, c.ranges.empty() ? std::span{&all, 1} : std::span{c.ranges}, on_read));
    return to_hex(found) == c.sha256;
  }
  LARQL_TRY(const auto found, name_file(path_, [&](std::uint64_t) { return on_read(0); }));
  return found.git_blob == c.git_blob;
}

result<void> pull_target::check(const checks_of_fn& checks_of, const hash_progress& on_read,
                                std::string& what_failed) {
  LARQL_TRY(const auto in, file::open(path_));
  LARQL_TRY(const auto checks, checks_of(plan_, in));
  for (const auto& c : checks) {
    if (journal_->state().verified.contains(c.bytes))
      continue;
    LARQL_TRY(const auto good, passes(c, in, on_read));
    const auto lock = std::lock_guard{mutex_};
    if (!good)
      what_failed =
          c.what.empty() ? plan_.remote.path : fmt::format("{}: {}", plan_.remote.path, c.what);
    for (const auto i : c.bytes.intervals())
      LARQL_TRY_VOID(good ? journal_->verified(i) : journal_->discard(i));
  }
  return {};
}

} // namespace larql::hub
