// The files that one GGUF consists of, and their tensors.
//
// Errors    Name the file, the key or tensor, what was found and expected.

#pragma once

#include "runtime/import/checkpoint.hpp"
#include "runtime/import/gguf.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace larql::import {

/// "model-00002-of-00003.gguf" is a part of a split file: stem "model", of 3 parts.
struct split_name {
  std::string stem;
  unsigned parts = 0;
};
/// Nothing for a name that is none of a part.
[[nodiscard]] std::optional<split_name> parse_split_name(const std::filesystem::path& path);

/// Opens files and checks that they are the parts of one, in this order.
[[nodiscard]] result<std::vector<gguf_file>>
open_gguf_parts(const std::vector<std::filesystem::path>& paths);

/// Opens `path`, and the other parts beside it if it is one of several. A file of which a pull has
/// fetched a part is an error.
[[nodiscard]] result<std::vector<gguf_file>> open_whole_gguf(const std::filesystem::path& path);

/// A tensor of the file that is part number `part`.
[[nodiscard]] result<source_tensor> read_gguf_tensor(const gguf_file& file, std::uint32_t part,
                                                     const gguf_tensor& t);

/// rope_freqs divides the base frequency of each pair of a full layer: ones, then "infinity". Takes
/// it out of the tensors, if it is there, and says which part of the head rotates.
[[nodiscard]] result<void> take_rope_divisors(checkpoint& c, std::uint32_t head_dim,
                                              double& partial_rotary);

} // namespace larql::import
