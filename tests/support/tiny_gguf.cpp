#include "tests/support/tiny_gguf.hpp"

#include "runtime/base/bytes.hpp"
#include "runtime/base/check.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/random_weights.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string_view>
#include <utility>

namespace larql::test {

namespace {

using quant::encoding;
using bytes = std::vector<std::byte>;

// Codes of the format. On disk: never change.
enum value_type : std::uint32_t { u32 = 4, i32 = 5, f32 = 6, boolean = 7, string = 8, array = 9 };
constexpr std::int32_t normal_token = 1, unknown_token = 2, control_token = 3, byte_token = 6;
constexpr std::uint32_t alignment = 32;

void append_string(bytes& to, std::string_view text) {
  append_u64(to, text.size());
  append_bytes(to, text.data(), text.size());
}

void pad(bytes& to) {
  to.resize((to.size() + alignment - 1) / alignment * alignment);
}

// Collects metadata and tensors, then writes version 3 of the format.
class gguf_builder {
public:
  void number(std::string_view key, std::uint32_t x) { put(key, u32, &x, 4); }
  void real(std::string_view key, float x) { put(key, f32, &x, 4); }
  void text(std::string_view key, std::string_view x) {
    begin(key, string);
    append_string(metadata_, x);
  }
  template <class T>
  void numbers(std::string_view key, value_type type, const std::vector<T>& list) {
    begin_array(key, type, list.size());
    append_bytes(metadata_, list.data(), list.size() * sizeof(T));
  }
  void texts(std::string_view key, const std::vector<std::string>& list) {
    begin_array(key, string, list.size());
    for (const auto& x : list)
      append_string(metadata_, x);
  }

  /// `dims`: ggml's order, contiguous first.
  void tensor(std::string_view name, const std::vector<std::uint64_t>& dims, encoding e,
              const bytes& data) {
    append_string(tensors_, name);
    append_u32(tensors_, static_cast<std::uint32_t>(dims.size()));
    for (const auto d : dims)
      append_u64(tensors_, d);
    append_u32(tensors_, ggml_code(e));
    append_u64(tensors_, data_.size());
    append_bytes(data_, data.data(), data.size());
    pad(data_);
    ++tensor_count_;
  }

  void write(const std::filesystem::path& path) const {
    auto head = bytes{};
    append_bytes(head, "GGUF", 4);
    append_u32(head, 3);
    append_u64(head, tensor_count_);
    append_u64(head, metadata_count_);
    append_bytes(head, metadata_.data(), metadata_.size());
    append_bytes(head, tensors_.data(), tensors_.size());
    pad(head);
    auto out = std::ofstream{path, std::ios::binary};
    for (const auto* part : {&std::as_const(head), &data_})
      out.write(reinterpret_cast<const char*>(part->data()),
                static_cast<std::streamsize>(part->size()));
    LARQL_CHECK(out.flush().good());
  }

private:
  void begin(std::string_view key, value_type type) {
    append_string(metadata_, key);
    append_u32(metadata_, type);
    ++metadata_count_;
  }
  void put(std::string_view key, value_type type, const void* x, std::size_t n) {
    begin(key, type);
    append_bytes(metadata_, x, n);
  }
  void begin_array(std::string_view key, value_type element, std::size_t n) {
    begin(key, array);
    append_u32(metadata_, element);
    append_u64(metadata_, n);
  }

  bytes metadata_;
  bytes tensors_;
  bytes data_;
  std::uint64_t metadata_count_ = 0;
  std::uint64_t tensor_count_ = 0;
};

bool is_full(std::uint32_t layer) {
  return layer % 3 == 2;
}

class tiny_writer {
public:
  explicit tiny_writer(const tiny_gguf& shape) : shape_(shape), random_(shape.seed) {}

