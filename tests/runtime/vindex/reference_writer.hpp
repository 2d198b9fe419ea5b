// A vindex exactly as the reference (the Rust larql) writes it with --quant q4k, made by a writer
// that shares no code with ours: bytes from the description of the format alone.
//
// Weights are random blocks, so the values are whatever the blocks say. Beside each matrix the
// writer keeps its values, decoded by formulas of its own.

#pragma once

#include "tests/support/files.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/random_weights.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <string>
#include <vector>

namespace larql::test {

using bytes = std::vector<std::uint8_t>;

/// Half precision by its definition; only normal numbers occur here.
inline double half_value(const std::uint8_t* p) {
  const auto h = p[0] | p[1] << 8;
  const auto magnitude = std::ldexp(1.0 + (h & 0x3ff) / 1024.0, ((h >> 10) & 31) - 15);
  return ((h & 0x7fff) == 0) ? 0.0 : (h & 0x8000) != 0 ? -magnitude : magnitude;
}
/// 2^exponent * (1 + fraction / 1024)
inline void put_half(std::uint8_t* p, int exponent, unsigned fraction) {
  const auto h = static_cast<unsigned>(exponent + 15) << 10 | fraction;
  p[0] = static_cast<std::uint8_t>(h), p[1] = static_cast<std::uint8_t>(h >> 8);
}

/// Q4_K: d, dmin, eight six-bit scales and minima, nibbles in groups of 64.
inline double q4k_value(const std::uint8_t* b, int i) {
  const auto j = i / 32;
  const auto* s = b + 4;
  const auto scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
  const auto min = j < 4 ? s[j + 4] & 63 : (s[j + 4] >> 4) | (s[j] >> 6) << 4;
  const auto byte = b[16 + i / 64 * 32 + i % 32];
  const auto nibble = i % 64 < 32 ? byte & 15 : byte >> 4;
  return half_value(b) * scale * nibble - half_value(b + 2) * min;
}

/// Q6_K in the reference's linear order, which is not ggml's.
inline double q6k_value(const std::uint8_t* b, int i) {
  const auto low = (b[i / 2] >> (4 * (i & 1))) & 15;
  const auto high = (b[128 + i / 4] >> (2 * (i % 4))) & 3;
  const auto scale = static_cast<std::int8_t>(b[192 + i / 16]);
  return half_value(b + 208) * scale * ((low | high << 4) - 32);
}

/// One block of random weights around 1/16 in size, the first `used` of them; the rest is zero.
inline bytes random_block(random_source& random, const std::string& format, int used) {
  auto b = bytes(format == "Q4_K" ? 144 : 210);
  for (auto& x : b)
    x = static_cast<std::uint8_t>(random.bits());
  if (format == "Q4_K") {
    put_half(b.data(), -12, random.below(1024));    // d * 32 * 8 is about 1/16
    put_half(b.data() + 2, -9, random.below(1024)); // dmin * 32 as well
    for (auto j = used / 32; j < 8; ++j) {          // scale and minimum of unused sub-blocks
      auto* s = b.data() + 4;
      if (j < 4) {
        s[j] &= 0xc0, s[j + 4] &= 0xc0;
      } else {
        s[j + 4] = 0, s[j - 4] &= 0x3f, s[j] &= 0x3f;
      }
    }
    if (used == 0)
      std::fill(b.begin(), b.end(), std::uint8_t{0});
    return b;
  }
  for (auto g = 0; g < 16; ++g)
    b[192 + g] = g * 16 < used ? static_cast<std::uint8_t>(random.below(101) + 156) : 0; // -100..0
  put_half(b.data() + 208, -14, random.below(1024));
  return b;
}

/// A matrix as its rows lie on disk, and its values without padding.
struct reference_matrix {
  std::string format;
  std::uint32_t rows = 0, cols = 0, stored_cols = 0;
  bytes data;
  std::vector<float> values; ///< [rows][cols]
};

inline reference_matrix random_reference_matrix(random_source& random, const std::string& format,
                                                std::uint32_t rows, std::uint32_t cols) {
  auto m = reference_matrix{format, rows, cols, (cols + 255) / 256 * 256, {}, {}};
  for (auto r = 0u; r < rows; ++r)
    for (auto at = 0u; at < m.stored_cols; at += 256) {
      const auto used = static_cast<int>(std::min(cols - at, 256u));
      const auto b = random_block(random, format, used);
      for (auto i = 0; i < used; ++i)
        m.values.push_back(
            static_cast<float>(format == "Q4_K" ? q4k_value(b.data(), i) : q6k_value(b.data(), i)));
      m.data.insert(m.data.end(), b.begin(), b.end());
    }
  return m;
}

/// The shape of the model; widths that need padding, one sliding and one full layer.
struct reference_shape {
  static constexpr std::uint32_t layers = 2, hidden = 256, dense = 160, vocab = 64, q_heads = 4;
  static constexpr std::uint32_t experts = 4, width = 96, window = 8;
  static std::uint32_t dim(std::uint32_t l) { return l == 0 ? 64 : 128; }
  static std::uint32_t kv_heads(std::uint32_t l) { return l == 0 ? 2 : 1; }
};

/// Everything that was written, for comparison.
struct reference_content {
  std::map<std::string, reference_matrix>
      matrices; ///< by key; experts as "layers.L.E.gate_up|down"
  std::map<std::string, std::vector<float>> vectors;
  std::vector<float> embeddings;
};

class reference_writer {
public:
  explicit reference_writer(std::filesystem::path dir) : dir_(std::move(dir)) {}

