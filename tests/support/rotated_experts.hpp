// Vindexes whose files are whole, and whose experts are not the right ones.

#pragma once

#include "runtime/base/file_hash.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"

#include <algorithm>
#include <filesystem>

namespace larql::test {

/// The table of a layer file names each expert's neighbour: every byte of the experts is there.
/// Opening finds that checksums.json knows another table.
inline void rotate_experts(const std::filesystem::path& layer_file, vindex::layer_header header) {
  std::rotate(header.entries.begin(), header.entries.begin() + 1, header.entries.end());
  const auto head = vindex::write_layer_header(header);
  overwrite(layer_file, 0, {reinterpret_cast<const char*>(head.data()), head.size()});
}

/// The same of a layer of a vindex whose checksums.json, if it has one, knows this table: as if a
/// program had mixed up the experts when it wrote the file. Opening finds nothing wrong. The
/// digests of the experts stay, so that the vindex still passes for the model that it was.
inline void rotate_experts(const std::filesystem::path& dir, const vindex::model_config& config,
                           std::uint32_t layer) {
  const auto path = dir / vindex::layer_file_name(layer);
  const auto in = file::open(path);
  ASSERT_TRUE(succeeds(in));
  const auto header = vindex::read_layer_header(*in, config);
  ASSERT_TRUE(succeeds(header));
  rotate_experts(path, *header);
  auto sums = vindex::read_checksums(dir);
  ASSERT_TRUE(succeeds(sums));
  if (!*sums)
    return;
  const auto content = read_file(path);
  const auto head = std::as_bytes(std::span{content}).first(header->table_bytes);
  (*sums)->layers.at(layer).head = hash_bytes(head);
  ASSERT_TRUE(succeeds(vindex::save_checksums(dir, **sums)));
}

/// Flips a bit in the middle of an expert's gate: in quantised ones an upper bit of a block's
/// scale, which sixteen rows always show.
inline void flip_bit(const std::filesystem::path& dir, const vindex::model_config& config,
                     std::uint32_t layer, std::uint32_t expert) {
  const auto path = dir / vindex::layer_file_name(layer);
  const auto in = file::open(path);
  ASSERT_TRUE(succeeds(in));
  const auto h = vindex::read_layer_header(*in, config);
  ASSERT_TRUE(succeeds(h));
  const auto at = h->entries[expert].gate_up_offset + h->gate_up_bytes / 4;
  const auto text = read_file(path);
  overwrite_number(path, at, static_cast<std::uint8_t>(text[at] ^ 0x80));
}

} // namespace larql::test
