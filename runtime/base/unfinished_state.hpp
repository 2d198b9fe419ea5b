// The state file of an unfinished directory: what is being made, and how far giving it its name has
// got. Only ever appended to; a torn line does not count.

#pragma once

#include "runtime/base/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace larql {

inline constexpr std::string_view unfinished_state_file = ".unfinished.json";

namespace unfinished_step {
inline constexpr std::string_view finished = "finished"; ///< everything in the directory is made
inline constexpr std::string_view exchange = "exchange"; ///< with the old one, in one step
inline constexpr std::string_view aside = "aside ";      ///< the old one gets this name
} // namespace unfinished_step

struct unfinished_state {
  std::string made; ///< what is being made; empty: the file was only begun
  bool finished = false;
  bool exchange = false;
  std::string aside; ///< empty: none
};

[[nodiscard]] unfinished_state parse_unfinished_state(std::string_view text);

/// Opens the state file of a directory; -1 if it has none.
[[nodiscard]] result<int> open_unfinished_state(const std::filesystem::path& dir, bool create);

[[nodiscard]] result<unfinished_state> read_unfinished_state(int fd,
                                                             const std::filesystem::path& dir);

/// Appends a line and flushes it to disk.
[[nodiscard]] result<void> append_line(int fd, const std::filesystem::path& dir,
                                       std::string_view line);

} // namespace larql
