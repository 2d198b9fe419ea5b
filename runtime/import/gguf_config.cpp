#include "runtime/import/gguf_config.hpp"

#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <cmath>

namespace larql::import {

namespace {

using vindex::model_config;

class config_reader {
public:
  config_reader(const gguf_metadata& m, std::string_view architecture)
      : m_(m), architecture_(architecture) {}

  result<model_config> read() {
    LARQL_TRY_VOID(check_architecture());
    auto c = model_config{};
    c.family = "gemma4";
    c.quant = vindex::quant_kind::lossless;
    c.model = "gemma4";
    if (m_.has("general.name")) {
      LARQL_TRY(c.model, m_.string("general.name"));
    }
    LARQL_TRY(c.layers, u32("block_count"));
    layers_ = c.layers;
    LARQL_TRY(c.hidden, u32("embedding_length"));
    LARQL_TRY(c.dense_width, u32("feed_forward_length"));
    LARQL_TRY_VOID(heads(c));
    LARQL_TRY(c.window, u32("attention.sliding_window"));
    if (m_.has(key_of("context_length"))) {
      LARQL_TRY(const auto n, m_.unsigned_integer(key_of("context_length")));
      c.trained_context = static_cast<std::uint32_t>(std::min<std::uint64_t>(n, UINT32_MAX));
    }
    LARQL_TRY(c.experts, u32("expert_count"));
    LARQL_TRY(c.top_k, u32("expert_used_count"));
    LARQL_TRY(const auto eps, m_.number(key_of("attention.layer_norm_rms_epsilon")));
    c.rms_eps = static_cast<float>(eps);
    LARQL_TRY(c.rope_base, number_or("rope.freq_base", 1e4));
    LARQL_TRY(c.rope_local_base, number_or("rope.freq_base_swa", 1e4));
    LARQL_TRY(const auto cap, number_or("final_logit_softcapping", 0));
    c.softcap = static_cast<float>(cap);
    LARQL_TRY_VOID(layer_kinds(c));
    LARQL_TRY_VOID(kv_heads(c));
    c.embed_scale = std::sqrt(static_cast<float>(c.hidden));
    LARQL_TRY_VOID(check_others(c));
    return c;
  }

  // Keys have the names of the model's. How many heads have keys and values is the model's matter.
  result<vindex::drafter_config> read_drafter() {
    LARQL_TRY_VOID(check_architecture());
    auto c = model_config{};
    auto out = vindex::drafter_config{};
    LARQL_TRY(c.layers, u32("block_count"));
    layers_ = c.layers;
    LARQL_TRY(c.hidden, u32("embedding_length"));
    LARQL_TRY(out.dense_width, u32("feed_forward_length"));
    LARQL_TRY(out.target.hidden, u32("embedding_length_out"));
    LARQL_TRY_VOID(heads(c));
    LARQL_TRY_VOID(layer_kinds(c));
    LARQL_TRY(out.target.window, u32("attention.sliding_window"));
    LARQL_TRY(const auto eps, m_.number(key_of("attention.layer_norm_rms_epsilon")));
    LARQL_TRY(out.target.rope_base, number_or("rope.freq_base", 1e4));
    LARQL_TRY(out.target.rope_local_base, number_or("rope.freq_base_swa", 1e4));
    LARQL_TRY_VOID(check_rope(c));
    out.hidden = c.hidden;
    out.q_heads = c.q_heads;
    out.sliding = c.sliding;
    out.rms_eps = static_cast<float>(eps);
    out.target.head_dim = c.head_dim;
    out.target.global_head_dim = c.global_head_dim;
    return out;
  }

private:
  result<void> check_architecture() const {
    LARQL_TRY(const auto architecture, m_.string("general.architecture"));
    if (architecture == "clip")
      return fail(errc::unsupported,
                  "{}: general.architecture is \"clip\": this is the image part of a model "
                  "(mmproj); its text part is another GGUF file",
                  m_.file_name());
    if (architecture_ == "gemma4" && architecture == vindex::drafter_kind)
      return fail(errc::unsupported,
                  "{}: general.architecture is \"{}\": this is a drafter, which goes into the "
                  "vindex of its model: `larql extract {} -o MODEL.vindex`",
                  m_.file_name(), architecture, m_.file_name());
    if (architecture != architecture_)
      return fail(errc::unsupported, "{}: general.architecture is \"{}\", expected \"{}\"",
                  m_.file_name(), architecture, architecture_);
    return {};
  }

