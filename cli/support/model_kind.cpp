#include "cli/support/model_kind.hpp"

#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/locations.hpp"

#include <algorithm>
#include <fstream>
#include <vector>

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  auto ignored = std::error_code{};
  return fs::exists(path, ignored);
}

bool is_folder(const fs::path& path) {
  auto ignored = std::error_code{};
  return fs::is_directory(path, ignored);
}

bool is_vindex(const fs::path& path) {
  return is_there(path / vindex::index_file);
}

bool is_gguf(const fs::path& file) {
  auto ignored = std::error_code{};
  if (!fs::is_regular_file(file, ignored)) // a pipe is not to be read from
    return false;
  char magic[4] = {};
  std::ifstream{file, std::ios::binary}.read(magic, sizeof magic);
  return std::string_view{magic, 4} == "GGUF";
}

// The first entry by name that `accept` takes; none in a directory that cannot be read.
template <class Accept>
fs::path first_entry(const fs::path& directory, Accept accept) {
  constexpr auto most_entries = 1000;
  auto error = std::error_code{};
  auto found = fs::path{};
  auto seen = 0;
  for (auto it = fs::directory_iterator{directory, error};
       !error && it != fs::directory_iterator{} && ++seen <= most_entries; it.increment(error))
    if (accept(it->path()) && (found.empty() || it->path() < found))
      found = it->path();
  return found;
}

// Text models: what sees goes by the name of mmproj. Of a split one the first part stands for all.
bool is_gguf_of_text(const fs::path& p) {
  const auto name = p.filename().string();
  return p.extension() == ".gguf" && name.find("mmproj") == std::string::npos &&
         (!import::parse_split_name(p) || name.find("-00001-of-") != std::string::npos) &&
         is_gguf(p);
}

fs::path gguf_in(const fs::path& directory) {
  return first_entry(directory, is_gguf_of_text);
}

bool is_checkpoint(const fs::path& directory) {
  return is_there(directory / "config.json") && !first_entry(directory, [](const fs::path& p) {
                                                   return p.extension() == ".safetensors";
                                                 }).empty();
}

// "google/gemma-4-26B-A4B-it": one slash, and nothing that only a path has.
bool looks_like_hub_name(const std::string& text) {
  return std::count(text.begin(), text.end(), '/') == 1 && text.front() != '/' &&
         text.front() != '.' && text.front() != '~' && text.back() != '/' &&
         text.find(' ') == std::string::npos;
}

std::string extract_command(const fs::path& source) {
  return fmt::format("`larql extract {} -o NAME.vindex` makes a vindex of it", source.string());
}

failure not_a_vindex_file(const fs::path& file) {
  const auto name = file.string();
  if (is_gguf(file))
    return fail(errc::usage, "{} is a GGUF file, not a vindex; {}", name, extract_command(file));
  if (file.extension() == ".safetensors")
    return fail(errc::usage, "{} is a file of a checkpoint, not a vindex; {}", name,
                fmt::format("`larql extract {} -o NAME.vindex` makes a vindex of its directory",
                            file.has_parent_path() ? file.parent_path().string() : "."));
  if (const auto parent = file.has_parent_path() ? file.parent_path() : fs::path{"."};
      is_vindex(parent))
    return fail(errc::usage, "{} is a file of a vindex; the vindex is the directory {}", name,
                parent.string());
  if (file.extension() == ".toml")
    return fail(errc::usage,
                "{} is a file, a vindex is a directory; a cluster file goes with "
                "--topology",
                name);
  return fail(errc::usage, "{} is a file, a vindex is a directory", name);
}

} // namespace

result<void> require_vindex(const fs::path& path) {
  const auto name = path.string();
  if (!is_there(path))
    return looks_like_hub_name(name) ? fail(errc::not_found,
                                            "{0}: no such directory; a model of Hugging Face is "
                                            "hf://{0}",
                                            name)
                                     : fail(errc::not_found, "{}: no such directory", name);
  if (!is_folder(path))
    return not_a_vindex_file(path);
  if (is_vindex(path))
    return {};
  if (is_checkpoint(path))
    return fail(errc::usage, "{} is a checkpoint, not a vindex; {}", name, extract_command(path));
  if (const auto gguf = gguf_in(path); !gguf.empty())
    return fail(errc::usage, "{} holds a GGUF file, but no vindex; {}", name,
                extract_command(gguf));
  if (const auto below = first_entry(path, is_vindex); !below.empty())
    return fail(errc::usage, "{} is not a vindex, but holds one: {}", name, below.string());
  return fail(errc::not_found, "{}: not a vindex: it has no {}", name, vindex::index_file);
}

result<found_model> find_model(const fs::path& path) {
  if (!is_folder(path)) {
    if (is_gguf(path))
      return found_model{model_kind::gguf, path};
    if (path.extension() == ".safetensors" && is_there(path))
      return fail(errc::usage, "{} is a file of a checkpoint; the checkpoint is its directory, {}",
                  path.string(), path.has_parent_path() ? path.parent_path().string() : ".");
  } else if (is_vindex(path)) {
    return found_model{model_kind::vindex, path};
  } else if (is_checkpoint(path)) {
    return found_model{model_kind::checkpoint, path};
  } else if (const auto first = gguf_in(path); !first.empty()) {
    const auto other =
        first_entry(path, [&](const fs::path& p) { return p != first && is_gguf_of_text(p); });
    if (other.empty())
      return found_model{model_kind::gguf, first};
    return fail(errc::usage, "{} holds several GGUF files, {} and {} among them; name one of them",
                path.string(), first.filename().string(), other.filename().string());
  }
  LARQL_TRY_VOID(require_vindex(path));
  return found_model{model_kind::vindex, path};
}

result<void> require_checkpoint(const fs::path& path) {
  const auto name = path.string();
  if (!is_there(path))
    return looks_like_hub_name(name)
               ? fail(errc::not_found,
                      "{0}: no such file or directory; a checkpoint of Hugging Face is downloaded "
                      "first, for example with `hf download {0} --local-dir DIR`",
                      name)
               : fail(errc::not_found, "{}: no such file or directory", name);
  if (!is_folder(path))
    return {}; // whether it is a GGUF, its reader says
  if (is_vindex(path))
    return fail(errc::usage, "{0} is a vindex already; `larql run {0} PROMPT` runs it", name);
  if (is_there(path / "config.json"))
    return {};
  if (const auto gguf = gguf_in(path); !gguf.empty())
    return fail(errc::usage,
                "{} is a directory with GGUF files; name one of them: larql extract "
                "{} -o NAME.vindex",
                name, gguf.string());
  return {};
}

result<void> require_own_files(const fs::path& dir) {
  LARQL_TRY(const auto where, vindex::read_locations(dir));
  if (!where || where->files.empty())
    return {};
  const auto source = where->files.front().path.string();
  return fail(errc::usage,
              "{}: the matrices of this vindex lie in {}; `larql extract` makes one of that file "
              "that has its own",
              dir.string(), source);
}

} // namespace larql::cli
