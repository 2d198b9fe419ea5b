// The files of a vindex directory.

#pragma once

#include "runtime/base/output_path.hpp"
#include "runtime/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace larql::vindex {

struct found_file {
  std::string name; ///< relative to the directory, '/' between
  std::uint64_t bytes = 0;
};

/// The files at the root and one level below, by name. Links count as what they lead to, because
/// download caches are made of links. Names with a dot in front are not of the vindex: a pull's
/// notes, git's.
[[nodiscard]] result<std::vector<found_file>> list_files(const std::filesystem::path& dir);

/// What a command that makes a vindex of `sources` may replace: with --force another vindex, a
/// finished or an unfinished one, that has no other files.
[[nodiscard]] output_rules vindex_output(bool replace, std::vector<std::filesystem::path> sources);

} // namespace larql::vindex
