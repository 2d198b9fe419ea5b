// The safetensors files of a directory as Hugging Face ships it, and their tensors.
//
// Errors    Name the file or tensor, what was found and expected.

#pragma once

#include "runtime/import/checkpoint.hpp"
#include "runtime/import/safetensors.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace larql::import {

inline constexpr std::string_view hf_config_file = "config.json";
inline constexpr std::string_view hf_shards_file = "model.safetensors.index.json";

/// Opens them all; each tensor is where the index says.
[[nodiscard]] result<std::vector<safetensors_file>> open_hf_parts(const std::filesystem::path& dir);

/// The names of the safetensors files of a checkpoint, by its index, which has to be there if the
/// checkpoint has one; the files have not.
[[nodiscard]] result<std::vector<std::string>> shard_names(const std::filesystem::path& dir);

/// A tensor's name without what tools put before those of the text model.
[[nodiscard]] std::string_view without_hf_prefix(std::string_view name);

/// A tensor of the file that is part number `part`; BF16, F16 or F32.
[[nodiscard]] result<source_tensor> read_hf_tensor(const safetensors_file& file, std::uint32_t part,
                                                   const safetensor& t);

} // namespace larql::import
