// The tensor manifests of a vindex: which bytes of a .bin file are which matrix or vector.
//
// Errors    Names the manifest, the entry's index and key, the field, what was found and expected.
// Source    docs/vindex-format.md, "Manifests".

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/quant/encoding.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

namespace larql::vindex {

/// One matrix of attn_weights_q4k_manifest.json, interleaved_q4k_manifest.json and ours.
struct matrix_entry {
  std::string key;
  std::uint32_t rows = 0;
  std::uint32_t cols = 0; ///< stored width, padding included
  quant::encoding format = quant::encoding::f32;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

/// One float vector of weight_manifest.json.
struct vector_entry {
  std::uint64_t offset = 0;
  std::uint64_t count = 0; ///< floats
};

/// Reads a matrix manifest in file order. Every entry's length agrees with its shape and format and
/// lies inside a file of `data_bytes`.
[[nodiscard]] result<std::vector<matrix_entry>>
read_matrix_manifest(const std::filesystem::path& manifest, std::uint64_t data_bytes);
[[nodiscard]] result<std::vector<matrix_entry>>
parse_matrix_manifest(std::string_view text, std::string_view name, std::uint64_t data_bytes);

/// Reads the entries of weight_manifest.json that live in norms.bin, by key. A key may occur twice
/// if both entries hold the same number of floats (the reference writes one norm twice); the first
/// is used.
[[nodiscard]] result<std::unordered_map<std::string, vector_entry>>
read_vector_manifest(const std::filesystem::path& manifest, std::uint64_t data_bytes);
[[nodiscard]] result<std::unordered_map<std::string, vector_entry>>
parse_vector_manifest(std::string_view text, std::string_view name, std::uint64_t data_bytes);

/// Text of a matrix manifest.
[[nodiscard]] std::string write_matrix_manifest(const std::vector<matrix_entry>& entries);

/// Text of a vector manifest; shapes are flat, as the reference writes them.
struct named_vector {
  std::string key;
  vector_entry entry;
};
[[nodiscard]] std::string write_vector_manifest(const std::vector<named_vector>& entries);

} // namespace larql::vindex
