// locations.json: for a vindex whose large files are put together of parts of others, where the
// parts lie. That is how a GGUF is used from where it lies: the vindex has the names, shapes and
// small files, the matrices stay where they are.
//
// Errors    Name the file, the field, what was found and expected.
// Source    docs/vindex-format.md, "locations.json".

#pragma once

#include "runtime/base/mapped_file.hpp"
#include "runtime/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace larql::vindex {

/// Pieces of a stored file at equal distances: piece i is its bytes from at + i * at_step on, and
/// lies in the real file from offset + i * offset_step on.
struct located_run {
  std::uint64_t at = 0;
  std::uint64_t bytes = 0; ///< of each piece
  std::uint32_t file = 0;  ///< index into locations::files
  std::uint64_t offset = 0;
  std::uint64_t count = 1;
  std::uint64_t at_step = 0;
  std::uint64_t offset_step = 0;

  friend bool operator==(const located_run&, const located_run&) = default;
};

/// A stored file.
struct located_file {
  std::uint64_t bytes = 0;
  std::vector<located_run> runs;

  friend bool operator==(const located_file&, const located_file&) = default;
};

/// A file that has pieces. One without a stamp belongs to the vindex, and its path is a name in it.
struct real_file {
  std::filesystem::path path;
  std::optional<file_stamp> stamp;
  /// Of a file that a pull brings: the hash that names it. Bytes may still arrive, so the time in
  /// its stamp means nothing.
  std::string content = {};

  /// Whether a file with this stamp is the one that was located. @pre it has a stamp
  [[nodiscard]] bool is_same(const file_stamp& found) const noexcept;
  friend bool operator==(const real_file&, const real_file&) = default;
};

struct locations {
  std::string source; ///< what the vindex was made of (import/checkpoint.hpp, identity())
  std::vector<real_file> files;
  std::map<std::string, located_file> stored; ///< by name

  friend bool operator==(const locations&, const locations&) = default;
};

/// Reads `dir`/locations.json; nothing if the vindex has none.
[[nodiscard]] result<std::optional<locations>> read_locations(const std::filesystem::path& dir);

/// The same from text; `name` stands for the file in messages. Every piece lies inside its stored
/// file, and, where the real file's size is told, inside that.
[[nodiscard]] result<locations> parse_locations(std::string_view text, std::string_view name);

/// The text of a locations.json.
[[nodiscard]] std::string write_locations(const locations& l);

} // namespace larql::vindex
