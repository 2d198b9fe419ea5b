#include "runtime/import/hf_config.hpp"

#include "runtime/vindex/format.hpp"

#include <cmath>

namespace larql::import {

namespace {

class reader {
public:
  reader(const json& top, const json& text, std::string_view name, std::string_view text_name)
      : top_object_(top),
        text_object_(text),
        top_(top, std::string{name}),
        text_(text, std::string{text_name}) {}

  result<hf_config> read() {
    LARQL_TRY_VOID(check_kind());
    auto out = hf_config{};
    auto& c = out.model;
    c.family = "gemma4";
    const std::tuple<const char*, std::uint32_t*, std::uint32_t> counts[] = {
        {"num_hidden_layers", &c.layers, vindex::max_layers},
        {"hidden_size", &c.hidden, vindex::max_width},
        {"intermediate_size", &c.dense_width, vindex::max_width},
        {"vocab_size", &c.vocab, vindex::max_vocab},
        {"num_attention_heads", &c.q_heads, vindex::max_heads},
        {"num_key_value_heads", &c.kv_heads, vindex::max_heads},
        {"head_dim", &c.head_dim, vindex::max_width},
        {"sliding_window", &c.window, UINT32_MAX},
        {"num_experts", &c.experts, vindex::max_experts},
        {"top_k_experts", &c.top_k, vindex::max_top_k},
        {"moe_intermediate_size", &c.expert_width, vindex::max_width},
    };
    for (const auto& [key, to, max] : counts) {
      LARQL_TRY(const auto n, text_.unsigned_integer(key, max));
      *to = static_cast<std::uint32_t>(n);
    }
    LARQL_TRY(c.global_kv_heads,
              u32_or("num_global_key_value_heads", vindex::max_heads, c.kv_heads));
    LARQL_TRY(c.global_head_dim, u32_or("global_head_dim", vindex::max_width, c.head_dim));
    LARQL_TRY(c.trained_context, u32_or("max_position_embeddings", UINT32_MAX, 0));
    LARQL_TRY(c.k_eq_v, boolean_or(text_, "attention_k_eq_v", false));
    LARQL_TRY(const auto eps, number_or(text_, "rms_norm_eps", 1e-6));
    LARQL_TRY(const auto cap, number_or(text_, "final_logit_softcapping", 0));
    c.rms_eps = static_cast<float>(eps);
    c.softcap = static_cast<float>(cap);
    c.embed_scale = std::sqrt(static_cast<float>(c.hidden));
    LARQL_TRY_VOID(layer_types(c));
    LARQL_TRY_VOID(rope(c));
    LARQL_TRY(out.tied, boolean_or(text_, "tie_word_embeddings", true));
    LARQL_TRY(out.tied, boolean_or(top_, "tie_word_embeddings", out.tied));
    out.stop_tokens = text_object_.value("eos_token_id", json());
    out.stop_tokens = top_object_.value("eos_token_id", out.stop_tokens);
    return out;
  }

  // Keys and values are the model's, so that the numbers of theirs are its matter.
  result<vindex::drafter_config> read_drafter() {
    LARQL_TRY_VOID(check_drafter_kind());
    auto out = vindex::drafter_config{};
    auto c = vindex::model_config{};
    auto& t = out.target;
    const std::tuple<const json_fields*, const char*, std::uint32_t*, std::uint32_t> counts[] = {
        {&text_, "num_hidden_layers", &c.layers, vindex::max_layers},
        {&text_, "hidden_size", &out.hidden, vindex::max_width},
        {&text_, "intermediate_size", &out.dense_width, vindex::max_width},
        {&text_, "num_attention_heads", &out.q_heads, vindex::max_heads},
        {&text_, "head_dim", &t.head_dim, vindex::max_width},
        {&text_, "sliding_window", &t.window, UINT32_MAX},
        {&top_, "backbone_hidden_size", &t.hidden, vindex::max_width},
    };
    for (const auto& [from, key, to, max] : counts) {
      LARQL_TRY(const auto n, from->unsigned_integer(key, max));
      *to = static_cast<std::uint32_t>(n);
    }
    LARQL_TRY(t.global_head_dim, u32_or("global_head_dim", vindex::max_width, t.head_dim));
    LARQL_TRY(const auto eps, number_or(text_, "rms_norm_eps", 1e-6));
    LARQL_TRY_VOID(layer_types(c));
    LARQL_TRY_VOID(rope(c));
    out.rms_eps = static_cast<float>(eps);
    out.sliding = c.sliding;
    t.rope_base = c.rope_base;
    t.rope_local_base = c.rope_local_base;
    t.partial_rotary = c.partial_rotary;
    return out;
  }

private:
  result<void> check_drafter_kind() {
    if (!is_hf_drafter(top_object_))
      return fail(errc::unsupported, "{}: model_type is not \"gemma4_assistant\"", top_.where());
    const std::pair<const json_fields*, const char*> off[] = {{&top_, "use_ordered_embeddings"},
                                                              {&text_, "enable_moe_block"},
                                                              {&text_, "use_double_wide_mlp"},
                                                              {&text_, "attention_bias"}};
    for (const auto& [from, key] : off) {
      LARQL_TRY(const auto on, boolean_or(*from, key, false));
      if (on)
        return fail(errc::unsupported, "{}: {} is true; only drafters with false are supported",
                    from->where(), key);
    }
    LARQL_TRY(const auto tied, boolean_or(top_, "tie_word_embeddings", true));
    if (!tied)
      return fail(errc::unsupported,
                  "{}: tie_word_embeddings is false; only drafters whose "
                  "embeddings are their output head are supported",
                  top_.where());
    LARQL_TRY_VOID(check_activation());
    return check_not_quantised();
  }

