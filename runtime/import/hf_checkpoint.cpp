#include "runtime/import/hf_checkpoint.hpp"

#include "runtime/base/file_hash.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/import/check_texts.hpp"
#include "runtime/import/hf_config.hpp"
#include "runtime/import/hf_texts.hpp"
#include "runtime/import/safetensors.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace larql::import {

namespace {

namespace fs = std::filesystem;
using quant::encoding;

constexpr std::string_view config_file = "config.json";
constexpr std::string_view whole_file = "model.safetensors";
constexpr std::string_view shards_file = "model.safetensors.index.json";
constexpr std::size_t max_shards = 4096;

// ---- files --------------------------------------------------------------------------------------

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

// All files of the checkpoint; each tensor is where the index says.
result<std::vector<safetensors_file>> open_parts(const fs::path& dir) {
  auto out = std::vector<safetensors_file>{};
  LARQL_TRY(const auto sharded, path_exists(dir / shards_file));
  if (!sharded) {
    LARQL_TRY(const auto whole, path_exists(dir / whole_file));
    if (!whole)
      return fail(errc::not_found, "{}: has neither {} nor {}", dir.string(), whole_file,
                  shards_file);
    LARQL_TRY(auto only, safetensors_file::open(dir / whole_file));
    out.push_back(std::move(only));
    return out;
  }
  LARQL_TRY(auto map, read_weight_map(dir / shards_file));
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
                map.begin()->first, map.begin()->second, shards_file);
  return out;
}

// ---- tensors ------------------------------------------------------------------------------------

// What a layer may hold, after "layers.N.".
constexpr std::string_view layer_names[] = {
    "input_layernorm.weight",
    "self_attn.q_proj.weight",
    "self_attn.k_proj.weight",
    "self_attn.v_proj.weight",
    "self_attn.o_proj.weight",
    "self_attn.q_norm.weight",
    "self_attn.k_norm.weight",
    "post_attention_layernorm.weight",
    "pre_feedforward_layernorm.weight",
    "mlp.gate_proj.weight",
    "mlp.up_proj.weight",
    "mlp.down_proj.weight",
    "post_feedforward_layernorm_1.weight",
    "pre_feedforward_layernorm_2.weight",
    "router.proj.weight",
    "router.scale",
    "router.per_expert_scale",
    "experts.gate_up_proj",
    "experts.down_proj",
    "post_feedforward_layernorm_2.weight",
    "post_feedforward_layernorm.weight",
    "layer_scalar",
};
constexpr std::string_view global_names[] = {"embed_tokens.weight", "norm.weight",
                                             "lm_head.weight"};

// How checkpoints of different tools begin the names of the text model; the first that fits.
constexpr std::string_view prefixes[] = {"model.language_model.model.", "model.language_model.",
                                         "language_model.model.", "language_model.", "model."};

// Parts of a model that a text model does without.
constexpr std::string_view other_parts[] = {"vision_tower.", "audio_tower.", "embed_vision.",
                                            "embed_audio.", "multi_modal_projector."};

std::string_view without_prefix(std::string_view name) {
  for (const auto p : prefixes)
    if (name.starts_with(p))
      return name.substr(p.size());
  return name;
}

// True for a name that model_config::layers layers can have.
bool is_text_tensor(std::string_view key, std::uint32_t layers) {
  if (std::find(std::begin(global_names), std::end(global_names), key) != std::end(global_names))
    return true;
  constexpr auto start = std::string_view{"layers."};
  if (!key.starts_with(start))
    return false;
  auto number = std::uint32_t{0};
  const auto [end, error] =
      std::from_chars(key.data() + start.size(), key.data() + key.size(), number);
  if (error != std::errc{} || number >= layers || end == key.data() + key.size() || *end != '.')
    return false;
  const auto rest = key.substr(static_cast<std::size_t>(end - key.data()) + 1);
  return key == fmt::format("layers.{}.{}", number, rest) &&
         std::find(std::begin(layer_names), std::end(layer_names), rest) != std::end(layer_names);
}

