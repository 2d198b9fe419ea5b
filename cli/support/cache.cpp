#include "cli/support/cache.hpp"

#include "runtime/base/file_lock.hpp"
#include "runtime/base/file_writer.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/base/output_path.hpp"
#include "runtime/base/unfinished_state.hpp"
#include "runtime/hub/pull_state.hpp"
#include "runtime/hub/url.hpp"
#include "runtime/vindex/directory.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/locations.hpp"

#include <algorithm>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view hub_dir = "hub";
constexpr std::string_view files_dir = "files";
constexpr std::string_view extracted_dir = "extracted";
constexpr std::uint64_t max_origin_bytes = 1 << 16;

// Of an identity's 64 digits: enough to tell sources apart.
std::string short_name(const std::string& identity) {
  return identity.substr(0, 32);
}

fs::path origin_path(const fs::path& dir) {
  return dir.parent_path() / (dir.filename().string() + ".origin");
}

// What a tree takes on disk: holes take nothing.
std::uint64_t bytes_on_disk(const fs::path& dir) {
  auto sum = std::uint64_t{0};
  auto error = std::error_code{};
  for (auto it = fs::recursive_directory_iterator{dir, error};
       !error && it != fs::recursive_directory_iterator{}; it.increment(error)) {
    struct stat st {};
    if (::lstat(it->path().c_str(), &st) == 0)
      sum += static_cast<std::uint64_t>(st.st_blocks) * 512;
  }
  return sum;
}

std::vector<fs::path> directories_in(const fs::path& dir) {
  auto out = std::vector<fs::path>{};
  auto error = std::error_code{};
  for (auto it = fs::directory_iterator{dir, error}; !error && it != fs::directory_iterator{};
       it.increment(error))
    if (auto ignored = std::error_code{}; it->is_directory(ignored) && !it->is_symlink(ignored))
      out.push_back(it->path());
  std::sort(out.begin(), out.end());
  return out;
}

bool is_there(const fs::path& path) {
  auto ignored = std::error_code{};
  return fs::exists(path, ignored);
}

bool is_as_it_was(const vindex::real_file& f) {
  const auto in = file::open(f.path);
  return in && (!f.stamp || f.is_same(in->stamp()));
}

// Whether a command of ours has begun the directory and not finished it.
bool is_unfinished(const fs::path& dir) {
  return dir.extension() == ".partial" && is_there(dir / unfinished_state_file);
}

// Nothing if the directory is not one of ours: the cache may have been set to a place where others
// keep things as well.
std::optional<cache_entry> entry_of_file(const fs::path& dir) {
  auto out = cache_entry{cache_kind::file, dir, "unfinished", true, bytes_on_disk(dir)};
  if (is_unfinished(dir))
    return out;
  const auto where = vindex::read_locations(dir);
  if (!where || !*where || (*where)->files.empty())
    return std::nullopt;
  const auto& files = (*where)->files;
  out.source = files[0].path.string();
  out.is_gone = !std::all_of(files.begin(), files.end(), [](const vindex::real_file& f) {
    return !f.stamp || is_as_it_was(f);
  });
  return out;
}

std::optional<cache_entry> entry_of_extract(const fs::path& dir) {
  auto out = cache_entry{cache_kind::extracted, dir, "unfinished", false, bytes_on_disk(dir)};
  if (is_unfinished(dir))
    return out;
  const auto text = read_text_file(origin_path(dir), max_origin_bytes);
  if (!text || !is_there(dir / vindex::index_file))
    return std::nullopt;
  out.source = text->substr(0, text->find('\n'));
  out.is_gone = !hub::is_hub_path(out.source) && !is_there(out.source);
  return out;
}

std::optional<cache_entry> entry_of_hub(const fs::path& dir) {
  if (!is_there(hub::pull_layout{dir}.own()))
    return std::nullopt;
  return cache_entry{
      cache_kind::hub, dir,
      fmt::format("hf://{}/{}", dir.parent_path().filename().string(), dir.filename().string()),
      false, bytes_on_disk(dir)};
}

