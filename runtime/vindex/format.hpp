// The vindex on disk: file names, magic numbers and codes. Nothing else.
//
// Source    docs/vindex-format.md, which shows the bytes. Values marked "ours" are extensions.

#pragma once

#include "runtime/quant/encoding.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace larql::vindex {

inline constexpr std::uint32_t index_version = 2;

// ---- files ------------------------------------------------------------------------------------

inline constexpr std::string_view index_file = "index.json";
inline constexpr std::string_view embeddings_file = "embeddings.bin"; ///< f16 or f32, by size
inline constexpr std::string_view norms_file = "norms.bin";
inline constexpr std::string_view weight_manifest_file = "weight_manifest.json";
inline constexpr std::string_view attention_file = "attn_weights_q4k.bin";
inline constexpr std::string_view attention_manifest_file = "attn_weights_q4k_manifest.json";
inline constexpr std::string_view dense_file = "interleaved_q4k.bin";
inline constexpr std::string_view dense_manifest_file = "interleaved_q4k_manifest.json";
inline constexpr std::string_view head_q4_file = "lm_head_q4.bin"; ///< Q4_K rows [vocab][hidden]
inline constexpr std::string_view layers_dir = "layers";
inline constexpr std::string_view tokenizer_file = "tokenizer.json";
inline constexpr std::string_view chat_template_file = "chat_template.jinja";
inline constexpr std::string_view generation_config_file = "generation_config.json";

// Ours: embeddings and head in any encoding, each described by a one-entry manifest.
inline constexpr std::string_view embeddings_any_file = "token_embeddings.bin";
inline constexpr std::string_view embeddings_any_manifest_file = "token_embeddings_manifest.json";
inline constexpr std::string_view head_any_file = "output_head.bin";
inline constexpr std::string_view head_any_manifest_file = "output_head_manifest.json";

// Ours: SHA-256 of everything, and what a slice was cut to.
inline constexpr std::string_view checksums_file = "checksums.json";
inline constexpr std::string_view slice_file = "larql_slice.json";
/// Whoever changes checksums.json of a vindex that is in use holds a lock on it.
inline constexpr std::string_view checksums_lock_file = ".checksums.lock";

// Ours: a drafter beside the model (drafter.hpp).
inline constexpr std::string_view drafter_file = "drafter.json";
inline constexpr std::string_view drafter_manifest_file = "drafter_weights_manifest.json";
inline constexpr std::string_view drafter_weights_file = "drafter_weights.bin";

// Ours: of a vindex whose large files are parts of others.
inline constexpr std::string_view locations_file = "locations.json";

/// "layers/layer_07.weights"
[[nodiscard]] std::string layer_file_name(std::uint32_t layer);

// ---- layers/layer_LL.weights -------------------------------------------------------------------

/// Bytes 'L' 'Y' 'R' 'W' in file order.
inline constexpr std::uint32_t layer_magic = 0x5752594c;
inline constexpr std::uint32_t layer_version_1 = 1; ///< one format for all matrices
inline constexpr std::uint32_t layer_version_2 = 2; ///< ours: down has a format and a width
inline constexpr std::uint32_t layer_version_3 = 3; ///< ours: up has a format, too
inline constexpr std::uint32_t layer_header_bytes_1 = 24;
inline constexpr std::uint32_t layer_header_bytes_2 = 32;
inline constexpr std::uint32_t layer_header_bytes_3 = 36;
inline constexpr std::uint32_t layer_entry_bytes = 32;

/// Codes in the header of a layer file. On disk: never change. 64 and above are ours.
[[nodiscard]] std::optional<quant::encoding> encoding_from_layer_code(std::uint32_t code) noexcept;
[[nodiscard]] std::uint32_t layer_code(quant::encoding e) noexcept;

// ---- limits -----------------------------------------------------------------------------------
// Far above any model of this family; they keep a damaged file from asking for absurd memory.

inline constexpr std::uint64_t max_json_bytes = 64u << 20;
inline constexpr std::uint64_t max_tokenizer_bytes = 256u << 20;
inline constexpr std::uint32_t max_layers = 512;
inline constexpr std::uint32_t max_width = 1u << 17; ///< hidden and feed-forward sizes
inline constexpr std::uint32_t max_heads = 1024;
inline constexpr std::uint32_t max_experts = 4096;
inline constexpr std::uint32_t max_top_k = 256; ///< what the fixed-point sum has room for
inline constexpr std::uint32_t max_vocab = 1u << 22;

} // namespace larql::vindex
