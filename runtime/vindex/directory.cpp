#include "runtime/vindex/directory.hpp"

#include <algorithm>

namespace larql::vindex {

namespace fs = std::filesystem;

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