// An error if another process works in the directory.
result<void> check_not_in_use(const fs::path& dir) {
  for (const auto& path : {hub::pull_layout{dir}.lock(), dir / unfinished_state_file}) {
    const auto fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0)
      continue;
    const auto locked = try_lock(fd, path);
    const auto holder = locked && !*locked ? lock_holder(fd) : std::string{};
    ::close(fd);
    if (!holder.empty())
      return fail(errc::unavailable, "{}: {} is writing to it", dir.string(), holder);
  }
  return {};
}

} // namespace

result<fs::path> cache_directory(const environment_fn& environment) {
  if (const auto own = environment("LARQL_CACHE"))
    return fs::path{*own};
  if (const auto xdg = environment("XDG_CACHE_HOME"))
    return fs::path{*xdg} / "larql";
  if (const auto home = environment("HOME"))
    return fs::path{*home} / ".cache" / "larql";
  return fail(errc::usage, "no place for downloads: set LARQL_CACHE to a directory");
}

result<fs::path> cached_model_path(const hub::repo& r, const environment_fn& environment) {
  LARQL_TRY(const auto cache, cache_directory(environment));
  return cache / hub_dir / r.owner /
         fmt::format("{}@{}", r.name, hub::percent_encode(r.revision, false));
}

result<fs::path> cached_file_path(const std::string& identity, const environment_fn& environment) {
  LARQL_TRY(const auto cache, cache_directory(environment));
  return cache / files_dir / short_name(identity);
}

result<fs::path> cached_extract_path(const std::string& identity,
                                     const environment_fn& environment) {
  LARQL_TRY(const auto cache, cache_directory(environment));
  return cache / extracted_dir / (short_name(identity) + "-q4k");
}

result<void> note_origin(const fs::path& dir, const fs::path& source) {
  return write_text_file(origin_path(dir), source.string() + "\n");
}

std::string_view to_string(cache_kind kind) noexcept {
  switch (kind) {
  case cache_kind::hub: return "hub";
  case cache_kind::file: return "file";
  case cache_kind::extracted: return "extracted";
  }
  return "unknown";
}

result<std::vector<cache_entry>> list_cache(const fs::path& cache) {
  auto out = std::vector<cache_entry>{};
  LARQL_TRY(const auto exists, path_exists(cache));
  if (!exists)
    return out;
  const auto add = [&](std::optional<cache_entry> entry) {
    if (entry)
      out.push_back(*std::move(entry));
  };
  for (const auto& owner : directories_in(cache / hub_dir))
    for (const auto& dir : directories_in(owner))
      add(entry_of_hub(dir));
  for (const auto& dir : directories_in(cache / files_dir))
    add(entry_of_file(dir));
  for (const auto& dir : directories_in(cache / extracted_dir))
    add(entry_of_extract(dir));
  return out;
}

result<void> remove_entry(const cache_entry& entry) {
  LARQL_TRY_VOID(check_not_in_use(entry.dir));
  const auto rules = vindex::vindex_output(true, {});
  LARQL_TRY_VOID(check_removable(entry.dir, rules));
  if (entry.kind != cache_kind::hub) { // a repository may have any files
    LARQL_TRY(const auto foreign, find_foreign(entry.dir, rules.is_known));
    if (foreign)
      return fail(errc::usage, "{}: holds {}, which larql has not made; move it away",
                  entry.dir.string(), *foreign);
  }
  auto error = std::error_code{};
  fs::remove_all(entry.dir, error);
  if (!error)
    fs::remove(origin_path(entry.dir), error);
  if (error)
    return fail(errc::io, "{}: remove: {}", entry.dir.string(), error.message());
  fs::remove(entry.dir.parent_path(), error); // of a Hub's owner, if it was the last
  return {};
}

} // namespace larql::cli
