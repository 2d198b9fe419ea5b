#include "tests/support/gguf_writer.hpp"

#include "runtime/base/check.hpp"
#include "tests/support/files.hpp"

#include <algorithm>

namespace larql::test {

namespace {

template <class T>
void put(std::string& to, T x) {
  to.append(reinterpret_cast<const char*>(&x), sizeof x);
}
void put_string(std::string& to, std::string_view x) {
  put(to, std::uint64_t{x.size()});
  to += x;
}
void pad(std::string& to, std::uint64_t alignment) {
  while (to.size() % alignment != 0)
    to += '\0';
}

} // namespace

gguf_writer& gguf_writer::raw(std::string_view key, std::uint32_t type, std::string_view bytes) {
  values_.push_back({std::string{key}, type, std::string{bytes}});
  return *this;
}

gguf_writer& gguf_writer::string(std::string_view key, std::string_view x) {
  auto encoded = std::string{};
  put_string(encoded, x);
  return raw(key, 8, encoded);
}

gguf_writer& gguf_writer::strings(std::string_view key, const std::vector<std::string>& x) {
  auto encoded = std::string{};
  put(encoded, std::uint32_t{8});
  put(encoded, std::uint64_t{x.size()});
  for (const auto& s : x)
    put_string(encoded, s);
  return raw(key, 9, encoded);
}

template <class T>
gguf_writer& gguf_writer::array(std::string_view key, std::uint32_t type, const std::vector<T>& x) {
  auto encoded = std::string{};
  put(encoded, type);
  put(encoded, std::uint64_t{x.size()});
  for (const auto element : x)
    put(encoded, static_cast<T>(element));
  return raw(key, 9, encoded);
}

gguf_writer& gguf_writer::i32s(std::string_view key, const std::vector<std::int32_t>& x) {
  return array(key, 5, x);
}
gguf_writer& gguf_writer::f32s(std::string_view key, const std::vector<float>& x) {
  return array(key, 6, x);
}
gguf_writer& gguf_writer::booleans(std::string_view key, const std::vector<bool>& x) {
  return array(key, 7, x);
}

gguf_writer& gguf_writer::erase(std::string_view key) {
  std::erase_if(values_, [&](const value& v) { return v.key == key; });
  return *this;
}

gguf_writer& gguf_writer::tensor(std::string_view name, std::vector<std::uint64_t> dims,
                                 std::uint32_t type, std::string_view data) {
  tensors_.push_back({std::string{name}, std::move(dims), type, std::string{data}});
  return *this;
}

gguf_writer& gguf_writer::erase_tensor(std::string_view name) {
  const auto found = std::erase_if(tensors_, [&](const info& t) { return t.name == name; });
  LARQL_CHECK(found == 1);
  return *this;
}

std::string gguf_writer::head() const {
  auto out = std::string{"GGUF"};
  put(out, version);
  put(out, std::uint64_t{tensors_.size()});
  put(out, std::uint64_t{values_.size()});
  for (const auto& v : values_) {
    put_string(out, v.key);
    put(out, v.type);
    out += v.bytes;
  }
  auto offset = std::uint64_t{0};
  for (const auto& t : tensors_) {
    put_string(out, t.name);
    put(out, static_cast<std::uint32_t>(t.dims.size()));
    for (const auto d : t.dims)
      put(out, d);
    put(out, t.type);
    put(out, offset);
    offset = (offset + t.data.size() + alignment - 1) / alignment * alignment;
  }
  return out;
}

std::string gguf_writer::bytes() const {
  auto out = head();
  pad(out, alignment);
  auto data = std::string{};
  for (const auto& t : tensors_) {
    pad(data, alignment);
    data += t.data;
  }
  return out + data;
}

void gguf_writer::write(const std::filesystem::path& path) const {
  write_file(path, bytes());
}

std::uint32_t ggml_code(quant::encoding e) {
  return quant::facts_of(quant::vindex_encoding(e)).ggml_type;
}

std::string gguf_tensor_name(const std::string& key) {
  const std::pair<const char*, const char*> global[] = {
      {"embed_tokens.weight", "token_embd.weight"},
      {"norm.weight", "output_norm.weight"},
      {"lm_head.weight", "output.weight"},
      {"pre_projection.weight", "nextn.pre_projection.weight"},
      {"post_projection.weight", "nextn.post_projection.weight"}};
  for (const auto& [ours, theirs] : global)
    if (key == ours)
      return theirs;
  const std::pair<const char*, const char*> of_a_layer[] = {
      {"input_layernorm.weight", "attn_norm.weight"},
      {"self_attn.q_proj.weight", "attn_q.weight"},
      {"self_attn.k_proj.weight", "attn_k.weight"},
      {"self_attn.v_proj.weight", "attn_v.weight"},
      {"self_attn.o_proj.weight", "attn_output.weight"},
      {"self_attn.q_norm.weight", "attn_q_norm.weight"},
      {"self_attn.k_norm.weight", "attn_k_norm.weight"},
      {"post_attention_layernorm.weight", "post_attention_norm.weight"},
      {"pre_feedforward_layernorm.weight", "ffn_norm.weight"},
      {"mlp.gate_proj.weight", "ffn_gate.weight"},
      {"mlp.up_proj.weight", "ffn_up.weight"},
      {"mlp.down_proj.weight", "ffn_down.weight"},
      {"post_feedforward_layernorm_1.weight", "post_ffw_norm_1.weight"},
      {"pre_feedforward_layernorm_2.weight", "pre_ffw_norm_2.weight"},
      {"router.proj.weight", "ffn_gate_inp.weight"},
      {"router.scale", "ffn_gate_inp.scale"},
      {"experts.gate_up_proj", "ffn_gate_up_exps.weight"},
      {"experts.gate_proj", "ffn_gate_exps.weight"},
      {"experts.up_proj", "ffn_up_exps.weight"},
      {"experts.down_proj", "ffn_down_exps.weight"},
      {"router.per_expert_scale", "ffn_down_exps.scale"},
      {"post_feedforward_layernorm_2.weight", "post_ffw_norm_2.weight"},
      {"post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
      {"layer_scalar", "layer_output_scale.weight"}};
  const auto dot = key.find('.', 7); // behind "layers.N"
  for (const auto& [ours, theirs] : of_a_layer)
    if (key.substr(dot + 1) == ours)
      return fmt::format("blk.{}.{}", key.substr(7, dot - 7), theirs);
  LARQL_CHECK(false && "a tensor without a name in GGUF");
  return {};
}

gguf_writer gguf_of(const import::checkpoint& model) {
  const auto& c = model.config;
  auto kv = std::vector<std::int32_t>{};
  for (auto l = 0u; l < c.layers; ++l)
    kv.push_back(static_cast<std::int32_t>(c.kv_heads_of(l)));
  auto out = gguf_writer{};
  out.string("general.architecture", "gemma4")
      .string("general.name", c.model)
      .u32("gemma4.block_count", c.layers)
      .u32("gemma4.context_length", 4096)
      .u32("gemma4.embedding_length", c.hidden)
      .u32("gemma4.feed_forward_length", c.dense_width)
      .u32("gemma4.attention.head_count", c.q_heads)
      .i32s("gemma4.attention.head_count_kv", kv)
      .u32("gemma4.attention.key_length", c.global_head_dim)
      .u32("gemma4.attention.value_length", c.global_head_dim)
      .u32("gemma4.attention.key_length_swa", c.head_dim)
      .u32("gemma4.attention.value_length_swa", c.head_dim)
      .u32("gemma4.attention.sliding_window", c.window)
      .booleans("gemma4.attention.sliding_window_pattern", c.sliding)
      .f32("gemma4.attention.layer_norm_rms_epsilon", c.rms_eps)
      .u32("gemma4.attention.shared_kv_layers", 0)
      .u32("gemma4.embedding_length_per_layer_input", 0)
      .f32("gemma4.rope.freq_base", static_cast<float>(c.rope_base))
      .f32("gemma4.rope.freq_base_swa", static_cast<float>(c.rope_local_base))
      .u32("gemma4.expert_count", c.experts)
      .u32("gemma4.expert_used_count", c.top_k)
      .f32("gemma4.final_logit_softcapping", c.softcap);
  for (const auto& [key, t] : model.tensors) {
    auto dims = t.shape;
    std::reverse(dims.begin(), dims.end());
    out.tensor(gguf_tensor_name(key), dims, ggml_code(t.format),
               {reinterpret_cast<const char*>(t.data.data()), t.data.size()});
  }
  return out;
}

std::vector<gguf_writer> gguf_parts_of(const tiny_model& model, std::size_t count) {
  auto numbers = model.checkpoint();
  numbers.tensors.clear();
  auto out = std::vector<gguf_writer>(count);
  out.front() = gguf_of(numbers);
  auto next = std::size_t{0};
  for (const auto& [key, t] : model.checkpoint().tensors) {
    auto dims = t.shape;
    std::reverse(dims.begin(), dims.end());
    out[next++ % count].tensor(gguf_tensor_name(key), dims, ggml_code(t.format),
                               {reinterpret_cast<const char*>(t.data.data()), t.data.size()});
  }
  return out;
}

} // namespace larql::test