  void write(const std::filesystem::path& path) {
    numbers();
    if (shape_.tokenizer)
      tokenizer();
    embeddings();
    vector("output_norm.weight", shape_.hidden, 1, 0.1f);
    const auto half = shape_.global_head_dim / 2;
    auto divisors = std::vector<float>(half, 1e30f);
    std::fill_n(divisors.begin(), half / 4, 1.0f);
    floats("rope_freqs.weight", {half}, divisors);
    for (auto l = 0u; l < shape_.layers; ++l)
      layer(l);
    out_.write(path);
  }

private:
  void numbers() {
    auto sliding = std::vector<std::uint8_t>{};
    auto kv_heads = std::vector<std::int32_t>{};
    for (auto l = 0u; l < shape_.layers; ++l) {
      sliding.push_back(is_full(l) ? 0 : 1);
      kv_heads.push_back(is_full(l) ? 1 : static_cast<std::int32_t>(shape_.kv_heads));
    }
    out_.text("general.architecture", "gemma4");
    out_.text("general.name", shape_.name);
    const auto set = [&](std::string_view key, std::uint32_t x) {
      out_.number(fmt::format("gemma4.{}", key), x);
    };
    set("block_count", shape_.layers);
    set("context_length", 4096);
    set("embedding_length", shape_.hidden);
    set("feed_forward_length", shape_.dense_width);
    set("attention.head_count", shape_.heads);
    set("attention.key_length", shape_.global_head_dim);
    set("attention.value_length", shape_.global_head_dim);
    set("attention.key_length_swa", shape_.head_dim);
    set("attention.value_length_swa", shape_.head_dim);
    set("attention.sliding_window", shape_.window);
    set("expert_count", shape_.experts);
    set("expert_used_count", shape_.top_k);
    set("expert_feed_forward_length", shape_.expert_width);
    out_.numbers("gemma4.attention.head_count_kv", i32, kv_heads);
    out_.numbers("gemma4.attention.sliding_window_pattern", boolean, sliding);
    out_.real("gemma4.attention.layer_norm_rms_epsilon", 1e-6f);
    out_.real("gemma4.rope.freq_base", 1e6f);
    out_.real("gemma4.rope.freq_base_swa", 1e4f);
    out_.real("gemma4.final_logit_softcapping", 30);
  }

  // Control tokens, the 256 bytes, letters, and names for the rest.
  void tokenizer() {
    auto tokens = std::vector<std::string>{"<pad>", "<eos>", "<bos>", "<unk>"};
    auto types =
        std::vector<std::int32_t>{control_token, control_token, control_token, unknown_token};
    for (auto b = 0; b < 256; ++b) {
      tokens.push_back(fmt::format("<0x{:02X}>", b));
      types.push_back(byte_token);
    }
    for (auto c = 'a'; c <= 'z'; ++c)
      tokens.emplace_back(1, c);
    tokens.emplace_back("\xe2\x96\x81"); // the space mark
    tokens.emplace_back("ab");
    for (auto i = tokens.size(); i < shape_.vocab; ++i)
      tokens.push_back(fmt::format("t{},", i));
    types.resize(tokens.size(), normal_token);
    out_.text("tokenizer.ggml.model", "gemma4");
    out_.texts("tokenizer.ggml.tokens", tokens);
    out_.numbers("tokenizer.ggml.token_type", i32, types);
    out_.texts("tokenizer.ggml.merges", {"a b"});
    out_.number("tokenizer.ggml.bos_token_id", 2);
    out_.number("tokenizer.ggml.eos_token_id", 1);
  }

  // Rows of control tokens are zero but for <bos>: their logits are 0, so greedy text never ends.
  void embeddings() {
    auto rows = random_floats(random_, std::size_t{shape_.vocab} * shape_.hidden,
                              1 / std::sqrt(static_cast<float>(shape_.hidden)));
    for (const auto id : {0u, 1u, 3u})
      std::fill_n(rows.begin() + id * shape_.hidden, shape_.hidden, 0.0f);
    floats("token_embd.weight", {shape_.hidden, shape_.vocab}, rows);
  }

