// The names of a Gemma 4 model's tensors in GGUF, and what they are called here.
//
// Source    docs/vindex-format.md, "Importing GGUF".

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace larql::import {

/// "blk.7.attn_q.weight" → "layers.7.self_attn.q_proj.weight"; empty for a name that is none of a
/// model of `layers` layers.
[[nodiscard]] std::string vindex_key(std::string_view gguf_name, std::uint32_t layers);

/// The same for a drafter: "nextn.pre_projection.weight" → "pre_projection.weight".
[[nodiscard]] std::string drafter_key(std::string_view gguf_name, std::uint32_t layers);

/// Whether a tensor belongs to the parts that see and hear, which a text model does without.
[[nodiscard]] bool is_of_other_part(std::string_view gguf_name);

} // namespace larql::import
