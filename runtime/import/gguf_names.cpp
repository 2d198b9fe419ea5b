#include "runtime/import/gguf_names.hpp"

#include "runtime/base/parse_number.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace larql::import {

namespace {

struct tensor_name {
  std::string_view gguf;
  std::string_view vindex;
};

// Scales are factors of a product: one number for a matrix, one for each expert.
constexpr tensor_name layer_names[] = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_q.scale", "self_attn.q_proj.scale"},
    {"attn_k.weight", "self_attn.k_proj.weight"},
    {"attn_k.scale", "self_attn.k_proj.scale"},
    {"attn_v.weight", "self_attn.v_proj.weight"},
    {"attn_v.scale", "self_attn.v_proj.scale"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"attn_output.scale", "self_attn.o_proj.scale"},
    {"attn_q_norm.weight", "self_attn.q_norm.weight"},
    {"attn_k_norm.weight", "self_attn.k_norm.weight"},
    {"post_attention_norm.weight", "post_attention_layernorm.weight"},
    {"ffn_norm.weight", "pre_feedforward_layernorm.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_gate.scale", "mlp.gate_proj.scale"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_up.scale", "mlp.up_proj.scale"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"ffn_down.scale", "mlp.down_proj.scale"},
    {"post_ffw_norm_1.weight", "post_feedforward_layernorm_1.weight"},
    {"pre_ffw_norm_2.weight", "pre_feedforward_layernorm_2.weight"},
    {"ffn_gate_inp.weight", "router.proj.weight"},
    {"ffn_gate_inp.scale", "router.scale"},
    {"ffn_gate_up_exps.weight", "experts.gate_up_proj"},
    {"ffn_gate_exps.weight", "experts.gate_proj"},
    {"ffn_gate_exps.scale", "experts.gate_proj.scale"},
    {"ffn_up_exps.weight", "experts.up_proj"},
    {"ffn_up_exps.scale", "experts.up_proj.scale"},
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

// Vision tower, projector, audio tower.
constexpr std::string_view other_parts[] = {"v.", "mm.", "a."};

} // namespace

std::string vindex_key(std::string_view name, std::uint32_t layers) {
  for (const auto& n : global_names)
    if (n.gguf == name)
      return std::string{n.vindex};
  constexpr auto start = std::string_view{"blk."};
  if (!name.starts_with(start))
    return {};
  name.remove_prefix(start.size());
  const auto dot = name.find('.');
  if (dot == std::string_view::npos)
    return {};
  const auto number = name.substr(0, dot);
  const auto layer = parse_number<std::uint32_t>(number);
  if (!layer || *layer >= layers || number != fmt::format("{}", *layer))
    return {};
  for (const auto& n : layer_names)
    if (n.gguf == name.substr(dot + 1))
      return fmt::format("layers.{}.{}", *layer, n.vindex);
  return {};
}

std::string drafter_key(std::string_view name, std::uint32_t layers) {
  constexpr auto start = std::string_view{"nextn."};
  return name.starts_with(start) ? std::string{name.substr(start.size())}
                                 : vindex_key(name, layers);
}

bool is_of_other_part(std::string_view name) {
  return std::any_of(std::begin(other_parts), std::end(other_parts),
                     [&](std::string_view p) { return name.starts_with(p); });
}

} // namespace larql::import