  void layer(std::uint32_t l) {
    const auto prefix = fmt::format("blk.{}.", l);
    const auto full = is_full(l);
    const auto dim = full ? shape_.global_head_dim : shape_.head_dim;
    const auto kv = full ? 1 : shape_.kv_heads;
    const auto h = shape_.hidden;
    const auto norm = [&](std::string_view name, std::uint32_t n, float mean = 1) {
      vector(prefix + std::string{name}, n, mean, 0.2f * mean);
    };
    const auto project = [&](std::string_view name, std::uint64_t rows, std::uint64_t cols) {
      matrix(prefix + std::string{name}, {cols, rows}, encoding::q8_0);
    };
    norm("attn_norm.weight", h);
    project("attn_q.weight", shape_.heads * dim, h);
    project("attn_k.weight", kv * dim, h);
    if (!full)
      matrix(prefix + "attn_v.weight", {h, kv * dim}, shape_.value_encoding);
    project("attn_output.weight", h, shape_.heads * dim);
    norm("attn_q_norm.weight", dim);
    norm("attn_k_norm.weight", dim, 0.3f);
    norm("post_attention_norm.weight", h);
    floats(prefix + "layer_output_scale.weight", {1}, {random_.uniform(0.5f, 1)});
    norm("ffn_norm.weight", h);
    project("ffn_gate.weight", shape_.dense_width, h);
    project("ffn_up.weight", shape_.dense_width, h);
    project("ffn_down.weight", h, shape_.dense_width);
    for (const auto* name : {"post_ffw_norm.weight", "pre_ffw_norm_2.weight",
                             "post_ffw_norm_1.weight", "post_ffw_norm_2.weight"})
      norm(name, h);
    floats(prefix + "ffn_gate_inp.weight", {h, shape_.experts},
           random_floats(random_, std::size_t{h} * shape_.experts, 2));
    norm("ffn_gate_inp.scale", h);
    const auto gate_up = shape_.expert_encodings[l % shape_.expert_encodings.size()];
    const auto& ups = shape_.up_encodings;
    const auto w = shape_.expert_width;
    if (ups.empty()) {
      matrix(prefix + "ffn_gate_up_exps.weight", {h, 2 * w, shape_.experts}, gate_up);
    } else {
      matrix(prefix + "ffn_gate_exps.weight", {h, w, shape_.experts}, gate_up);
      matrix(prefix + "ffn_up_exps.weight", {h, w, shape_.experts}, ups[l % ups.size()]);
    }
    matrix(prefix + "ffn_down_exps.weight", {shape_.expert_width, h, shape_.experts},
           gate_up == encoding::f32 ? encoding::f32 : encoding::q8_0);
    norm("ffn_down_exps.scale", shape_.experts);
  }

  void matrix(const std::string& name, const std::vector<std::uint64_t>& dims, encoding e) {
    auto rows = std::uint64_t{1};
    for (auto i = std::size_t{1}; i < dims.size(); ++i)
      rows *= dims[i];
    const auto deviation = 1 / std::sqrt(static_cast<float>(dims[0]));
    out_.tensor(name, dims, e, random_matrix(random_, e, rows, dims[0], deviation));
  }
  void floats(const std::string& name, const std::vector<std::uint64_t>& dims,
              const std::vector<float>& values) {
    auto data = bytes{};
    append_bytes(data, values.data(), values.size() * sizeof(float));
    out_.tensor(name, dims, encoding::f32, data);
  }
  void vector(const std::string& name, std::uint32_t n, float mean, float deviation) {
    auto values = random_floats(random_, n, deviation);
    for (auto& x : values)
      x += mean;
    floats(name, {n}, values);
  }

  const tiny_gguf& shape_;
  random_source random_;
  gguf_builder out_;
};

} // namespace

void tiny_gguf::write(const std::filesystem::path& path) const {
  LARQL_CHECK(vocab >= 300);
  tiny_writer{*this}.write(path);
}

} // namespace larql::test
