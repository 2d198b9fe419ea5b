#include "runtime/vindex/directory.hpp"

#include "runtime/base/file_lock.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/slice_parts.hpp"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

namespace larql::vindex {

namespace fs = std::filesystem;

namespace {

// ".larql-pull" is what a pull has noted about the vindex; earlier versions wrote rewritten.bin.
bool is_file_of_vindex(std::string_view name) {
  if (name == "layers/" || name.starts_with(".larql-pull/"))
    return true;
  if (name.starts_with("layers/"))
    return name.starts_with("layers/layer_") && name.ends_with(".weights") &&
           name.find('/', sizeof "layers/") == std::string_view::npos;
  return !name.ends_with('/') &&
         (name == checksums_file || name == slice_file || name == locations_file ||
          name == "heads.bin" || name == "rewritten.bin" || name == "rewritten.bin.held" ||
          name == ".texts" || name == ".stream.json" || name == checksums_lock_file ||
          part_of(name).has_value());
}

// A directory that a pull is filling at this moment is not to be taken from under it.
result<void> check_not_pulled_into(const fs::path& dir) {
  const auto path = dir / ".larql-pull" / "lock";
  const auto fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0)
    return {};
  const auto locked = try_lock(fd, path);
  const auto holder = locked && !*locked ? lock_holder(fd) : std::string{};
  ::close(fd);
  return holder.empty() ? result<void>{}
                        : fail(errc::unavailable, "{}: {} is pulling into this directory",
                               dir.string(), holder);
}

} // namespace

output_rules vindex_output(bool replace, std::vector<fs::path> sources) {
  auto out = output_rules{};
  out.replace = replace;
  out.kind = "vindex";
  out.sources = std::move(sources);
  out.is_known = is_file_of_vindex;
  out.check_kind = [](const fs::path& dir) -> result<void> {
    LARQL_TRY_VOID(check_not_pulled_into(dir));
    const auto index = read_index(dir);
    return index ? result<void>{} : index.error();
  };
  return out;
}

result<std::vector<found_file>> list_files(const fs::path& dir) {
  auto out = std::vector<found_file>{};
  auto error = std::error_code{};
  const auto add = [&](const fs::path& folder, const std::string& prefix,
                       std::vector<fs::path>* below) {
    for (auto it = fs::directory_iterator{folder, error}; !error && it != fs::directory_iterator{};
         it.increment(error)) {
      const auto name = it->path().filename().string();
      if (name.starts_with('.'))
        continue;
      auto gone = std::error_code{}; // a link that leads nowhere is no file
      if (it->is_regular_file(gone))
        out.push_back({prefix + name, fs::file_size(it->path(), gone)});
      else if (below != nullptr && it->is_directory(gone))
        below->push_back(it->path());
    }
  };
  auto below = std::vector<fs::path>{};
  add(dir, "", &below);
  for (const auto& folder : below)
    add(folder, folder.filename().string() + "/", nullptr);
  if (error)
    return fail(errc::io, "{}: list: {}", dir.string(), error.message());
  std::sort(out.begin(), out.end(),
            [](const found_file& a, const found_file& b) { return a.name < b.name; });
  return out;
}

} // namespace larql::vindex
