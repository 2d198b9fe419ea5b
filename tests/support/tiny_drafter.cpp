#include "tests/support/tiny_drafter.hpp"

#include "runtime/base/check.hpp"
#include "tests/support/files.hpp"
#include "tests/support/random_weights.hpp"
#include "tests/support/temporary_directory.hpp"

#include <algorithm>
#include <cmath>

namespace larql::test {

namespace {

std::string_view text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

tiny_drafter::tiny_drafter(const vindex::model_config& target, const drafter_options& o) {
  config_.hidden = o.hidden;
  config_.dense_width = o.dense_width;
  config_.q_heads = o.q_heads;
  config_.sliding = o.sliding;
  config_.rms_eps = target.rms_eps;
  config_.target = {target.hidden, target.vocab,     target.head_dim,        target.global_head_dim,
                    target.window, target.rope_base, target.rope_local_base, target.partial_rotary};
  auto random = random_source{o.seed};
  for (const auto& t : vindex::drafter_tensors(config_)) {
    auto& out = tensors_.emplace_back();
    out.key = t.key;
    if (t.is_vector) {
      const auto scalar = t.key.ends_with("layer_scalar");
      auto values = random_floats(random, t.cols, scalar ? 0.05f : 0.2f);
      for (auto& x : values)
        x += scalar ? 0.8f : 1.0f;
      const auto bytes = std::as_bytes(std::span{values});
      out.shape = {t.cols};
      out.data.assign(bytes.begin(), bytes.end());
      if (scalar && !o.layer_scalar)
        tensors_.pop_back();
      continue;
    }
    out.format =
        t.cols % quant::shape_of(o.matrices).weights == 0 ? o.matrices : quant::encoding::q8_0;
    out.shape = {t.rows, t.cols};
    const auto size = t.key == "embed_tokens.weight" ? o.confidence : 1.0f;
    out.data = random_matrix(random, out.format, t.rows, t.cols,
                             size / std::sqrt(static_cast<float>(t.cols)));
  }
}

gguf_writer tiny_drafter::gguf() const {
  const auto& c = config_;
  const auto layers = c.layers();
  auto kv = std::vector<std::int32_t>(layers, 2); // the model's matter
  auto out = gguf_writer{};
  const auto key = [](const char* name) { return fmt::format("gemma4-assistant.{}", name); };
  out.string("general.architecture", "gemma4-assistant")
      .string("general.name", "tiny drafter")
      .u32(key("block_count"), layers)
      .u32(key("context_length"), 4096)
      .u32(key("embedding_length"), c.hidden)
      .u32(key("embedding_length_out"), c.target.hidden)
      .u32(key("nextn_predict_layers"), layers)
      .u32(key("feed_forward_length"), c.dense_width)
      .u32(key("attention.head_count"), c.q_heads)
      .i32s(key("attention.head_count_kv"), kv)
      .u32(key("attention.key_length"), c.target.global_head_dim)
      .u32(key("attention.value_length"), c.target.global_head_dim)
      .u32(key("attention.key_length_swa"), c.target.head_dim)
      .u32(key("attention.value_length_swa"), c.target.head_dim)
      .u32(key("attention.sliding_window"), c.target.window)
      .booleans(key("attention.sliding_window_pattern"), c.sliding)
      .u32(key("attention.shared_kv_layers"), layers)
      .f32(key("attention.layer_norm_rms_epsilon"), c.rms_eps)
      .f32(key("rope.freq_base"), static_cast<float>(c.target.rope_base))
      .f32(key("rope.freq_base_swa"), static_cast<float>(c.target.rope_local_base));
  auto divisors = std::vector<float>(c.target.global_head_dim / 2, 1e30f);
  std::fill_n(
      divisors.begin(),
      static_cast<std::size_t>(c.target.partial_rotary * static_cast<double>(divisors.size())),
      1.0f);
  out.tensor("rope_freqs.weight", {divisors.size()}, ggml_code(quant::encoding::f32),
             {reinterpret_cast<const char*>(divisors.data()), divisors.size() * sizeof(float)});
  for (const auto& t : tensors_) {
    auto dims = t.shape;
    std::reverse(dims.begin(), dims.end());
    out.tensor(gguf_tensor_name(t.key), dims, ggml_code(t.format), text_of(t.data));
  }
  return out;
}

void tiny_drafter::write_hf(const std::filesystem::path& dir) const {
  const auto& c = config_;
  auto as_model = vindex::model_config{};
  as_model.layers = c.layers();
  as_model.hidden = c.hidden;
  as_model.dense_width = c.dense_width;
  as_model.q_heads = c.q_heads;
  as_model.kv_heads = as_model.global_kv_heads = 1; // the model's matter
  as_model.head_dim = c.target.head_dim;
  as_model.global_head_dim = c.target.global_head_dim;
  as_model.vocab = c.target.vocab;
  as_model.window = c.target.window;
  as_model.sliding = c.sliding;
  as_model.rms_eps = c.rms_eps;
  as_model.rope_base = c.target.rope_base;
  as_model.rope_local_base = c.target.rope_local_base;
  as_model.partial_rotary = c.target.partial_rotary;
  auto config = hf_config_of(as_model, true);
  config["model_type"] = "gemma4_assistant";
  config["backbone_hidden_size"] = c.target.hidden;
  config["use_ordered_embeddings"] = false;
  config["text_config"]["enable_moe_block"] = false;
  write_file(dir / "config.json", config.dump(2));
  auto weights = safetensors_writer{};
  for (const auto& t : tensors_) {
    const auto projection = t.key.find("_projection.") != std::string::npos;
    weights.tensor((projection ? "" : "model.") + t.key,
                   t.format == quant::encoding::bf16  ? "BF16"
                   : t.format == quant::encoding::f16 ? "F16"
                                                      : "F32",
                   t.shape, text_of(t.data));
  }
  write_file(dir / "model.safetensors", weights.bytes());
}

void tiny_drafter::add_to(const std::filesystem::path& vindex, vindex::quant_kind quant) const {
  const auto scratch = temporary_directory{};
  gguf().write(scratch / "drafter.gguf");
  auto pool = compute_pool{1};
  auto o = import::add_drafter_options{};
  o.quant = quant;
  const auto added = [&]() -> result<void> {
    LARQL_TRY(const auto d, import::open_drafter(scratch / "drafter.gguf"));
    return import::add_drafter(d, vindex, pool, o);
  }();
  if (!added) {
    fmt::print(stderr, "tiny_drafter: {}\n", added.error().text);
    LARQL_CHECK(false && "a tiny drafter could not be added");
  }
}

} // namespace larql::test
