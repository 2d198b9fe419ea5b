#include "runtime/import/gguf_checkpoint.hpp"

#include "runtime/base/parse_number.hpp"
#include "runtime/import/gguf.hpp"
#include "runtime/import/gguf_tokenizer.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace larql::import {

namespace {

namespace fs = std::filesystem;
using quant::encoding;
using vindex::model_config;

// ---- files --------------------------------------------------------------------------------------

// "model-00002-of-00003.gguf" → "model", 3
struct split_name {
  std::string stem;
  unsigned parts = 0;
};

std::optional<split_name> parse_split_name(const fs::path& path) {
  const auto name = path.filename().string();
  constexpr auto tail = std::string_view{"-00000-of-00000.gguf"};
  if (name.size() <= tail.size())
    return std::nullopt;
  const auto t = std::string_view{name}.substr(name.size() - tail.size());
  const auto part = parse_number<unsigned>(t.substr(1, 5));
  const auto parts = parse_number<unsigned>(t.substr(10, 5));
  if (t[0] != '-' || t.substr(6, 4) != "-of-" || t.substr(15) != ".gguf" || !part || !parts ||
      *part == 0 || *part > *parts)
    return std::nullopt;
  return split_name{name.substr(0, name.size() - tail.size()), *parts};
}

result<std::vector<gguf_file>> open_parts(const fs::path& path) {
  auto out = std::vector<gguf_file>{};
  const auto split = parse_split_name(path);
  if (!split) {
    LARQL_TRY(auto only, gguf_file::open(path));
    if (const auto m = only.metadata(); m.has("split.count")) {
      LARQL_TRY(const auto count, m.unsigned_integer("split.count"));
      if (count > 1)
        return fail(errc::corrupt,
                    "{}: is one of {} parts, but its name does not end in -NNNNN-of-NNNNN.gguf",
                    path.string(), count);
    }
    out.push_back(std::move(only));
    return out;
  }
  for (auto i = 1u; i <= split->parts; ++i) {
    const auto name = fmt::format("{}-{:05}-of-{:05}.gguf", split->stem, i, split->parts);
    LARQL_TRY(auto part, gguf_file::open(path.parent_path() / name));
    const auto m = part.metadata();
    if (m.has("split.no")) {
      LARQL_TRY(const auto number, m.unsigned_integer("split.no"));
      if (number != i - 1)
        return fail(errc::corrupt, "{}: key \"split.no\" is {}, expected {}", m.file_name(), number,
                    i - 1);
    }
    out.push_back(std::move(part));
  }
  return out;
}

// ---- numbers of the model -----------------------------------------------------------------------

class config_reader {
public:
  explicit config_reader(const gguf_metadata& m) : m_(m) {}

  result<model_config> read() {
    LARQL_TRY(const auto architecture, m_.string("general.architecture"));
    if (architecture == "clip")
      return fail(errc::unsupported,
                  "{}: general.architecture is \"clip\": this is the image part of a model "
                  "(mmproj); its text part is another GGUF file",
                  m_.file_name());
    if (architecture != "gemma4")
      return fail(errc::unsupported, "{}: general.architecture is \"{}\", expected \"gemma4\"",
                  m_.file_name(), architecture);
    auto c = model_config{};
    c.family = "gemma4";
    c.quant = vindex::quant_kind::lossless;
    c.model = "gemma4";
    if (m_.has("general.name")) {
      LARQL_TRY(c.model, m_.string("general.name"));
    }
    LARQL_TRY_VOID(u32("block_count", c.layers));
    LARQL_TRY_VOID(u32("embedding_length", c.hidden));
    LARQL_TRY_VOID(u32("feed_forward_length", c.dense_width));
    LARQL_TRY_VOID(u32("attention.head_count", c.q_heads));
    LARQL_TRY_VOID(u32("attention.key_length", c.global_head_dim));
    LARQL_TRY_VOID(u32("attention.key_length_swa", c.head_dim));
    LARQL_TRY_VOID(same("attention.value_length", c.global_head_dim));
    LARQL_TRY_VOID(same("attention.value_length_swa", c.head_dim));
    LARQL_TRY_VOID(u32("attention.sliding_window", c.window));
    if (m_.has(key("context_length"))) {
      LARQL_TRY(const auto n, m_.unsigned_integer(key("context_length")));
      c.trained_context = static_cast<std::uint32_t>(std::min<std::uint64_t>(n, UINT32_MAX));
    }
    LARQL_TRY_VOID(zero_or_absent("attention.shared_kv_layers"));
    LARQL_TRY_VOID(zero_or_absent("embedding_length_per_layer_input"));
    LARQL_TRY_VOID(u32("expert_count", c.experts));
    LARQL_TRY_VOID(u32("expert_used_count", c.top_k));
    LARQL_TRY(const auto eps, m_.number(key("attention.layer_norm_rms_epsilon")));
    c.rms_eps = static_cast<float>(eps);
    LARQL_TRY(c.rope_base, m_.number(key("rope.freq_base")));
    if (m_.has(key("rope.freq_base_swa"))) {
      LARQL_TRY(c.rope_local_base, m_.number(key("rope.freq_base_swa")));
    }
    if (m_.has(key("final_logit_softcapping"))) {
      LARQL_TRY(const auto cap, m_.number(key("final_logit_softcapping")));
      c.softcap = static_cast<float>(cap);
    }
    LARQL_TRY_VOID(layer_kinds(c));
    LARQL_TRY_VOID(kv_heads(c));
    c.embed_scale = std::sqrt(static_cast<float>(c.hidden));
    return c;
  }

private:
  static std::string key(std::string_view name) { return fmt::format("gemma4.{}", name); }

