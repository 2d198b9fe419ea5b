#include "runtime/import/hf_checkpoint.hpp"

#include "runtime/base/file_hash.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/import/check_texts.hpp"
#include "runtime/import/hf_config.hpp"
#include "runtime/import/hf_parts.hpp"
#include "runtime/import/hf_texts.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <charconv>

namespace larql::import {

namespace {

namespace fs = std::filesystem;

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

// Parts of a model that a text model does without.
constexpr std::string_view other_parts[] = {"vision_tower.", "audio_tower.", "embed_vision.",
                                            "embed_audio.", "multi_modal_projector."};

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

result<void> read_tensors(const std::vector<safetensors_file>& parts, checkpoint& out) {
  for (auto p = 0u; p < parts.size(); ++p) {
    const auto& part = parts[p];
    for (const auto& t : part.head().tensors) {
      const auto key = std::string{without_hf_prefix(t.name)};
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
      LARQL_TRY(auto tensor, read_hf_tensor(part, p, t));
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

} // namespace

std::span<const std::string_view> small_files() noexcept {
  static constexpr std::string_view names[] = {
      hf_config_file,
      hf_shards_file,
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
  LARQL_TRY(const auto has_config, path_exists(dir / hf_config_file));
  if (!has_config)
    return fail(errc::not_found, "{}: not a Hugging Face checkpoint: it has no {}", dir.string(),
                hf_config_file);
  LARQL_TRY(const auto text, read_text_file(dir / hf_config_file, vindex::max_json_bytes));
  LARQL_TRY(auto config, parse_hf_config(text, (dir / hf_config_file).string()));
  LARQL_TRY(auto opened, open_hf_parts(dir));
  const auto parts = std::make_shared<std::vector<safetensors_file>>(std::move(opened));
  auto out = checkpoint{};
  out.owner = parts;
  out.description = dir.string();
  out.config = std::move(config.model);
  const auto full = fs::absolute(dir).lexically_normal();
  out.config.model = (full.has_filename() ? full : full.parent_path()).filename().string();
  out.fingerprint = stamp_of(dir / hf_config_file);
  for (const auto& part : *parts) {
    auto error = std::error_code{};
    out.fingerprint += stamp_of(part.path());
    out.parts.push_back({fs::absolute(part.path(), error).lexically_normal(), part.stamp(),
                         hash_bytes(part.head_bytes())});
  }
  LARQL_TRY_VOID(add_small_parts(dir, out.parts));
  LARQL_TRY_VOID(vindex::check_config(out.config, (dir / hf_config_file).string()));
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