  [[nodiscard]] std::string key_of(std::string_view name) const {
    return fmt::format("{}.{}", architecture_, name);
  }

  // Of a list, the entry of layer 0; the others must be the same.
  result<std::uint64_t> integer(std::string_view name) const {
    const auto key = key_of(name);
    if (!m_.is_array(key))
      return m_.unsigned_integer(key);
    LARQL_TRY(const auto list, per_layer(key));
    for (auto l = std::size_t{0}; l < list.size(); ++l)
      if (list[l] != list[0] || list[l] < 0)
        return fail(errc::unsupported, "{}: key \"{}\"[{}] is {}, expected {} as in layer 0",
                    m_.file_name(), key, l, list[l], std::max<std::int64_t>(list[0], 0));
    return static_cast<std::uint64_t>(list[0]);
  }

  // A list with an entry for each layer. @pre layers_ is known
  result<std::vector<std::int64_t>> per_layer(const std::string& key) const {
    LARQL_TRY(auto list, m_.integers(key));
    if (list.size() != layers_ || list.empty())
      return fail(errc::corrupt, "{}: key \"{}\" has {} entries, expected {}", m_.file_name(), key,
                  list.size(), layers_);
    return list;
  }

  result<std::uint32_t> u32(std::string_view name) const {
    LARQL_TRY(const auto n, integer(name));
    if (n > vindex::max_vocab)
      return fail(errc::corrupt, "{}: key \"{}\" is {}, out of range", m_.file_name(), key_of(name),
                  n);
    return static_cast<std::uint32_t>(n);
  }

  result<std::uint32_t> u32_or(std::string_view name, std::uint32_t otherwise) const {
    return m_.has(key_of(name)) ? u32(name) : result<std::uint32_t>{otherwise};
  }

  result<double> number_or(std::string_view name, double otherwise) const {
    return m_.has(key_of(name)) ? m_.number(key_of(name)) : result<double>{otherwise};
  }

  result<void> heads(model_config& c) const {
    LARQL_TRY(c.q_heads, u32("attention.head_count"));
    const auto usual = c.q_heads == 0 ? 0 : c.hidden / c.q_heads;
    LARQL_TRY(c.global_head_dim, u32_or("attention.key_length", usual));
    LARQL_TRY(c.head_dim, u32("attention.key_length_swa"));
    LARQL_TRY(const auto value, u32_or("attention.value_length", usual));
    LARQL_TRY(const auto value_swa, u32("attention.value_length_swa"));
    LARQL_TRY_VOID(same("attention.value_length", value, c.global_head_dim, "the key length"));
    return same("attention.value_length_swa", value_swa, c.head_dim, "the key length");
  }

  result<void> same(std::string_view name, std::uint32_t found, std::uint32_t expected,
                    std::string_view as) const {
    if (found == expected)
      return {};
    return fail(errc::unsupported, "{}: key \"{}\" is {}, expected {} like {}", m_.file_name(),
                key_of(name), found, expected, as);
  }

  result<void> layer_kinds(model_config& c) const {
    const auto key = key_of("attention.sliding_window_pattern");
    if (m_.has(key) && !m_.is_array(key)) {
      LARQL_TRY(const auto all, m_.number(key));
      if (all != 0 && all != 1)
        return fail(errc::unsupported,
                    "{}: key \"{}\" is {}, expected a list with an entry for each layer",
                    m_.file_name(), key, all);
      c.sliding.assign(c.layers, all == 1);
      return {};
    }
    LARQL_TRY(const auto pattern, per_layer(key));
    for (const auto p : pattern)
      c.sliding.push_back(p != 0);
    return {};
  }

