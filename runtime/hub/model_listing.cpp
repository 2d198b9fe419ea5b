#include "runtime/hub/model_listing.hpp"

#include "runtime/base/format_bytes.hpp"
#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>

namespace larql::hub {

namespace {

namespace fs = std::filesystem;

std::string upper(std::string text) {
  for (auto& c : text)
    if (c >= 'a' && c <= 'z')
      c = static_cast<char>(c - 'a' + 'A');
  return text;
}

bool has_file(const snapshot& s, std::string_view ending) {
  return std::any_of(s.files.begin(), s.files.end(),
                     [&](const remote_file& f) { return f.path.ends_with(ending); });
}

bool is_beside_a_model(const fs::path& path) {
  const auto name = upper(path.filename().string());
  return name.find("MMPROJ") != std::string::npos || name.find("IMATRIX") != std::string::npos;
}

// "Q4_K_M/model-00001-of-00002.gguf" without its number and ending.
std::string stem_of(const std::string& path) {
  const auto split = import::parse_split_name(path);
  const auto name = split ? fs::path{split->stem} : fs::path{path}.stem();
  return (fs::path{path}.parent_path() / name).generic_string();
}

// What stands before the quantisation in a stem that ends in it; nothing in another.
std::optional<std::string> before(const std::string& quant, const std::string& stem) {
  const auto whole = upper(stem), end = upper(quant);
  if (!whole.ends_with(end))
    return std::nullopt;
  auto out = whole.substr(0, whole.size() - end.size());
  if (!out.empty() && std::string_view{"-._/"}.find(out.back()) == std::string_view::npos)
    return std::nullopt;
  return out;
}

// "UD-Q4_K_M/model.gguf": the folder has the name.
bool is_in_folder(const std::string& quant, const std::string& path) {
  const auto folder = fs::path{path}.parent_path().filename().string();
  return !folder.empty() && upper(folder) == upper(quant);
}

std::vector<gguf_model> named(const std::vector<gguf_model>& all, const std::string& quant) {
  auto out = std::vector<gguf_model>{};
  auto starts = std::vector<std::string>{};
  for (const auto& m : all)
    if (auto start = before(quant, stem_of(m.path)); start || is_in_folder(quant, m.path)) {
      out.push_back(m);
      starts.push_back(start ? *start : upper(stem_of(m.path)));
    }
  for (auto i = std::size_t{0}; i < out.size(); ++i)
    if (std::all_of(starts.begin(), starts.end(),
                    [&](const std::string& s) { return s.starts_with(starts[i]); }) &&
        std::count(starts.begin(), starts.end(), starts[i]) == 1)
      return {out[i]};
  return out;
}

std::string list_of(const std::vector<gguf_model>& models) {
  auto out = std::string{};
  for (const auto& m : models) {
    const auto parts =
        m.parts.size() == 1 ? std::string{} : fmt::format("{} parts, ", m.parts.size());
    out += fmt::format("\n  {} ({}{})", m.path, parts, format_bytes(m.bytes()));
  }
  return out;
}

failure none(const snapshot& s, std::string_view what, const std::vector<gguf_model>& all) {
  return all.empty() ? fail(errc::not_found, "{}: has no GGUF file", s.name)
                     : fail(errc::not_found, "{}: has no {}; it has{}", s.name, what, list_of(all));
}

// All parts of the model that a file belongs to.
result<gguf_model> with_all_parts(const snapshot& s, const std::string& path) {
  auto out = gguf_model{path, {}};
  const auto split = import::parse_split_name(path);
  const auto folder = fs::path{path}.parent_path();
  for (auto i = 1u; i <= (split ? split->parts : 1); ++i) {
    const auto name =
        split ? (folder / fmt::format("{}-{:05}-of-{:05}.gguf", split->stem, i, split->parts))
                    .generic_string()
              : path;
    const auto* f = s.find(name);
    if (f == nullptr)
      return fail(errc::not_found, "{}: has no {}, a part of the model of {}", s.name, name, path);
    out.parts.push_back(*f);
  }
  out.path = out.parts.front().path;
  return out;
}

} // namespace

std::uint64_t gguf_model::bytes() const noexcept {
  return std::accumulate(parts.begin(), parts.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const remote_file& f) { return sum + f.bytes; });
}

std::vector<std::string> gguf_model::contents() const {
  auto out = std::vector<std::string>{};
  for (const auto& f : parts)
    out.push_back(f.content_name());
  return out;
}

repo_kind kind_of(const snapshot& s) {
  return s.find(vindex::index_file) != nullptr                             ? repo_kind::vindex
         : !list_gguf(s).empty()                                           ? repo_kind::gguf
         : s.find("config.json") != nullptr && has_file(s, ".safetensors") ? repo_kind::checkpoint
                                                                           : repo_kind::nothing;
}

std::vector<gguf_model> list_gguf(const snapshot& s) {
  auto out = std::vector<gguf_model>{};
  auto places = std::map<std::string, std::size_t>{}; // of split ones in `out`
  for (const auto& f : s.files) {
    if (!f.path.ends_with(".gguf") || is_beside_a_model(f.path))
      continue;
    if (import::parse_split_name(f.path)) {
      const auto [it, is_new] = places.emplace(stem_of(f.path), out.size());
      if (!is_new) {
        out[it->second].parts.push_back(f); // sorted by path, as the files are
        continue;
      }
    }
    out.push_back({f.path, {f}});
  }
  return out;
}

result<gguf_model> choose_gguf(const snapshot& s, const model_address& address) {
  const auto all = list_gguf(s);
  if (!address.file.empty())
    return s.find(address.file) != nullptr ? with_all_parts(s, address.file)
                                           : none(s, address.file, all);
  if (all.empty())
    return none(s, "", all);
  const auto found = address.quant.empty() ? all : named(all, address.quant);
  if (found.empty())
    return none(s, fmt::format("GGUF file whose name ends in {}", address.quant), all);
  if (found.size() > 1)
    return fail(errc::usage,
                "{}: has several GGUF files{}; name one, with hf://{}:QUANT or hf://{}/FILE:{}",
                s.name, address.quant.empty() ? "" : " whose names end in " + address.quant,
                address.repo.id(), address.repo.id(), list_of(found));
  return with_all_parts(s, found.front().path);
}

} // namespace larql::hub
