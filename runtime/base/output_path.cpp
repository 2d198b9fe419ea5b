#include "runtime/base/output_path.hpp"

#include "runtime/base/mapped_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

namespace larql {

namespace {

namespace fs = std::filesystem;

constexpr auto most_links = 40; // as the kernel

// Whether `dir` is `path` or one of the directories above it.
bool holds(const fs::path& dir, const fs::path& path) {
  auto error = std::error_code{};
  for (auto at = fs::canonical(path, error); !error; at = at.parent_path()) {
    if (fs::equivalent(at, dir, error))
      return true;
    if (at == at.parent_path())
      return false;
  }
  return false;
}

bool is_mount_point(const fs::path& dir) {
  struct statx facts {};
  if (::statx(AT_FDCWD, dir.c_str(), 0, STATX_BASIC_STATS, &facts) == 0 &&
      (facts.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0)
    return (facts.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  struct stat here {
  }, above{}; // kernels before 5.8
  return ::stat(dir.c_str(), &here) == 0 && ::stat((dir / "..").c_str(), &above) == 0 &&
         (here.st_dev != above.st_dev || here.st_ino == above.st_ino);
}

// The source, and what its files lead to where it is a directory of links.
std::vector<fs::path> with_content(const fs::path& source) {
  auto out = std::vector{source};
  auto error = std::error_code{};
  for (auto it = fs::recursive_directory_iterator{source, error};
       !error && it != fs::recursive_directory_iterator{}; it.increment(error)) {
    if (it.depth() > 0)
      it.disable_recursion_pending(); // sources have files at the root and one level below
    if (it->is_symlink())
      out.push_back(it->path());
  }
  return out;
}

} // namespace

result<fs::path> output_path(const fs::path& given) {
  if (given.empty())
    return fail(errc::usage, "the output has an empty name");
  auto path = given.has_filename() ? given : given.parent_path();
  auto error = std::error_code{};
  for (auto links = 0; fs::is_symlink(path, error); ++links) {
    if (links == most_links)
      return fail(errc::usage, "{}: more than {} links, one after another", given.string(),
                  most_links);
    const auto target = fs::read_symlink(path, error);
    if (error)
      return fail(errc::io, "{}: read link: {}", path.string(), error.message());
    path = path.parent_path() / target;
    path = path.has_filename() ? path : path.parent_path();
  }
  if (path.filename() == "." || path.filename() == "..") {
    const auto real = fs::canonical(path, error);
    return error ? fail(errc::io, "{}: {}", given.string(), error.message())
                 : result<fs::path>{real};
  }
  return path;
}

std::string kind_of_file(const fs::path& path) {
  auto error = std::error_code{};
  switch (fs::status(path, error).type()) {
  case fs::file_type::none:
  case fs::file_type::not_found: return "";
  case fs::file_type::regular: return "a file";
  case fs::file_type::directory: return "a directory";
  case fs::file_type::fifo: return "a pipe";
  case fs::file_type::socket: return "a socket";
  case fs::file_type::character:
  case fs::file_type::block: return "a device";
  default: return "something unknown";
  }
}

result<std::optional<std::string>>
find_foreign(const fs::path& dir, const std::function<bool(std::string_view)>& is_known) {
  auto error = std::error_code{};
  for (auto it = fs::recursive_directory_iterator{dir, error};
       !error && it != fs::recursive_directory_iterator{}; it.increment(error)) {
    auto name = it->path().lexically_relative(dir).generic_string();
    auto gone = std::error_code{}; // another process may write there at this moment
    if (it->symlink_status(gone).type() == fs::file_type::directory)
      name += '/';
    if (!is_known(name))
      return std::optional{std::move(name)};
  }
  if (error)
    return fail(errc::io, "{}: list: {}", dir.string(), error.message());
  return std::optional<std::string>{};
}

std::string only_replaces(const output_rules& rules) {
  return fmt::format("--force replaces a {} and nothing else", rules.kind);
}

result<void> check_removable(const fs::path& dir, const output_rules& rules) {
  const auto refuse = [&](std::string_view what) {
    return fail(errc::usage, "{}: {}; {}", dir.string(), what, only_replaces(rules));
  };
  const auto kind = kind_of_file(dir);
  if (kind != "a directory")
    return refuse("is " + kind);
  auto error = std::error_code{};
  const auto working = fs::current_path(error);
  if (!error && holds(dir, working))
    return refuse(fs::equivalent(dir, working, error) ? "is the working directory"
                                                      : "holds the working directory");
  if (is_mount_point(dir))
    return refuse("is a mount point");
  for (const auto& source : rules.sources)
    for (const auto& path : with_content(source))
      if (holds(dir, path))
        return refuse(fs::equivalent(dir, path, error)
                          ? "is the source"
                          : fmt::format("holds the source {}", path.string()));
  return {};
}

} // namespace larql