  reference_content write() {
    write_index();
    write_norms();
    write_matrices();
    for (auto l = 0u; l < s::layers; ++l)
      write_layer(l);
    auto halves = bytes(std::size_t{s::vocab} * s::hidden * 2);
    for (auto i = std::size_t{0}; i < halves.size(); i += 2) {
      put_half(halves.data() + i, -5 + static_cast<int>(random_.below(3)), random_.below(1024));
      halves[i + 1] |= static_cast<std::uint8_t>(random_.below(2) << 7);
      out_.embeddings.push_back(static_cast<float>(half_value(halves.data() + i)));
    }
    put("embeddings.bin", halves);
    put("tokenizer.json", {});
    put("gate_vectors.bin", bytes(100)); // for other tools; nobody here opens it
    return std::move(out_);
  }

private:
  using s = reference_shape;

  void put(const std::string& name, const bytes& data) const {
    write_file(dir_ / name,
               std::string_view{reinterpret_cast<const char*>(data.data()), data.size()});
  }

  void write_index() const {
    const auto index =
        json{{"version", 2},
             {"model", "reference"},
             {"family", "gemma4"},
             {"source", nullptr},
             {"checksums", {{"embeddings.bin", "0000"}}},
             {"num_layers", s::layers},
             {"hidden_size", s::hidden},
             {"intermediate_size", s::dense},
             {"vocab_size", s::vocab},
             {"embed_scale", 16.0},
             {"extract_level", "inference"},
             {"dtype", "f16"},
             {"quant", "q4k"},
             {"layer_bands", nullptr},
             {"layers", {{{"layer", 0}, {"num_features", 160}, {"offset", 0}, {"length", 81920}}}},
             {"down_top_k", 10},
             {"has_model_weights", true},
             {"ffn_layout", "per_layer"},
             {"model_config",
              {{"model_type", "gemma4_text"},
               {"head_dim", s::dim(0)},
               {"global_head_dim", s::dim(1)},
               {"num_q_heads", s::q_heads},
               {"num_kv_heads", s::kv_heads(0)},
               {"num_global_kv_heads", s::kv_heads(1)},
               {"rope_base", 1000000.0},
               {"rope_local_base", 10000.0},
               {"partial_rotary_factor", 0.25},
               {"sliding_window", s::window},
               {"sliding_window_pattern", 2},
               {"attention_k_eq_v", true},
               {"final_logit_softcapping", 30.0},
               {"moe",
                {{"num_experts", s::experts},
                 {"top_k", s::experts}, // all of them, so that rounding cannot flip a choice
                 {"shared_expert", false},
                 {"router_type", "gemma4_top_k_softmax"},
                 {"moe_intermediate_size", s::width},
                 {"hybrid", true}}}}}};
    write_file(dir_ / "index.json", json_text(index));
  }

  void add_vector(json& manifest, bytes& data, const std::string& key, std::size_t n, float mean,
                  float deviation) {
    auto& v = out_.vectors[key]; // a key that comes twice has the same data twice
    if (v.empty()) {
      v = random_floats(random_, n, deviation);
      for (auto& x : v)
        x += mean;
    }
    manifest.push_back({{"key", key},
                        {"kind", "vector"},
                        {"shape", {n}},
                        {"offset", data.size()},
                        {"length", n * 4},
                        {"file", "norms.bin"}});
    const auto* p = reinterpret_cast<const std::uint8_t*>(v.data());
    data.insert(data.end(), p, p + n * 4);
  }

