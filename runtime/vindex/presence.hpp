// larql_slice.json: which parts of a model, and which experts of which layers, a vindex holds.
// What a slice does not hold are holes: files that are absent, or bytes that read as zeros.
//
// A vindex without the file is whole (and so is every one that the reference writes).
//
// Errors    Name the directory or file, what was asked for and what is there.
// Source    docs/vindex-format.md, "larql_slice.json".

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/slice_parts.hpp"

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace larql::vindex {

/// A rectangle of layers × experts; bounds are inclusive.
struct expert_block {
  std::uint32_t first_layer = 0, last_layer = 0;
  std::uint32_t first_expert = 0, last_expert = 0;

  [[nodiscard]] bool contains(std::uint32_t layer, std::uint32_t expert) const noexcept {
    return layer >= first_layer && layer <= last_layer && expert >= first_expert &&
           expert <= last_expert;
  }
  friend bool operator==(const expert_block&, const expert_block&) = default;
};

/// "experts 0-63 of layers 0-29"
[[nodiscard]] std::string to_string(const expert_block& block);

/// All experts of a model.
[[nodiscard]] expert_block everything(const model_config& model) noexcept;

/// Most blocks that a larql_slice.json has.
inline constexpr std::size_t max_expert_blocks = 64;

struct presence {
  bool sliced = false;             ///< the vindex has a larql_slice.json
  std::string preset;              ///< what it was cut by; empty: a list of parts
  std::string source;              ///< what it was cut from, free text
  std::set<part> parts;            ///< what it was asked to hold
  std::set<part> left_out;         ///< parts that the source has and this has not
  std::vector<expert_block> holds; ///< experts that are here

  [[nodiscard]] bool has(std::uint32_t layer, std::uint32_t expert) const noexcept;
  [[nodiscard]] bool has_all(const expert_block& wanted) const noexcept;
  /// True if some expert of the layer is here.
  [[nodiscard]] bool has_layer(std::uint32_t layer) const noexcept;
  /// "experts 0-63 of layers 0-29", or "no experts".
  [[nodiscard]] std::string summary() const;

  friend bool operator==(const presence&, const presence&) = default;
};

/// Reads `dir`/larql_slice.json; everything is present if there is none.
[[nodiscard]] result<presence> read_presence(const std::filesystem::path& dir,
                                             const model_config& model);

/// The same from text; `name` stands for the file in messages.
[[nodiscard]] result<presence> parse_presence(std::string_view text, std::string_view name,
                                              const model_config& model);

/// The text of a larql_slice.json.
[[nodiscard]] std::string write_presence(const presence& here);

/// One error if some of the wanted experts are holes: which ones, and how to get them.
[[nodiscard]] result<void> require_experts(const std::filesystem::path& dir, const presence& here,
                                           const expert_block& wanted);

/// One error if a part that the laptop computes with was left out.
[[nodiscard]] result<void> require_dense(const std::filesystem::path& dir, const presence& here);

} // namespace larql::vindex