  result<void> u32(std::string_view name, std::uint32_t& out) {
    LARQL_TRY(const auto n, m_.unsigned_integer(key(name)));
    if (n > vindex::max_vocab)
      return fail(errc::corrupt, "{}: key \"{}\" is {}, out of range", m_.file_name(), key(name),
                  n);
    out = static_cast<std::uint32_t>(n);
    return {};
  }
  result<void> same(std::string_view name, std::uint32_t expected) {
    auto found = std::uint32_t{0};
    LARQL_TRY_VOID(u32(name, found));
    if (found != expected)
      return fail(errc::unsupported, "{}: key \"{}\" is {}, expected {} like the key length",
                  m_.file_name(), key(name), found, expected);
    return {};
  }
  result<void> zero_or_absent(std::string_view name) {
    if (!m_.has(key(name)))
      return {};
    LARQL_TRY(const auto n, m_.unsigned_integer(key(name)));
    if (n != 0)
      return fail(errc::unsupported, "{}: key \"{}\" is {}; only models with 0 are supported",
                  m_.file_name(), key(name), n);
    return {};
  }

  result<void> layer_kinds(model_config& c) {
    const auto name = key("attention.sliding_window_pattern");
    LARQL_TRY(const auto pattern, m_.integers(name));
    if (pattern.size() != c.layers)
      return fail(errc::corrupt, "{}: key \"{}\" has {} entries, expected {}", m_.file_name(), name,
                  pattern.size(), c.layers);
    for (const auto p : pattern)
      c.sliding.push_back(p != 0);
    return {};
  }

  // One number for all layers, or one per layer; layers of a kind must agree.
  result<void> kv_heads(model_config& c) {
    const auto name = key("attention.head_count_kv");
    if (!m_.is_array(name)) {
      LARQL_TRY_VOID(u32("attention.head_count_kv", c.kv_heads));
      c.global_kv_heads = c.kv_heads;
      return {};
    }
    LARQL_TRY(const auto heads, m_.integers(name));
    if (heads.size() != c.layers)
      return fail(errc::corrupt, "{}: key \"{}\" has {} entries, expected {}", m_.file_name(), name,
                  heads.size(), c.layers);
    for (auto l = 0u; l < c.layers; ++l) {
      auto& kind = c.sliding[l] ? c.kv_heads : c.global_kv_heads;
      if (heads[l] <= 0 || heads[l] > vindex::max_heads ||
          (kind != 0 && kind != static_cast<std::uint32_t>(heads[l])))
        return fail(errc::unsupported, "{}: key \"{}\"[{}] is {}, expected {} as in like layers",
                    m_.file_name(), name, l, heads[l], kind);
      kind = static_cast<std::uint32_t>(heads[l]);
    }
    // A model with layers of one kind only still needs numbers for the other.
    c.kv_heads = c.kv_heads != 0 ? c.kv_heads : c.global_kv_heads;
    c.global_kv_heads = c.global_kv_heads != 0 ? c.global_kv_heads : c.kv_heads;
    return {};
  }