  result<void> check_kind() {
    LARQL_TRY(const auto type, text_.string("model_type"));
    if (type != "gemma4_text" && type != "gemma4")
      return fail(errc::unsupported, "{}: model_type is \"{}\", expected \"gemma4_text\"",
                  text_.where(), type);
    LARQL_TRY(const auto moe, boolean_or(text_, "enable_moe_block", false));
    if (!moe)
      return fail(errc::unsupported,
                  "{}: enable_moe_block is false; only mixture-of-experts models are supported",
                  text_.where());
    for (const auto* key : {"use_double_wide_mlp", "attention_bias"}) {
      LARQL_TRY(const auto on, boolean_or(text_, key, false));
      if (on)
        return fail(errc::unsupported, "{}: {} is true; only models with false are supported",
                    text_.where(), key);
    }
    for (const auto* key : {"num_kv_shared_layers", "hidden_size_per_layer_input"}) {
      LARQL_TRY(const auto n, u32_or(key, UINT32_MAX, 0));
      if (n != 0)
        return fail(errc::unsupported, "{}: {} is {}; only models with 0 are supported",
                    text_.where(), key, n);
    }
    LARQL_TRY_VOID(check_activation());
    return check_not_quantised();
  }

  result<void> check_activation() {
    if (!text_.has("hidden_activation"))
      return {};
    LARQL_TRY(const auto name, text_.string("hidden_activation"));
    if (name != "gelu_pytorch_tanh")
      return fail(errc::unsupported,
                  "{}: hidden_activation is \"{}\", expected \"gelu_pytorch_tanh\"", text_.where(),
                  name);
    return {};
  }

  result<void> check_not_quantised() {
    for (const auto* f : {&top_, &text_})
      if (f->has("quantization_config"))
        return fail(errc::unsupported,
                    "{}: has a quantization_config; only BF16, F16 and F32 checkpoints are "
                    "supported",
                    f->where());
    return {};
  }

  result<void> layer_types(vindex::model_config& c) {
    LARQL_TRY(const json* types, text_.array("layer_types"));
    if (types->size() != c.layers)
      return fail(errc::corrupt, "{}: field \"layer_types\" has {} entries, expected {}",
                  text_.where(), types->size(), c.layers);
    for (const auto& t : *types) {
      if (t != "sliding_attention" && t != "full_attention")
        return fail(errc::unsupported,
                    "{}: field \"layer_types\"[{}] is {}, expected \"sliding_attention\" or "
                    "\"full_attention\"",
                    text_.where(), c.sliding.size(),
                    t.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 60));
      c.sliding.push_back(t == "sliding_attention");
    }
    return {};
  }

  result<void> rope(vindex::model_config& c) {
    if (!text_.has("rope_parameters"))
      return {}; // the family's numbers hold
    LARQL_TRY(const json* both, text_.object("rope_parameters"));
    const auto f = json_fields{*both, text_.where() + ": rope_parameters"};
    const auto kind = [&](const char* layers, const char* type, double& base) -> result<void> {
      LARQL_TRY(const json* one, f.object(layers));
      const auto r = json_fields{*one, fmt::format("{}: {}", f.where(), layers)};
      LARQL_TRY(base, r.number("rope_theta"));
      LARQL_TRY(const auto found, r.string("rope_type"));
      if (found != type)
        return fail(errc::unsupported, "{}: rope_type is \"{}\", expected \"{}\"", r.where(), found,
                    type);
      if (std::string_view{layers} == "full_attention") {
        LARQL_TRY(c.partial_rotary, number_or(r, "partial_rotary_factor", 0.25));
      }
      return {};
    };
    LARQL_TRY_VOID(kind("full_attention", "proportional", c.rope_base));
    return kind("sliding_attention", "default", c.rope_local_base);
  }

  result<std::uint32_t> u32_or(const char* key, std::uint32_t max, std::uint32_t otherwise) const {
    if (!text_.has(key))
      return otherwise;
    LARQL_TRY(const auto n, text_.unsigned_integer(key, max));
    return static_cast<std::uint32_t>(n);
  }
  static result<bool> boolean_or(const json_fields& f, const char* key, bool otherwise) {
    return f.has(key) ? f.boolean(key) : result<bool>{otherwise};
  }
  static result<double> number_or(const json_fields& f, const char* key, double otherwise) {
    return f.has(key) ? f.number(key) : result<double>{otherwise};
  }

  const json& top_object_;
  const json& text_object_;
  json_fields top_;
  json_fields text_;
};

} // namespace

namespace {

// Models that see or hear, and drafters, keep the language model's numbers in a part of their own.
template <class F>
auto read_text_part(const json& top, std::string_view name, F read) {
  const auto part = top.find("text_config");
  if (part != top.end() && part->is_object())
    return read(reader{top, *part, name, fmt::format("{}: text_config", name)});
  return read(reader{top, top, name, name});
}

result<json> parse_config(std::string_view text, std::string_view name) {
  LARQL_TRY(auto top, parse_json(text, name));
  if (!top.is_object())
    return fail(errc::corrupt, "{}: expected a JSON object, found {}", name, top.type_name());
  return top;
}

} // namespace

result<hf_config> parse_hf_config(std::string_view text, std::string_view name) {
  LARQL_TRY(const auto top, parse_config(text, name));
  return read_text_part(top, name, [](reader r) { return r.read(); });
}

result<vindex::drafter_config> parse_hf_drafter_config(std::string_view text,
                                                       std::string_view name) {
  LARQL_TRY(const auto top, parse_config(text, name));
  return read_text_part(top, name, [](reader r) { return r.read_drafter(); });
}

bool is_hf_drafter(const json& config) {
  return config.is_object() && config.value("model_type", json()) == "gemma4_assistant";
}

} // namespace larql::import
