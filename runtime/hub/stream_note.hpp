// In a vindex that is being made of a checkpoint while that arrives: how far each of the
// checkpoint's files was taken. What is noted is on disk, so whoever goes on needs no byte of it
// again, not even for the file's hash.
//
// Errors    Name the file, the field, what was found and expected.
// Source    docs/hub.md, "Checkpoints".

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/base/sha256.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace larql::hub {

inline constexpr std::string_view stream_note_file = ".stream.json";

struct taken_file {
  std::uint64_t bytes = 0; ///< from the beginning; whole blocks of the hash
  sha256_digest middle{};  ///< of the hash, after them
  bool checked = false;    ///< all of it was taken, and its hash is right

  friend bool operator==(const taken_file&, const taken_file&) = default;
};

using stream_note = std::map<std::string, taken_file>; ///< by name

[[nodiscard]] result<stream_note> parse_stream_note(std::string_view text, std::string_view name);
[[nodiscard]] std::string write_stream_note(const stream_note& note);

/// Empty if there is none, or none that can be read: then everything is taken again.
[[nodiscard]] stream_note read_stream_note(const std::filesystem::path& dir);

} // namespace larql::hub
