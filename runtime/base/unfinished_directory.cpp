#include "runtime/base/unfinished_directory.hpp"

#include "runtime/base/file_writer.hpp"
#include "runtime/base/mapped_file.hpp"

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

} // namespace

result<void> make_directories(const fs::path& path) {
  auto error = std::error_code{};
  fs::create_directories(path, error);
  if (error)
    return fail(errc::io, "{}: create directory: {}", path.string(), error.message());
  return {};
}

result<void> check_destination(const fs::path& destination, bool replace) {
  LARQL_TRY(const auto exists, path_exists(without_slash(destination)));
  if (exists && !replace)
    return fail(errc::usage, "{}: exists already (use --force to replace it)",
                without_slash(destination).string());
  return {};
}

result<unfinished_directory> unfinished_directory::open(const fs::path& destination,
                                                        std::string_view state, bool replace) {
  LARQL_TRY_VOID(check_destination(destination, replace));
  auto out = unfinished_directory{};
  out.replace_ = replace;
  out.destination_ = without_slash(destination);
  out.partial_ = out.destination_;
  out.partial_ += ".partial";
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
  LARQL_TRY_VOID(remove_tree(partial_ / state_file));
  if (replace_)
    LARQL_TRY_VOID(remove_tree(destination_));
  auto error = std::error_code{};
  fs::rename(partial_, destination_, error);
  if (error)
    return fail(errc::io, "{}: rename to {}: {}", partial_.string(), destination_.string(),
                error.message());
  return {};
}

} // namespace larql
