#include "runtime/vindex/index_json.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <cmath>

namespace larql::vindex {

namespace {

constexpr std::uint32_t default_pattern = 6; // every sixth layer is full attention

result<std::uint32_t> u32(const json_fields& f, const char* key, std::uint32_t max) {
  LARQL_TRY(const auto n, f.unsigned_integer(key, max));
  return static_cast<std::uint32_t>(n);
}

result<std::uint32_t> u32_or(const json_fields& f, const char* key, std::uint32_t max,
                             std::uint32_t otherwise) {
  return f.has(key) ? u32(f, key, max) : result<std::uint32_t>{otherwise};
}

result<double> number_or(const json_fields& f, const char* key, double otherwise) {
  return f.has(key) ? f.number(key) : result<double>{otherwise};
}

result<std::vector<bool>> read_layer_types(const json_fields& f, std::uint32_t layers) {
  auto sliding = std::vector<bool>(layers);
  if (!f.has("layer_types")) {
    LARQL_TRY(const auto pattern, u32_or(f, "sliding_window_pattern", max_layers, default_pattern));
    for (auto l = 0u; l < layers; ++l)
      sliding[l] = pattern == 0 || (l + 1) % pattern != 0;
    return sliding;
  }
  LARQL_TRY(const json* types, f.array("layer_types"));
  if (types->size() != layers)
    return fail(errc::corrupt, "{}: field \"layer_types\" has {} entries, expected num_layers = {}",
                f.where(), types->size(), layers);
  for (auto l = 0u; l < layers; ++l) {
    const auto& t = (*types)[l];
    if (t == "sliding_attention")
      sliding[l] = true;
    else if (t != "full_attention")
      return fail(errc::corrupt,
                  "{}: field \"layer_types\"[{}] is {}, expected \"sliding_attention\" or "
                  "\"full_attention\"",
                  f.where(), l, t.dump(-1, ' ', true, json::error_handler_t::replace));
  }
  return sliding;
}

result<void> read_model_config(const json_fields& f, model_config& out) {
  LARQL_TRY(out.head_dim, u32(f, "head_dim", max_width));
  LARQL_TRY(out.global_head_dim, u32_or(f, "global_head_dim", max_width, out.head_dim));
  LARQL_TRY(out.q_heads, u32(f, "num_q_heads", max_heads));
  LARQL_TRY(out.kv_heads, u32(f, "num_kv_heads", max_heads));
  LARQL_TRY(out.global_kv_heads, u32_or(f, "num_global_kv_heads", max_heads, out.kv_heads));
  LARQL_TRY(out.window, u32_or(f, "sliding_window", ~0u, 0));
  LARQL_TRY(out.sliding, read_layer_types(f, out.layers));
  LARQL_TRY(out.trained_context, u32_or(f, "max_position_embeddings", ~0u, 0)); // ours
  if (f.has("attention_k_eq_v")) {
    LARQL_TRY(out.k_eq_v, f.boolean("attention_k_eq_v"));
  }
  LARQL_TRY(out.rope_base, number_or(f, "rope_base", 1e6));
  LARQL_TRY(out.rope_local_base, number_or(f, "rope_local_base", 1e4));
  LARQL_TRY(out.partial_rotary, number_or(f, "partial_rotary_factor", 0.25));
  LARQL_TRY(const auto softcap, number_or(f, "final_logit_softcapping", 0));
  LARQL_TRY(const auto eps, number_or(f, "rms_norm_eps", 1e-6)); // ours; the family implies 1e-6
  out.softcap = static_cast<float>(softcap);
  out.rms_eps = static_cast<float>(eps);
  if (f.has("hidden_activation")) { // ours; the family implies GELU
    LARQL_TRY(const auto name, f.string("hidden_activation"));
    const auto known = quant::activation_from_name(name);
    if (!known)
      return fail(errc::unsupported,
                  "{}: field \"hidden_activation\" is \"{}\", expected \"gelu_pytorch_tanh\" or "
                  "\"silu\"",
                  f.where(), name);
    out.activation = *known;
  }
  LARQL_TRY(const auto shared, u32_or(f, "num_kv_shared_layers", ~0u, 0));
  LARQL_TRY(const auto per_layer, u32_or(f, "per_layer_embed_dim", ~0u, 0));
  if (shared != 0 || per_layer != 0)
    return fail(errc::unsupported,
                "{}: num_kv_shared_layers is {} and per_layer_embed_dim is {}; only models with 0 "
                "for both are supported",
                f.where(), shared, per_layer);
  LARQL_TRY(const json* moe, f.object("moe"));
  const auto m = json_fields{*moe, f.where() + ".moe"};
  LARQL_TRY(out.experts, u32(m, "num_experts", max_experts));
  LARQL_TRY(out.top_k, u32(m, "top_k", max_top_k));
  LARQL_TRY(out.expert_width, u32(m, "moe_intermediate_size", max_width));
  return {};
}

} // namespace

result<model_config> parse_index(std::string_view text, std::string_view name) {
  LARQL_TRY(const auto parsed, parse_json(text, name));
  const auto f = json_fields{parsed, std::string{name}};
  auto out = model_config{};
  LARQL_TRY_VOID(f.require_version(index_version));
  LARQL_TRY(out.model, f.string("model"));
  LARQL_TRY(out.family, f.string("family"));
  if (out.family != "gemma4")
    return fail(errc::unsupported, "{}: field \"family\" is \"{}\", expected \"gemma4\"", name,
                out.family);
  LARQL_TRY(const auto quant, f.string("quant"));
  if (quant != "q4k" && quant != "lossless")
    return fail(errc::unsupported,
                "{}: field \"quant\" is \"{}\", expected \"q4k\" or \"lossless\"", name, quant);
  out.quant = quant == "q4k" ? quant_kind::q4k : quant_kind::lossless;
  LARQL_TRY(out.layers, u32(f, "num_layers", max_layers));
  LARQL_TRY(out.hidden, u32(f, "hidden_size", max_width));
  LARQL_TRY(out.dense_width, u32(f, "intermediate_size", max_width));
  LARQL_TRY(out.vocab, u32(f, "vocab_size", max_vocab));
  LARQL_TRY(const auto scale, f.number("embed_scale"));
  out.embed_scale = static_cast<float>(scale);
  LARQL_TRY(const json* config, f.object("model_config"));
  LARQL_TRY_VOID(
      read_model_config(json_fields{*config, std::string{name} + ": model_config"}, out));
  LARQL_TRY_VOID(check_config(out, name));
  return out;
}

result<model_config> read_index(const std::filesystem::path& dir) {
  const auto path = dir / index_file;
  auto text = read_text_file(path, max_json_bytes);
  if (!text && text.error().code == errc::not_found)
    return fail(errc::not_found, "{}: not a vindex: it has no {}", dir.string(), index_file);
  if (!text)
    return std::move(text).error();
  return parse_index(*text, path.string());
}

result<void> check_config(const model_config& c, std::string_view where) {
  const auto wrong = [&](std::string_view field, auto found, std::string_view expected) {
    return fail(errc::corrupt, "{}: {} is {}, expected {}", where, field, found, expected);
  };
  const std::tuple<const char*, std::uint32_t, std::uint32_t> counts[] = {
      {"num_layers", c.layers, max_layers},
      {"hidden_size", c.hidden, max_width},
      {"intermediate_size", c.dense_width, max_width},
      {"vocab_size", c.vocab, max_vocab},
      {"num_q_heads", c.q_heads, max_heads},
      {"num_kv_heads", c.kv_heads, max_heads},
      {"num_global_kv_heads", c.global_kv_heads, max_heads},
      {"moe.num_experts", c.experts, max_experts},
      {"moe.top_k", c.top_k, max_top_k},
      {"moe.moe_intermediate_size", c.expert_width, max_width},
  };
  for (const auto& [field, value, most] : counts)
    if (value == 0 || value > most)
      return wrong(field, value, fmt::format("1 to {}", most));
  for (const auto& [field, dim] :
       {std::pair{"head_dim", c.head_dim}, std::pair{"global_head_dim", c.global_head_dim}})
    if (dim == 0 || dim % 16 != 0 || dim > max_width)
      return wrong(field, dim, fmt::format("a positive multiple of 16, at most {}", max_width));
  for (const auto& [field, heads] :
       {std::pair{"num_kv_heads", c.kv_heads}, std::pair{"num_global_kv_heads", c.global_kv_heads}})
    if (c.q_heads % heads != 0)
      return wrong(field, heads, fmt::format("a divisor of num_q_heads = {}", c.q_heads));
  if (c.top_k > c.experts)
    return wrong("moe.top_k", c.top_k, fmt::format("at most moe.num_experts = {}", c.experts));
  if (c.sliding.size() != c.layers)
    return wrong("layer_types", c.sliding.size(), fmt::format("{} entries", c.layers));
  const auto any_sliding = std::find(c.sliding.begin(), c.sliding.end(), true) != c.sliding.end();
  if (any_sliding && (c.window == 0 || c.window > 1u << 24))
    return wrong("sliding_window", c.window, "1 to 16777216, because there are sliding layers");
  for (const auto& [field, base] :
       {std::pair{"rope_base", c.rope_base}, std::pair{"rope_local_base", c.rope_local_base}})
    if (!(base > 1 && base < 1e12))
      return wrong(field, base, "a number above 1");
  if (!(c.partial_rotary > 0 && c.partial_rotary <= 1))
    return wrong("partial_rotary_factor", c.partial_rotary, "a number in (0, 1]");
  if (!(c.embed_scale > 0 && std::isfinite(c.embed_scale)))
    return wrong("embed_scale", c.embed_scale, "a positive number");
  if (!(c.softcap >= 0 && std::isfinite(c.softcap)))
    return wrong("final_logit_softcapping", c.softcap, "zero or a positive number");
  if (!(c.rms_eps > 0 && c.rms_eps < 1))
    return wrong("rms_norm_eps", c.rms_eps, "a number in (0, 1)");
  return {};
}

std::string write_index(const model_config& c, const index_extras& extras) {
  auto types = json::array();
  for (const auto sliding : c.sliding)
    types.push_back(sliding ? "sliding_attention" : "full_attention");
  auto layers = json::array(); // gate_vectors.bin is not written, so its map has no entries
  auto out = json{
      {"version", index_version},
      {"model", c.model},
      {"family", c.family},
      {"num_layers", c.layers},
      {"hidden_size", c.hidden},
      {"intermediate_size", c.dense_width},
      {"vocab_size", c.vocab},
      {"embed_scale", c.embed_scale},
      {"extract_level", extras.extract_level},
      {"dtype", "f16"},
      {"quant", c.quant == quant_kind::q4k ? "q4k" : "lossless"},
      {"layers", layers},
      {"down_top_k", 10},
      {"has_model_weights", true},
      {"ffn_layout", "per_layer"},
      {"model_config",
       {{"model_type", "gemma4_text"},
        {"head_dim", c.head_dim},
        {"global_head_dim", c.global_head_dim},
        {"num_q_heads", c.q_heads},
        {"num_kv_heads", c.kv_heads},
        {"num_global_kv_heads", c.global_kv_heads},
        {"rope_base", c.rope_base},
        {"rope_local_base", c.rope_local_base},
        {"partial_rotary_factor", c.partial_rotary},
        {"sliding_window", c.window},
        {"layer_types", types},
        {"attention_k_eq_v", c.k_eq_v},
        {"final_logit_softcapping", c.softcap},
        {"rms_norm_eps", c.rms_eps},
        {"moe",
         {{"num_experts", c.experts},
          {"top_k", c.top_k},
          {"shared_expert", false},
          {"router_type", "gemma4_top_k_softmax"},
          {"moe_intermediate_size", c.expert_width},
          {"hybrid", true}}}}},
  };
  if (c.trained_context != 0)
    out["model_config"]["max_position_embeddings"] = c.trained_context;
  if (c.activation != quant::activation_function::gelu)
    out["model_config"]["hidden_activation"] = std::string{quant::name_of(c.activation)};
  // No time: the same source gives the same bytes.
  if (!extras.source.empty())
    out["source"] = {{"huggingface_repo", nullptr},
                     {"extracted_at", ""},
                     {"larql_version", extras.writer},
                     {"file", extras.source}};
  // Names may come from a file or a path that is not UTF-8.
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

} // namespace larql::vindex