result<source_tensor> read_tensor(const safetensors_file& file, std::uint32_t part,
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

result<void> read_tensors(const std::vector<safetensors_file>& parts, checkpoint& out) {
  for (auto p = 0u; p < parts.size(); ++p) {
    const auto& part = parts[p];
    for (const auto& t : part.head().tensors) {
      const auto key = std::string{without_prefix(t.name)};
      const auto other = std::any_of(std::begin(other_parts), std::end(other_parts),
                                     [&](std::string_view o) { return key.starts_with(o); });
      if (other) {
        out.skipped.push_back(t.name);
        continue;
      }
      if (!is_text_tensor(key, out.config.layers))
        return fail(errc::unsupported,
                    "{}: tensor \"{}\" is none of a Gemma 4 mixture-of-experts model of {} layers",
                    part.path().string(), t.name, out.config.layers);
      LARQL_TRY(auto tensor, read_tensor(part, p, t));
      if (!out.tensors.emplace(key, std::move(tensor)).second)
        return fail(errc::corrupt, "{}: tensor \"{}\" occurs twice", part.path().string(), t.name);
    }
  }
  return {};
}

// V may be missing where the model says that it is K.
result<void> check_values(const checkpoint& c) {
  for (auto l = 0u; l < c.config.layers; ++l) {
    const auto key = fmt::format("layers.{}.self_attn.v_proj.weight", l);
    if (!c.config.k_eq_v && !c.tensors.contains(key))
      return fail(errc::corrupt, "{}: tensor {} is missing, but attention_k_eq_v is false",
                  c.description, key);
  }
  return {};
}

// Small files that decide what the checkpoint is.
result<void> add_small_parts(const fs::path& dir, std::vector<source_part>& parts) {
  for (const auto name : small_files()) {
    LARQL_TRY(const auto exists, path_exists(dir / name));
    if (!exists)
      continue;
    LARQL_TRY(const auto in, file::open(dir / name));
    LARQL_TRY(const auto digest, hash_file(in));
    parts.push_back({in.path(), in.stamp(), digest});
  }
  return {};
}

std::string stamp(const fs::path& path) {
  auto error = std::error_code{};
  const auto time = fs::last_write_time(path, error).time_since_epoch().count();
  return fmt::format("{}:{}:{};", path.filename().string(), fs::file_size(path, error), time);
}

} // namespace

result<std::vector<std::string>> shard_names(const fs::path& dir) {
  LARQL_TRY(const auto sharded, path_exists(dir / shards_file));
  if (!sharded)
    return std::vector{std::string{whole_file}};
  LARQL_TRY(const auto map, read_weight_map(dir / shards_file));
  auto names = std::set<std::string>{};
  for (const auto& [tensor, file] : map)
    names.insert(file);
  return std::vector<std::string>{names.begin(), names.end()};
}

std::span<const std::string_view> small_files() noexcept {
  static constexpr std::string_view names[] = {
      config_file,
      shards_file,
      vindex::tokenizer_file,
      "tokenizer_config.json",
      "special_tokens_map.json",
      vindex::generation_config_file,
      vindex::chat_template_file,
      "chat_template.json",
  };
  return names;
}

result<checkpoint> open_hf(const fs::path& dir) {
  LARQL_TRY(const auto has_config, path_exists(dir / config_file));
  if (!has_config)
    return fail(errc::not_found, "{}: not a Hugging Face checkpoint: it has no {}", dir.string(),
                config_file);
  LARQL_TRY(const auto text, read_text_file(dir / config_file, vindex::max_json_bytes));
  LARQL_TRY(auto config, parse_hf_config(text, (dir / config_file).string()));
  LARQL_TRY(auto opened, open_parts(dir));
  const auto parts = std::make_shared<std::vector<safetensors_file>>(std::move(opened));
  auto out = checkpoint{};
  out.owner = parts;
  out.description = dir.string();
  out.config = std::move(config.model);
  const auto full = fs::absolute(dir).lexically_normal();
  out.config.model = (full.has_filename() ? full : full.parent_path()).filename().string();
  out.fingerprint = stamp(dir / config_file);
  for (const auto& part : *parts) {
    auto error = std::error_code{};
    out.fingerprint += stamp(part.path());
    out.parts.push_back({fs::absolute(part.path(), error).lexically_normal(), part.stamp(),
                         hash_bytes(part.head_bytes())});
  }
  LARQL_TRY_VOID(add_small_parts(dir, out.parts));
  LARQL_TRY_VOID(vindex::check_config(out.config, (dir / config_file).string()));
  LARQL_TRY_VOID(read_tensors(*parts, out));
  LARQL_TRY_VOID(check_values(out));
  // A tied head that is stored all the same is the embeddings once more.
  if (config.tied && out.tensors.erase("lm_head.weight") != 0)
    out.skipped.emplace_back("lm_head.weight");
  if (!config.tied && !out.tensors.contains("lm_head.weight"))
    return fail(errc::corrupt,
                "{}: tensor \"lm_head.weight\" is missing, but tie_word_embeddings is false",
                dir.string());
  LARQL_TRY(out.files, read_hf_texts(dir, config.stop_tokens));
  LARQL_TRY_VOID(check_texts(out));
  return out;
}

} // namespace larql::import
