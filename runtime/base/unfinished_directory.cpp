#include "runtime/base/unfinished_directory.hpp"

#include "runtime/base/file_lock.hpp"
#include "runtime/base/file_writer.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/base/unfinished_state.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace larql {

namespace {

namespace fs = std::filesystem;

// How often another process may finish the directory just before this one gets the lock.
constexpr auto most_tries = 100;

result<void> remove_tree(const fs::path& path) {
  auto error = std::error_code{};
  fs::remove_all(path, error);
  if (error)
    return fail(errc::io, "{}: remove: {}", path.string(), error.message());
  return {};
}

fs::path partial_path(fs::path destination) {
  destination += ".partial";
  return destination;
}

result<void> rename_path(const fs::path& from, const fs::path& to) {
  auto error = std::error_code{};
  fs::rename(from, to, error);
  if (error)
    return fail(errc::io, "{}: rename to {}: {}", from.string(), to.string(), error.message());
  return {};
}

bool is_ours(const output_rules& rules, std::string_view name) {
  return name == unfinished_state_file || is_temporary_name(fs::path{name}.filename().string()) ||
         rules.is_known(name);
}

result<void> check_files(const fs::path& dir, const output_rules& rules) {
  LARQL_TRY(const auto foreign,
            find_foreign(dir, [&](std::string_view name) { return is_ours(rules, name); }));
  if (foreign)
    return fail(errc::usage, "{}: holds {}, which is no file of a {}; {}", dir.string(), *foreign,
                rules.kind, only_replaces(rules));
  return {};
}

bool has_nothing(const fs::path& dir) {
  auto error = std::error_code{};
  return fs::is_empty(dir, error) && !error;
}

bool has_state_file(const fs::path& dir) {
  auto error = std::error_code{};
  return fs::is_regular_file(fs::symlink_status(dir / unfinished_state_file, error));
}

// Of a destination that exists.
result<void> check_existing(const fs::path& dir, const output_rules& rules) {
  LARQL_TRY_VOID(check_removable(dir, rules));
  LARQL_TRY_VOID(check_files(dir, rules));
  if (!has_nothing(dir) && !has_state_file(dir))
    if (const auto kind = rules.check_kind(dir); !kind)
      return kind.error().code == errc::unavailable
                 ? kind
                 : fail(errc::usage, "{}: is no {} ({}); {}", dir.string(), rules.kind,
                        kind.error().text, only_replaces(rules));
  if (!rules.replace)
    return fail(errc::usage, "{}: exists already (use --force to replace it)", dir.string());
  return {};
}

// Of a partial directory that exists: only one that such a command has begun is continued or
// replaced.
result<void> check_partial(const fs::path& dir, const output_rules& rules) {
  auto error = std::error_code{};
  const auto refuse = [&](std::string_view what) {
    return fail(errc::usage,
                "{}: {}: no unfinished {} of larql's; move it away, or choose another "
                "output",
                dir.string(), what, rules.kind);
  };
  const auto type = [&] { return fs::symlink_status(dir, error).type(); };
  if (const auto t = type(); t == fs::file_type::not_found)
    return {}; // another process has just finished it
  else if (t != fs::file_type::directory)
    return refuse("is in the way");
  // In this order: what another process begins just now is empty until it has a state file.
  if (!has_nothing(dir) && !has_state_file(dir))
    return type() == fs::file_type::not_found
               ? result<void>{}
               : refuse(fmt::format("is in the way and has no {}", unfinished_state_file));
  LARQL_TRY_VOID(check_removable(dir, rules));
  return check_files(dir, rules);
}

failure held(const fs::path& destination, int fd) {
  return fail(errc::unavailable, "{}: {} is writing to it", destination.string(), lock_holder(fd));
}

// A state file that is open for as long as a value lives.
class open_state {
public:
  static result<open_state> of(const fs::path& dir) {
    LARQL_TRY(const auto fd, open_unfinished_state(dir, false));
    auto out = open_state{};
    out.fd_ = fd;
    return out;
  }
  open_state(open_state&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~open_state() {
    if (fd_ >= 0)
      ::close(fd_);
  }
  [[nodiscard]] int fd() const noexcept { return fd_; }

private:
  open_state() = default;
  int fd_ = -1;
};

// What an old one is called while it is put aside; a random number makes it unique.
std::string aside_prefix(const fs::path& destination) {
  return fmt::format(".{}.", destination.filename().string().substr(0, 200));
}

// Where the state file says that the old one of this destination was put; empty if it names
// something else.
fs::path put_aside(const unfinished_state& log, const fs::path& destination) {
  if (!log.aside.starts_with(aside_prefix(destination)))
    return {};
  return destination.parent_path() / log.aside;
}

// The new one has its name, and a state file: what may be missing is that the old one goes, under
// the name that the state file tells, and then the state file.
result<void> end_finish(const fs::path& destination, const output_rules& rules) {
  LARQL_TRY(const auto state, open_state::of(destination));
  if (state.fd() < 0)
    return {};
  LARQL_TRY(const auto locked, try_lock(state.fd(), destination));
  if (!locked)
    return held(destination, state.fd());
  LARQL_TRY(const auto log, read_unfinished_state(state.fd(), destination));
  if (!log.finished)
    return {}; // an unfinished one that somebody has renamed
  const auto partial = partial_path(destination);
  if (const auto old = put_aside(log, destination); !old.empty())
    LARQL_TRY_VOID(remove_tree(old));
  LARQL_TRY(const auto exists, path_exists(partial));
  if (log.exchange && exists && !has_state_file(partial)) {
    LARQL_TRY_VOID(check_removable(partial, rules));
    LARQL_TRY_VOID(check_files(partial, rules));
    LARQL_TRY_VOID(remove_tree(partial));
  }
  return remove_tree(destination / unfinished_state_file);
}

// The old one was put aside and the new one has not got its name.
result<void> bring_back(const fs::path& destination) {
  const auto partial = partial_path(destination);
  LARQL_TRY(const auto state, open_state::of(partial));
  if (state.fd() < 0)
    return {};
  LARQL_TRY(const auto locked, try_lock(state.fd(), partial));
  if (!locked)
    return held(destination, state.fd());
  LARQL_TRY(const auto log, read_unfinished_state(state.fd(), partial));
  const auto old = put_aside(log, destination);
  if (old.empty())
    return {};
  LARQL_TRY(const auto exists, path_exists(old));
  return exists ? rename_path(old, destination) : result<void>{};
}

result<void> end_interrupted_finish(const fs::path& destination, const output_rules& rules) {
  LARQL_TRY(const auto exists, path_exists(destination));
  return exists ? end_finish(destination, rules) : bring_back(destination);
}

} // namespace

result<void> make_directories(const fs::path& path) {
  auto error = std::error_code{};
  fs::create_directories(path, error);
  if (error)
    return fail(errc::io, "{}: create directory: {}", path.string(), error.message());
  return {};
}

result<void> check_destination(const fs::path& destination, const output_rules& rules) {
  LARQL_TRY(const auto to, output_path(destination));
  LARQL_TRY(const auto exists, path_exists(to));
  if (exists) {
    // A run that was killed at its very end has left its notes in a directory that is whole.
    LARQL_TRY_VOID(end_finish(to, rules));
    LARQL_TRY_VOID(check_existing(to, rules));
  }
  const auto partial = partial_path(to);
  auto error = std::error_code{};
  const auto begun = fs::exists(fs::symlink_status(partial, error));
  // The old one may stand there since a run was killed; then the state file of the new one says so.
  if (begun && !(exists && has_state_file(to)))
    return check_partial(partial, rules);
  return {};
}

// ---- opening ------------------------------------------------------------------------------------

unfinished_directory::unfinished_directory(unfinished_directory&& other) noexcept {
  *this = std::move(other);
}

unfinished_directory& unfinished_directory::operator=(unfinished_directory&& other) noexcept {
  std::swap(destination_, other.destination_);
  std::swap(partial_, other.partial_);
  std::swap(rules_, other.rules_);
  std::swap(fd_, other.fd_);
  return *this;
}

unfinished_directory::~unfinished_directory() {
  let_go();
}

void unfinished_directory::let_go() {
  if (fd_ >= 0)
    ::close(std::exchange(fd_, -1));
}

result<unfinished_directory> unfinished_directory::open(const fs::path& destination,
                                                        std::string_view state,
                                                        output_rules rules) {
  LARQL_CHECK(state.find('\n') == std::string_view::npos);
  auto out = unfinished_directory{};
  out.rules_ = std::move(rules);
  LARQL_TRY(out.destination_, output_path(destination));
  out.partial_ = partial_path(out.destination_);
  for (auto tries = 0; tries < most_tries; ++tries) {
    LARQL_TRY_VOID(end_interrupted_finish(out.destination_, out.rules_));
    LARQL_TRY_VOID(check_destination(out.destination_, out.rules_));
    LARQL_TRY_VOID(make_directories(out.partial_));
    LARQL_TRY(const auto locked, out.take_lock());
    if (!locked)
      continue;
    LARQL_TRY_VOID(check_partial(out.partial_, out.rules_)); // nobody else works there from now on
    LARQL_TRY_VOID(out.begin(state));
    return out;
  }
  return fail(errc::unavailable, "{}: other processes are writing to it", destination.string());
}

// False if another process has finished the directory in this moment.
result<bool> unfinished_directory::take_lock() {
  let_go();
  LARQL_TRY(fd_, open_unfinished_state(partial_, true));
  if (fd_ < 0)
    return false;
  LARQL_TRY(const auto locked, try_lock(fd_, partial_));
  if (!locked)
    return held(destination_, fd_);
  return is_same_file(fd_, partial_ / unfinished_state_file);
}

// Goes on with what an earlier run has made, or starts anew.
result<void> unfinished_directory::begin(std::string_view state) {
  LARQL_TRY_VOID(remove_temporary_files(partial_));
  LARQL_TRY(const auto log, read_unfinished_state(fd_, partial_));
  if (log.made == state)
    return {};
  auto others = std::vector<fs::path>{};
  auto error = std::error_code{};
  for (auto it = fs::directory_iterator{partial_, error}; !error && it != fs::directory_iterator{};
       it.increment(error))
    if (it->path().filename() != unfinished_state_file)
      others.push_back(it->path());
  if (error)
    return fail(errc::io, "{}: list: {}", partial_.string(), error.message());
  if (!others.empty() && !rules_.replace)
    return fail(errc::usage,
                "{}: holds an unfinished {} of another source or of other options: the command "
                "that began it goes on with it, --force starts anew",
                partial_.string(), rules_.kind);
  for (const auto& path : others)
    LARQL_TRY_VOID(remove_tree(path));
  if (::ftruncate(fd_, 0) != 0)
    return fail(errc::io, "{}: set size: {}", (partial_ / unfinished_state_file).string(),
                errno_text(errno));
  LARQL_TRY_VOID(note(state));
  LARQL_TRY_VOID(sync_directory(partial_));
  return sync_directory(destination_.parent_path());
}

result<void> unfinished_directory::note(std::string_view step) {
  return append_line(fd_, partial_, step);
}

// ---- finishing ----------------------------------------------------------------------------------

// For a failure before the first file, like a disk that is too small.
void unfinished_directory::remove_if_empty() const {
  auto error = std::error_code{};
  for (auto it = fs::directory_iterator{partial_, error}; it != fs::directory_iterator{};
       it.increment(error))
    if (it->path().filename() != unfinished_state_file)
      return;
  if (error) // it cannot be read, so its content is unknown
    return;
  fs::remove(partial_ / unfinished_state_file, error);
  fs::remove(partial_, error);
}

// Gives the new one its name and takes the old one away only when that is on disk. Some file
// systems cannot exchange two names in one step; there a reader may see neither for a moment, and
// the next run brings the old one back.
result<void> unfinished_directory::replace() {
  const auto parent = destination_.parent_path();
  LARQL_TRY_VOID(note(unfinished_step::exchange));
  if (::renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, destination_.c_str(), RENAME_EXCHANGE) ==
      0) {
    LARQL_TRY_VOID(sync_directory(parent));
    return remove_tree(partial_);
  }
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
    return fail(errc::io, "{}: exchange with {}: {}", partial_.string(), destination_.string(),
                errno_text(errno));
  const auto name = fmt::format("{}{}.old", aside_prefix(destination_), random_name());
  const auto old = parent / name;
  LARQL_TRY_VOID(note(fmt::format("{}{}", unfinished_step::aside, name)));
  LARQL_TRY_VOID(rename_path(destination_, old));
  LARQL_TRY_VOID(rename_path(partial_, destination_));
  LARQL_TRY_VOID(sync_directory(parent));
  return remove_tree(old);
}

// The state file goes last: until then the next run knows what this one was about to do.
result<void> unfinished_directory::give_name() {
  LARQL_TRY_VOID(remove_temporary_files(partial_));
  LARQL_TRY_VOID(note(unfinished_step::finished));
  LARQL_TRY(const auto exists, path_exists(destination_));
  if (exists) { // it may have come, or changed, since the work began
    LARQL_TRY_VOID(check_existing(destination_, rules_));
    LARQL_TRY_VOID(replace());
  } else {
    LARQL_TRY_VOID(rename_path(partial_, destination_));
    LARQL_TRY_VOID(sync_directory(destination_.parent_path()));
  }
  LARQL_TRY_VOID(remove_tree(destination_ / unfinished_state_file));
  return sync_directory(destination_);
}

result<void> unfinished_directory::finish(result<void> made) {
  if (made)
    made = give_name();
  else
    remove_if_empty();
  let_go();
  return made;
}

} // namespace larql
