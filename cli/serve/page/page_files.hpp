// The files of the page, as they were embedded when the program was built.
//
// Threads   Immutable.

#pragma once

#include <span>
#include <string_view>

namespace larql::serve {

struct page_file {
  std::string_view name; ///< "index.html", "store/settings.js"
  std::string_view type; ///< of its content
  std::string_view hash; ///< of its content, in hexadecimal digits
  std::string_view whole;
  std::string_view gzip;
};

[[nodiscard]] std::span<const page_file> page_files() noexcept;

/// Null if there is none of this name.
[[nodiscard]] inline const page_file* find_page_file(std::string_view name) noexcept {
  for (const auto& f : page_files())
    if (f.name == name)
      return &f;
  return nullptr;
}

} // namespace larql::serve
