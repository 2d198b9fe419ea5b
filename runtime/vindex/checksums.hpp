// checksums.json: the SHA-256 of every file of a vindex, and of every expert by itself, so that a
// file of which only some experts are there can be checked as well; and what every expert answers
// to fixed inputs (runtime/experts/known_answers.hpp).
//
// The list of files describes the directory it lies in. The list of layers describes the model: it
// travels unchanged into every slice, also one without layer files, and says which weights the
// slice belongs to (weights_digest).
//
// Errors    Name the file, the field, what was found and expected.
// Source    docs/vindex-format.md, "checksums.json".

#pragma once

#include "runtime/base/file_hash.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/sha256.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "runtime/vindex/presence.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace larql::vindex {

struct file_checksum {
  std::uint64_t bytes = 0;
  sha256_digest sha256{}; ///< of the file as it lies here: holes count as zeros

  friend bool operator==(const file_checksum&, const file_checksum&) = default;
};

/// The first half of a SHA-256 over what an expert gives for the fixed inputs.
using answer_digest = std::array<std::byte, 16>;

/// The known answers of a layer. They depend on the numbers that are stored, so also on the
/// encodings, but not on where in a file they lie.
struct layer_answers {
  expert_formats formats;
  std::vector<std::optional<answer_digest>> experts; ///< by expert; none: never computed

  friend bool operator==(const layer_answers&, const layer_answers&) = default;
};

struct layer_checksum {
  sha256_digest head{}; ///< header and entry table
  /// gate_up, then down, by expert. Unknown only if the layer was cut from a vindex without
  /// checksums and the expert stayed behind.
  std::vector<std::optional<sha256_digest>> experts;
  std::optional<layer_answers> answers = {};

  friend bool operator==(const layer_checksum&, const layer_checksum&) = default;
};

struct checksums {
  std::map<std::string, file_checksum> files; ///< by name relative to the vindex, '/' between
  std::map<std::uint32_t, layer_checksum> layers;

  friend bool operator==(const checksums&, const checksums&) = default;
};

/// Reads `dir`/checksums.json; nothing if the vindex has none.
[[nodiscard]] result<std::optional<checksums>> read_checksums(const std::filesystem::path& dir);

/// The same from text; `name` stands for the file in messages.
[[nodiscard]] result<checksums> parse_checksums(std::string_view text, std::string_view name);

/// The text of a checksums.json: equal checksums give equal text.
[[nodiscard]] std::string write_checksums(const checksums& sums);

/// Writes `dir`/checksums.json under a temporary name and renames it.
[[nodiscard]] result<void> save_checksums(const std::filesystem::path& dir, const checksums& sums);

/// A name for the weights of all experts: 64 hexadecimal digits, the same for every slice of a
/// model. Empty if there are no layers or an expert's digest is unknown.
[[nodiscard]] std::string weights_digest(const checksums& sums);

/// A name for the weights of these experts alone: what a machine that holds no others can know of
/// them. None if an expert's digest is unknown.
[[nodiscard]] std::optional<sha256_digest> range_digest(const checksums& sums,
                                                        const expert_block& of);

/// The digest of a layer file's header and table; null if there is none.
[[nodiscard]] const sha256_digest* head_digest(const std::optional<checksums>& sums,
                                               std::uint32_t layer) noexcept;

/// The bytes of a layer file that an expert's digest covers.
[[nodiscard]] std::vector<byte_range> expert_ranges(const layer_header& header,
                                                    std::uint32_t expert);

/// True for relative names without "..", of letters, digits, '_', '-', '.' and '/': what a file of
/// a vindex may be called.
[[nodiscard]] bool is_file_name(std::string_view name) noexcept;

} // namespace larql::vindex
