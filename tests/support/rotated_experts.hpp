// Vindexes whose files are whole, and whose experts are not the right ones.

#pragma once

#include "runtime/vindex/format.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "tests/support/files.hpp"

#include <algorithm>
#include <filesystem>

namespace larql::test {

/// The table of a layer file names each expert's neighbour: every byte of the experts is there.
inline void rotate_experts(const std::filesystem::path& layer_file, vindex::layer_header header) {
  std::rotate(header.entries.begin(), header.entries.begin() + 1, header.entries.end());
  const auto head = vindex::write_layer_header(header);
  overwrite(layer_file, 0, {reinterpret_cast<const char*>(head.data()), head.size()});
}
/// The same of a layer of a vindex.
inline void rotate_experts(const std::filesystem::path& dir, const vindex::model_config& config,
                           std::uint32_t layer) {
  const auto path = dir / vindex::layer_file_name(layer);
  rotate_experts(path, *vindex::read_layer_header(*file::open(path), config));
}

/// Flips a bit in the middle of an expert's gate.
inline void flip_bit(const std::filesystem::path& dir, const vindex::model_config& config,
                     std::uint32_t layer, std::uint32_t expert) {
  const auto path = dir / vindex::layer_file_name(layer);
  const auto h = vindex::read_layer_header(*file::open(path), config);
  const auto at = h->entries[expert].gate_up_offset + h->gate_up_bytes / 4;
  const auto text = read_file(path);
  overwrite_number(path, at, static_cast<std::uint8_t>(text[at] ^ 0x10));
}

} // namespace larql::test
