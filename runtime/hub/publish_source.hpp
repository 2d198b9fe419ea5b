// What is to be published: names in the repository, and the content of each, a file or a text.
//
// A slice needs no copy on disk: its files are those of the whole vindex, but for the three small
// ones that say what it holds.
//
// Errors    Name the file and what is wrong with it.

#pragma once

#include "runtime/hub/git_blob.hpp"
#include "runtime/vindex/slice_parts.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace larql::hub {

struct published_file {
  std::string name;           ///< in the repository
  std::filesystem::path path; ///< of the content; empty: `text` is it
  std::string text;
  file_names content; ///< filled in by name_contents()

  [[nodiscard]] std::uint64_t bytes() const noexcept { return content.bytes; }
};

/// Every file of a vindex, sorted by name; hidden and unfinished ones are left out. The sizes are
/// filled in.
[[nodiscard]] result<std::vector<published_file>>
files_to_publish(const std::filesystem::path& vindex);

/// The same for a slice of it.
[[nodiscard]] result<std::vector<published_file>>
slice_to_publish(const std::filesystem::path& vindex, const vindex::preset& preset);

/// Hashes all contents. What was hashed before and has not changed since (size, time, inode) is
/// taken from `notes`, a file that is kept up to date; empty: none. `on_read` gets the bytes done
/// so far; false stops.
[[nodiscard]] result<void> name_contents(std::vector<published_file>& files,
                                         const std::filesystem::path& notes,
                                         const std::function<bool(std::uint64_t)>& on_read);

} // namespace larql::hub
