#include "runtime/base/unfinished_directory.hpp"

#include "runtime/base/file_writer.hpp"
#include "runtime/base/mapped_file.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>

namespace larql {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view state_file = ".unfinished.json";
constexpr std::uint64_t max_state_bytes = 16 << 20;

// "X.vindex/" is X.vindex: a sibling of it gets the unfinished files, not a child.
fs::path without_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

result<void> remove_tree(const fs::path& path) {
  auto error = std::error_code{};
  fs::remove_all(path, error);
  if (error)
    return fail(errc::io, "{}: remove: {}", path.string(), error.message());
  return {};
}

fs::path with_suffix(fs::path path, std::string_view suffix) {
  path += suffix;
  return path;
}

result<void> rename_path(const fs::path& from, const fs::path& to) {
  auto error = std::error_code{};
  fs::rename(from, to, error);
  if (error)
    return fail(errc::io, "{}: rename to {}: {}", from.string(), to.string(), error.message());
  return {};
}

// Where the old destination stands while it is replaced in two steps.
fs::path replaced_path(const fs::path& destination) {
  return with_suffix(destination, ".replaced");
}

// Gives `from` the name of `to`, which goes away only when `from` has its name. Some file systems
// cannot exchange two names in one step. A reader may then see no `to` for a moment.
result<void> replace_path(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0)
    return remove_tree(from); // the old one, under the new one's former name
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
    return fail(errc::io, "{}: exchange with {}: {}", from.string(), to.string(),
                errno_text(errno));
  const auto old = replaced_path(to);
  LARQL_TRY_VOID(rename_path(to, old));
  LARQL_TRY_VOID(rename_path(from, to));
  return remove_tree(old);
}

// Ends what a killed run had begun in finish(). Its state file says that there was one; without it
// nothing is touched, because a neighbour with such a name may be anybody's.
result<void> end_interrupted_finish(const fs::path& destination, const fs::path& partial) {
  const auto old = replaced_path(destination);
  LARQL_TRY(const auto is_named, path_exists(destination / state_file));
  if (is_named) { // whole: only the old one, wherever it stands by now, is left to be removed
    LARQL_TRY_VOID(remove_tree(old));
    LARQL_TRY_VOID(remove_tree(partial));
    return remove_tree(destination / state_file);
  }
  LARQL_TRY(const auto exists, path_exists(destination));
  LARQL_TRY(const auto old_exists, path_exists(old));
  LARQL_TRY(const auto is_unnamed, path_exists(partial / state_file));
  return !exists && old_exists && is_unnamed ? rename_path(old, destination) : result<void>{};
}

} // namespace

result<void> make_directories(const fs::path& path) {
  auto error = std::error_code{};
  fs::create_directories(path, error);
  if (error)
    return fail(errc::io, "{}: create directory: {}", path.string(), error.message());
  return {};
}

result<void> check_destination(const fs::path& destination, bool replace) {
  const auto real = without_slash(destination);
  LARQL_TRY(const auto exists, path_exists(real));
  if (!exists || replace)
    return {};
  // A run that was killed at its very end has left its notes in a directory that is whole.
  LARQL_TRY_VOID(end_interrupted_finish(real, with_suffix(real, ".partial")));
  return fail(errc::usage, "{}: exists already (use --force to replace it)", real.string());
}

result<unfinished_directory> unfinished_directory::open(const fs::path& destination,
                                                        std::string_view state, bool replace) {
  auto out = unfinished_directory{};
  out.replace_ = replace;
  out.destination_ = without_slash(destination);
  out.partial_ = with_suffix(out.destination_, ".partial");
  LARQL_TRY_VOID(end_interrupted_finish(out.destination_, out.partial_));
  LARQL_TRY_VOID(check_destination(destination, replace));
  LARQL_TRY(const auto exists, path_exists(out.partial_));
  if (exists) {
    const auto found = read_text_file(out.partial_ / state_file, max_state_bytes);
    if (found && *found == state)
      return out;
    LARQL_TRY_VOID(remove_tree(out.partial_));
  }
  LARQL_TRY_VOID(make_directories(out.partial_));
  LARQL_TRY_VOID(write_text_file(out.partial_ / state_file, state));
  return out;
}

// For a failure before the first file, like a disk that is too small.
void unfinished_directory::remove_if_empty() const {
  auto error = std::error_code{};
  for (auto it = fs::directory_iterator{partial_, error}; it != fs::directory_iterator{};
       it.increment(error))
    if (it->path().filename() != state_file)
      return;
  if (error) // it cannot be read, so its content is unknown
    return;
  fs::remove(partial_ / state_file, error);
  fs::remove(partial_, error);
}

result<void> unfinished_directory::finish(result<void> made) {
  if (!made) {
    remove_if_empty();
    return made;
  }
  // The state file goes last: until then the next run knows what this one was about to do.
  LARQL_TRY(const auto exists, path_exists(destination_));
  LARQL_TRY_VOID(exists && replace_ ? replace_path(partial_, destination_)
                                    : rename_path(partial_, destination_));
  LARQL_TRY_VOID(sync_directory(destination_.parent_path()));
  return remove_tree(destination_ / state_file);
}

} // namespace larql
