// layers/layer_LL.weights: the experts of one layer. Header and entry table, checked.
//
// Only the header is read; the experts' bytes are mapped by experts/expert_bank.hpp.
//
// Shapes    gate_up: gate, then up, [width][hidden] each; down: [hidden][down_cols], where
//           down_cols is `width` plus zero padding.
// Source    docs/vindex-format.md, "Layer files".

#pragma once

#include "runtime/base/mapped_file.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/sha256.hpp"
#include "runtime/quant/encoding.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/storage.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace larql::vindex {

/// Where one expert's matrices lie in the file.
struct expert_entry {
  std::uint64_t gate_up_offset = 0;
  std::uint64_t down_offset = 0;
};

/// The encodings of a layer's experts.
struct expert_formats {
  quant::encoding gate = quant::encoding::f32;
  quant::encoding up = quant::encoding::f32;
  quant::encoding down = quant::encoding::f32;

  friend bool operator==(const expert_formats&, const expert_formats&) = default;
};

/// "Q4_K and Q6_K", for messages: of gate and up, and of down; all three if gate and up differ.
[[nodiscard]] std::string names_of(const expert_formats& f);

struct layer_header {
  expert_formats formats;
  std::uint32_t width = 0; ///< inner width of an expert
  std::uint32_t hidden = 0;
  std::uint32_t down_cols = 0;  ///< stored columns of down
  std::uint64_t gate_bytes = 0; ///< of one expert's gate, with which gate_up begins
  std::uint64_t gate_up_bytes = 0;
  std::uint64_t down_bytes = 0;
  std::uint64_t table_bytes = 0; ///< header and table, from the start of the file
  std::vector<expert_entry> entries;

  [[nodiscard]] std::uint64_t expert_bytes() const noexcept { return gate_up_bytes + down_bytes; }
};

/// Bytes of header and table for `entries` experts.
[[nodiscard]] std::uint64_t layer_table_bytes(std::uint32_t version,
                                              std::uint64_t entries) noexcept;

/// Parses the start of a layer file of `file_bytes` bytes; `head` holds at least the header and, if
/// the file is that long, the table. Every range lies inside the file and none overlaps another.
[[nodiscard]] result<layer_header> parse_layer_header(std::span<const std::byte> head,
                                                      std::uint64_t file_bytes,
                                                      std::string_view name);

/// Reads the header of an open layer file and checks it against the model, and header and table
/// against their digest in checksums.json where there is one (head_digest()).
[[nodiscard]] result<layer_header> read_layer_header(const file& in, const model_config& model,
                                                     const sha256_digest* digest = nullptr);
[[nodiscard]] result<layer_header> read_layer_header(const stored_file& in,
                                                     const model_config& model,
                                                     const sha256_digest* digest = nullptr);

/// Header and table of a new file, experts in order, gate_up directly followed by down.
/// The lowest version that can hold the formats.
[[nodiscard]] std::vector<std::byte> write_layer_header(const layer_header& header);

/// Fills in byte counts, offsets and stored width for a new file with `experts` entries.
/// @pre the widths fit the formats
[[nodiscard]] layer_header plan_layer(const expert_formats& formats, std::uint32_t experts,
                                      std::uint32_t width, std::uint32_t hidden);
[[nodiscard]] inline layer_header plan_layer(quant::encoding gate_up, quant::encoding down,
                                             std::uint32_t experts, std::uint32_t width,
                                             std::uint32_t hidden) {
  return plan_layer({gate_up, gate_up, down}, experts, width, hidden);
}

} // namespace larql::vindex