  const gguf_metadata& m_;
};

// ---- tensors ------------------------------------------------------------------------------------

struct tensor_name {
  std::string_view gguf;
  std::string_view vindex;
};

constexpr tensor_name layer_names[] = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_k.weight", "self_attn.k_proj.weight"},
    {"attn_v.weight", "self_attn.v_proj.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"attn_q_norm.weight", "self_attn.q_norm.weight"},
    {"attn_k_norm.weight", "self_attn.k_norm.weight"},
    {"post_attention_norm.weight", "post_attention_layernorm.weight"},
    {"ffn_norm.weight", "pre_feedforward_layernorm.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"post_ffw_norm_1.weight", "post_feedforward_layernorm_1.weight"},
    {"pre_ffw_norm_2.weight", "pre_feedforward_layernorm_2.weight"},
    {"ffn_gate_inp.weight", "router.proj.weight"},
    {"ffn_gate_inp.scale", "router.scale"},
    {"ffn_gate_up_exps.weight", "experts.gate_up_proj"},
    {"ffn_gate_exps.weight", "experts.gate_proj"},
    {"ffn_up_exps.weight", "experts.up_proj"},
    {"ffn_down_exps.weight", "experts.down_proj"},
    {"ffn_down_exps.scale", "router.per_expert_scale"},
    {"post_ffw_norm_2.weight", "post_feedforward_layernorm_2.weight"},
    {"post_ffw_norm.weight", "post_feedforward_layernorm.weight"},
    {"layer_output_scale.weight", "layer_scalar"},
};
constexpr tensor_name global_names[] = {
    {"token_embd.weight", "embed_tokens.weight"},
    {"output_norm.weight", "norm.weight"},
    {"output.weight", "lm_head.weight"},
    {"rope_freqs.weight", "rope_freqs.weight"},
};

// "blk.7.attn_q.weight" → "layers.7.self_attn.q_proj.weight"; empty if it is none of ours.
std::string vindex_key(std::string_view name) {
  for (const auto& n : global_names)
    if (n.gguf == name)
      return std::string{n.vindex};
  if (!name.starts_with("blk."))
    return {};
  const auto dot = name.find('.', 4);
  if (dot == std::string_view::npos)
    return {};
  for (const auto& n : layer_names)
    if (n.gguf == name.substr(dot + 1))
      return fmt::format("layers.{}.{}", name.substr(4, dot - 4), n.vindex);
  return {};
}

// "F32, F16 and BF16"
std::string supported_types() {
  auto out = std::string{};
  for (auto i = std::size_t{0}; i < quant::encoding_count; ++i) {
    const auto* between = i == 0 ? "" : i + 1 == quant::encoding_count ? " and " : ", ";
    out += fmt::format("{}{}", between, quant::block_table[i].name);
  }
  return out;
}

result<source_tensor> read_tensor(const gguf_file& file, const gguf_tensor& t) {
  const auto* type =
      std::find_if(std::begin(quant::block_table), std::end(quant::block_table),
                   [&](const quant::block_facts& f) { return f.ggml_type == t.type; });
  if (type == std::end(quant::block_table))
    return fail(errc::unsupported, "{}: tensor \"{}\" has ggml type {}; supported are {}",
                file.path().string(), t.name, t.type, supported_types());
  auto out = source_tensor{};
  out.name = t.name;
  out.format = type->format;
  out.ggml_q6k = type->format == encoding::q6_k;
  out.shape.assign(t.dims.rbegin(), t.dims.rend());
  const auto block = quant::shape_of(out.format).weights;
  if (out.cols() % block != 0)
    return fail(errc::corrupt,
                "{}: tensor \"{}\" has rows of {} {} weights, not whole blocks of {}",
                file.path().string(), t.name, out.cols(), quant::name_of(out.format), block);
  LARQL_TRY(out.data, file.data(t, out.rows() * quant::row_bytes(out.format, out.cols())));
  return out;
}

result<void> read_tensors(const std::vector<gguf_file>& parts, checkpoint& out) {
  for (const auto& part : parts)
    for (const auto& t : part.head().tensors) {
      const auto key = vindex_key(t.name);
      if (key.empty()) {
        out.skipped.emplace_back(t.name);
        continue;
      }
      LARQL_TRY(auto tensor, read_tensor(part, t));
      if (!out.tensors.emplace(key, std::move(tensor)).second)
        return fail(errc::corrupt, "{}: tensor \"{}\" occurs in two parts", part.path().string(),
                    t.name);
    }
  return {};
}

// rope_freqs divides the base frequency of each pair of a full layer: ones, then "infinity".
result<void> read_rope_divisors(checkpoint& out) {
  const auto it = out.tensors.find("rope_freqs.weight");
  if (it == out.tensors.end())
    return {}; // the family's 0.25 holds
  const auto& t = it->second;
  const auto half = out.config.global_head_dim / 2;
  if (t.format != encoding::f32 || t.shape != std::vector<std::uint64_t>{half})
    return fail(errc::corrupt, "{}: tensor \"rope_freqs.weight\" is not F32 [{}]", out.description,
                half);
  auto values = std::vector<float>(half);
  std::memcpy(values.data(), t.data.data(), t.data.size());
  const auto pairs = static_cast<std::size_t>(
      std::find_if(values.begin(), values.end(), [](float x) { return x != 1; }) - values.begin());
  if (pairs == 0 || !std::all_of(values.begin() + static_cast<std::ptrdiff_t>(pairs), values.end(),
                                 [](float x) { return x >= 1e20f; }))
    return fail(errc::unsupported,
                "{}: tensor \"rope_freqs.weight\" is not ones followed by numbers above 1e20",
                out.description);
  out.config.partial_rotary = static_cast<double>(pairs) / half;
  out.tensors.erase(it);
  return {};
}

result<void> read_shapes(checkpoint& out) {
  const auto& c = out.config;
  const auto embeddings = out.tensors.find("embed_tokens.weight");
  if (embeddings == out.tensors.end() || embeddings->second.shape.size() != 2)
    return fail(errc::corrupt, "{}: tensor \"token_embd.weight\" is missing or no matrix",
                out.description);
  if (embeddings->second.rows() > vindex::max_vocab)
    return fail(errc::corrupt, "{}: tensor \"token_embd.weight\" has {} rows, at most {} expected",
                out.description, embeddings->second.rows(), vindex::max_vocab);
  out.config.vocab = static_cast<std::uint32_t>(embeddings->second.rows());
  const auto down = out.tensors.find("layers.0.experts.down_proj");
  if (down == out.tensors.end() || down->second.cols() > vindex::max_width)
    return fail(errc::unsupported,
                "{}: tensor \"blk.0.ffn_down_exps.weight\" is missing or too wide; only "
                "mixture-of-experts models are supported",
                out.description);
  out.config.expert_width = static_cast<std::uint32_t>(down->second.cols());
  for (auto l = 0u; l < c.layers; ++l)
    if (!c.sliding[l] && !out.tensors.contains(fmt::format("layers.{}.self_attn.v_proj.weight", l)))
      out.config.k_eq_v = true;
  return {};
}

} // namespace

result<checkpoint> open_gguf(const fs::path& path) {
  LARQL_TRY(auto opened, open_parts(path));
  const auto parts = std::make_shared<std::vector<gguf_file>>(std::move(opened));
  auto out = checkpoint{};
  out.owner = parts;
  out.description = parts->front().path().string();
  for (const auto& part : *parts) {
    auto error = std::error_code{};
    const auto time = fs::last_write_time(part.path(), error).time_since_epoch().count();
    out.fingerprint += fmt::format("{}:{}:{};", part.path().filename().string(),
                                   fs::file_size(part.path(), error), time);
  }
  const auto metadata = parts->front().metadata();
  LARQL_TRY(out.config, config_reader{metadata}.read());
  LARQL_TRY_VOID(read_tensors(*parts, out));
  LARQL_TRY_VOID(read_rope_divisors(out));
  LARQL_TRY_VOID(read_shapes(out));
  LARQL_TRY_VOID(vindex::check_config(out.config, out.description));
  LARQL_TRY(out.files, tokenizer_files(metadata));
  return out;
}

} // namespace larql::import