  void write_norms() {
    auto manifest = json::array();
    auto data = bytes{};
    for (auto l = 0u; l < s::layers; ++l) {
      const auto add = [&](const char* name, std::size_t n, float mean = 1,
                           float deviation = 0.2f) {
        add_vector(manifest, data, fmt::format("layers.{}.{}", l, name), n, mean, deviation);
      };
      add("input_layernorm.weight", s::hidden);
      add("post_attention_layernorm.weight", s::hidden);
      add("pre_feedforward_layernorm.weight", s::hidden);
      add("post_feedforward_layernorm_1.weight", s::hidden);
      add("self_attn.q_norm.weight", s::dim(l));
      add("self_attn.k_norm.weight", s::dim(l), 0.12f, 0.02f);
      add("layer_scalar", 1, 0.8f, 0.05f);
      add("router.proj.weight", s::experts * s::hidden, 0, 1);
      add("router.scale", s::hidden);
      add("router.per_expert_scale", s::experts);
      add("pre_feedforward_layernorm_2.weight", s::hidden);
      add("post_feedforward_layernorm_1.weight", s::hidden); // once more, as the reference does
      add("post_feedforward_layernorm_2.weight", s::hidden);
      add("post_feedforward_layernorm.weight", s::hidden);
    }
    add_vector(manifest, data, "norm.weight", s::hidden, 1, 0.1f);
    put("norms.bin", data);
    write_file(dir_ / "weight_manifest.json", json_text(manifest));
  }

  void add_matrix(json& manifest, bytes& data, const std::string& key, const std::string& format,
                  std::uint32_t rows, std::uint32_t cols) {
    auto m = random_reference_matrix(random_, format, rows, cols);
    manifest.push_back({{"key", key},
                        {"shape", {rows, m.stored_cols}},
                        {"format", format},
                        {"offset", data.size()},
                        {"length", m.data.size()}});
    data.insert(data.end(), m.data.begin(), m.data.end());
    out_.matrices[key] = std::move(m);
  }

  void write_matrices() {
    auto attention = json::array(), dense = json::array();
    auto attention_data = bytes{}, dense_data = bytes{};
    for (auto l = 0u; l < s::layers; ++l) {
      const auto q = s::q_heads * s::dim(l), kv = s::kv_heads(l) * s::dim(l);
      const auto add = [&](const char* name, const char* format, std::uint32_t r, std::uint32_t c) {
        add_matrix(attention, attention_data, fmt::format("layers.{}.self_attn.{}.weight", l, name),
                   format, r, c);
      };
      add("q_proj", "Q4_K", q, s::hidden);
      add("k_proj", "Q4_K", kv, s::hidden);
      add("v_proj", "Q6_K", kv, s::hidden); // on full layers K once more; here simply another one
      add("o_proj", "Q4_K", s::hidden, q);
      const auto add_dense = [&](const char* name, const char* format, std::uint32_t r,
                                 std::uint32_t c) {
        add_matrix(dense, dense_data, fmt::format("layers.{}.mlp.{}.weight", l, name), format, r,
                   c);
      };
      add_dense("gate_proj", "Q4_K", s::dense, s::hidden);
      add_dense("up_proj", "Q4_K", s::dense, s::hidden);
      add_dense("down_proj", "Q6_K", s::hidden, s::dense);
    }
    put("attn_weights_q4k.bin", attention_data);
    write_file(dir_ / "attn_weights_q4k_manifest.json", json_text(attention));
    put("interleaved_q4k.bin", dense_data);
    write_file(dir_ / "interleaved_q4k_manifest.json", json_text(dense));
  }

  static void put_number(bytes& to, std::uint64_t x, int n) {
    for (auto i = 0; i < n; ++i)
      to.push_back(static_cast<std::uint8_t>(x >> (8 * i)));
  }

  void write_layer(std::uint32_t l) {
    auto head = bytes{'L', 'Y', 'R', 'W'};
    for (const auto x : {1u, 4u, s::experts, s::width, s::hidden})
      put_number(head, x, 4);
    auto data = bytes{};
    const auto first = head.size() + std::size_t{s::experts} * 32;
    for (auto e = 0u; e < s::experts; ++e) {
      const auto add = [&](const char* name, std::uint32_t rows, std::uint32_t cols) {
        auto m = random_reference_matrix(random_, "Q4_K", rows, cols);
        put_number(head, first + data.size(), 8);
        put_number(head, m.data.size(), 8);
        data.insert(data.end(), m.data.begin(), m.data.end());
        out_.matrices[fmt::format("layers.{}.{}.{}", l, e, name)] = std::move(m);
      };
      add("gate_up", 2 * s::width, s::hidden);
      add("down", s::hidden, s::width);
    }
    head.insert(head.end(), data.begin(), data.end());
    put(fmt::format("layers/layer_{:02}.weights", l), head);
  }

  std::filesystem::path dir_;
  random_source random_{2026};
  reference_content out_;
};

} // namespace larql::test