  // One number for all layers, or one per layer; layers of a kind must agree.
  result<void> kv_heads(model_config& c) const {
    constexpr auto name = std::string_view{"attention.head_count_kv"};
    const auto key = key_of(name);
    if (!m_.is_array(key)) {
      LARQL_TRY(c.kv_heads, u32_or(name, c.q_heads));
      c.global_kv_heads = c.kv_heads;
      return {};
    }
    LARQL_TRY(const auto list, per_layer(key));
    for (auto l = 0u; l < c.layers; ++l) {
      auto& kind = c.sliding[l] ? c.kv_heads : c.global_kv_heads;
      if (list[l] <= 0 || list[l] > vindex::max_heads ||
          (kind != 0 && kind != static_cast<std::uint32_t>(list[l])))
        return fail(errc::unsupported, "{}: key \"{}\"[{}] is {}, expected {} as in like layers",
                    m_.file_name(), key, l, list[l], kind);
      kind = static_cast<std::uint32_t>(list[l]);
    }
    // A model with layers of one kind only still needs numbers for the other.
    c.kv_heads = c.kv_heads != 0 ? c.kv_heads : c.global_kv_heads;
    c.global_kv_heads = c.global_kv_heads != 0 ? c.global_kv_heads : c.kv_heads;
    return {};
  }

  // Keys that this program follows by having one value for them.
  result<void> check_others(const model_config& c) const {
    for (const auto name : {"attention.shared_kv_layers", "embedding_length_per_layer_input",
                            "attn_logit_softcapping", "expert_shared_count",
                            "leading_dense_block_count", "nextn_predict_layers"}) {
      LARQL_TRY(const auto n, number_or(name, 0));
      if (n != 0)
        return fail(errc::unsupported, "{}: key \"{}\" is {}; only models with 0 are supported",
                    m_.file_name(), key_of(name), n);
    }
    return check_rope(c);
  }

  result<void> check_rope(const model_config& c) const {
    for (const auto name : {"rope.scaling.factor", "rope.scale_linear"}) {
      LARQL_TRY(const auto factor, number_or(name, 1));
      if (factor != 1 && factor != 0) // llama.cpp takes 0 for none
        return fail(errc::unsupported, "{}: key \"{}\" is {}; only models with 1 are supported",
                    m_.file_name(), key_of(name), factor);
    }
    if (const auto key = key_of("rope.scaling.type"); m_.has(key)) {
      LARQL_TRY(const auto type, m_.string(key));
      if (type != "none" && type != "linear")
        return fail(errc::unsupported, "{}: key \"{}\" is \"{}\", expected \"none\"",
                    m_.file_name(), key, type);
    }
    LARQL_TRY(const auto rotated, u32_or("rope.dimension_count", c.global_head_dim));
    LARQL_TRY_VOID(same("rope.dimension_count", rotated, c.global_head_dim, "the key length"));
    LARQL_TRY(const auto rotated_swa, u32_or("rope.dimension_count_swa", c.head_dim));
    return same("rope.dimension_count_swa", rotated_swa, c.head_dim, "the key length");
  }

  const gguf_metadata& m_;
  std::string_view architecture_;
  std::uint32_t layers_ = 0;
};

} // namespace

std::string gguf_key(std::string_view name) {
  return fmt::format("gemma4.{}", name);
}

result<model_config> read_gguf_config(const gguf_metadata& metadata) {
  return config_reader{metadata, "gemma4"}.read();
}

result<vindex::drafter_config> read_gguf_drafter_config(const gguf_metadata& metadata) {
  return config_reader{metadata, vindex::drafter_kind}.read_drafter();
}

} // namespace larql::import
