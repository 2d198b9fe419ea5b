#include "tests/support/safetensors_writer.hpp"

#include "runtime/base/check.hpp"
#include "tests/support/files.hpp"
#include "tests/support/json_text.hpp"

#include <cstring>

namespace larql::test {

namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

const char* dtype_of(quant::encoding e) {
  switch (e) {
  case quant::encoding::f32: return "F32";
  case quant::encoding::f16: return "F16";
  case quant::encoding::bf16: return "BF16";
  default: LARQL_CHECK(false && "safetensors hold plain numbers");
  }
}

} // namespace

safetensors_writer& safetensors_writer::tensor(std::string_view name, std::string_view dtype,
                                               std::vector<std::uint64_t> shape,
                                               std::string_view data) {
  header_[std::string{name}] = {{"dtype", dtype},
                                {"shape", std::move(shape)},
                                {"data_offsets", {data_.size(), data_.size() + data.size()}}};
  data_ += data;
  return *this;
}

std::string safetensors_writer::bytes(const std::function<void(json&)>& edit) const {
  auto header = header_;
  if (edit)
    edit(header);
  auto text = json_text(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const auto n = std::uint64_t{text.size()};
  auto out = std::string(8, '\0');
  std::memcpy(out.data(), &n, 8);
  return out + text + data_;
}

json hf_config_of(const vindex::model_config& c, bool tied, bool nested_text) {
  auto types = json::array();
  for (auto l = 0u; l < c.layers; ++l)
    types.push_back(c.sliding[l] ? "sliding_attention" : "full_attention");
  auto text = json{
      {"model_type", "gemma4_text"},
      {"hidden_size", c.hidden},
      {"num_hidden_layers", c.layers},
      {"num_attention_heads", c.q_heads},
      {"num_key_value_heads", c.kv_heads},
      {"num_global_key_value_heads", c.global_kv_heads},
      {"head_dim", c.head_dim},
      {"global_head_dim", c.global_head_dim},
      {"intermediate_size", c.dense_width},
      {"enable_moe_block", true},
      {"num_experts", c.experts},
      {"top_k_experts", c.top_k},
      {"moe_intermediate_size", c.expert_width},
      {"hidden_activation", "gelu_pytorch_tanh"},
      {"vocab_size", c.vocab},
      {"attention_k_eq_v", c.k_eq_v},
      {"rms_norm_eps", static_cast<double>(c.rms_eps)},
      {"final_logit_softcapping", static_cast<double>(c.softcap)},
      {"sliding_window", c.window},
      {"layer_types", types},
      {"rope_parameters",
       {{"full_attention",
         {{"rope_type", "proportional"},
          {"rope_theta", c.rope_base},
          {"partial_rotary_factor", c.partial_rotary}}},
        {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", c.rope_local_base}}}}},
  };
  if (!nested_text) {
    text["tie_word_embeddings"] = tied;
    return text;
  }
  return {{"model_type", "gemma4"},
          {"tie_word_embeddings", tied},
          {"eos_token_id", {1, 106}},
          {"text_config", std::move(text)}};
}

void write_hf(const import::checkpoint& model, const std::filesystem::path& dir,
              const hf_options& o) {
  auto parts = std::vector<safetensors_writer>(o.shards);
  auto map = json::object();
  const auto name_of = [&](std::size_t i) {
    return o.shards == 1 ? std::string{"model.safetensors"}
                         : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, o.shards);
  };
  auto next = std::size_t{0};
  const auto add = [&](const std::string& name, const char* dtype,
                       const std::vector<std::uint64_t>& shape, std::string_view data) {
    map[name] = name_of(next % o.shards);
    parts[next++ % o.shards].tensor(name, dtype, shape, data);
  };
  for (const auto& [key, t] : model.tensors)
    add((key == "lm_head.weight" ? "" : o.prefix) + key, dtype_of(t.format), t.shape,
        text_of(t.data));
  if (o.vision) {
    add("model.vision_tower.patch.weight", "F16", {2, 2}, "12345678");
    add("model.embed_vision.count", "I64", {1}, "12345678");
  }
  for (auto i = std::size_t{0}; i < parts.size(); ++i)
    write_file(dir / name_of(i), parts[i].bytes());
  if (o.shards > 1)
    write_file(dir / "model.safetensors.index.json",
               json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump());
  const auto tied = !model.tensors.contains("lm_head.weight");
  write_file(dir / "config.json", hf_config_of(model.config, tied, o.nested_text).dump(2));
}

} // namespace larql::test
