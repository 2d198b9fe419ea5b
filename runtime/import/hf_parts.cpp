#include "runtime/import/hf_parts.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/format.hpp"

#include <map>
#include <set>

namespace larql::import {

namespace {

namespace fs = std::filesystem;
using quant::encoding;

constexpr std::string_view whole_file = "model.safetensors";
constexpr std::size_t max_shards = 4096;

using weight_map = std::map<std::string, std::string>; // tensor → file

result<weight_map> read_weight_map(const fs::path& path) {
  LARQL_TRY(const auto index, parse_json_file(path, vindex::max_json_bytes));
  LARQL_TRY(const json* map, (json_fields{index, path.string()}.object("weight_map")));
  auto out = weight_map{};
  auto files = std::set<std::string>{};
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !vindex::is_file_name(file.get_ref<const std::string&>()))
      return fail(errc::corrupt, "{}: weight_map: tensor \"{}\" is in {}, which is no file's name",
                  path.string(), tensor,
                  file.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 80));
    out.emplace(tensor, file.get<std::string>());
    files.insert(file.get<std::string>());
  }
  if (out.empty() || files.size() > max_shards)
    return fail(errc::corrupt, "{}: weight_map names {} files, expected 1 to {}", path.string(),
                files.size(), max_shards);
  return out;
}

// How checkpoints of different tools begin the names of the text model; the first that fits.
constexpr std::string_view prefixes[] = {"model.language_model.model.", "model.language_model.",
                                         "language_model.model.", "language_model.", "model."};

} // namespace

// All files of the checkpoint; each tensor is where the index says.
result<std::vector<safetensors_file>> open_hf_parts(const fs::path& dir) {
  auto out = std::vector<safetensors_file>{};
  LARQL_TRY(const auto sharded, path_exists(dir / hf_shards_file));
  if (!sharded) {
    LARQL_TRY(const auto whole, path_exists(dir / whole_file));
    if (!whole)
      return fail(errc::not_found, "{}: has neither {} nor {}", dir.string(), whole_file,
                  hf_shards_file);
    LARQL_TRY(auto only, safetensors_file::open(dir / whole_file));
    out.push_back(std::move(only));
    return out;
  }
  LARQL_TRY(auto map, read_weight_map(dir / hf_shards_file));
  auto names = std::set<std::string>{};
  for (const auto& [tensor, file] : map)
    names.insert(file);
  for (const auto& name : names) {
    LARQL_TRY(auto part, safetensors_file::open(dir / name));
    for (const auto& t : part.head().tensors)
      if (const auto it = map.find(t.name); it != map.end() && it->second == name)
        map.erase(it);
    out.push_back(std::move(part));
  }
  if (!map.empty())
    return fail(errc::corrupt, "{}: tensor \"{}\" is not in {}, where {} says it is", dir.string(),
                map.begin()->first, map.begin()->second, hf_shards_file);
  return out;
}

result<std::vector<std::string>> shard_names(const fs::path& dir) {
  LARQL_TRY(const auto sharded, path_exists(dir / hf_shards_file));
  if (!sharded)
    return std::vector{std::string{whole_file}};
  LARQL_TRY(const auto map, read_weight_map(dir / hf_shards_file));
  auto names = std::set<std::string>{};
  for (const auto& [tensor, file] : map)
    names.insert(file);
  return std::vector<std::string>{names.begin(), names.end()};
}

std::string_view without_hf_prefix(std::string_view name) {
  for (const auto p : prefixes)
    if (name.starts_with(p))
      return name.substr(p.size());
  return name;
}

result<source_tensor> read_hf_tensor(const safetensors_file& file, std::uint32_t part,
                                     const safetensor& t) {
  auto out = source_tensor{};
  out.name = t.name;
  out.shape = t.shape;
  out.data = file.data(t);
  out.part = part;
  out.offset = file.head().data_offset + t.begin;
  if (t.dtype == "BF16")
    out.format = encoding::bf16;
  else if (t.dtype == "F16")
    out.format = encoding::f16;
  else if (t.dtype == "F32")
    out.format = encoding::f32;
  else
    return fail(errc::unsupported,
                "{}: tensor \"{}\" has dtype {}; supported are BF16, F16 and F32",
                file.path().string(), t.name, t.dtype);
  return out;
}

} // namespace larql::import
