// The paths of the page's answers:
//
//   POST /page/answers/ID          ask for an answer under an id that the page has made
//   GET  /page/answers/ID/OFFSET   its stream from that byte on
//   POST /page/answers/ID/stop     it is not wanted any more
//
// Threads   Pure functions.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace larql::serve {

inline constexpr std::string_view answer_prefix = "/page/answers/";

enum class answer_action : std::uint8_t { ask, read, stop };

struct answer_path {
  std::string id; ///< 32 hexadecimal digits: nobody guesses one
  answer_action action = answer_action::ask;
  std::uint64_t offset = 0; ///< of read
};

/// Nothing if the path is none of these.
[[nodiscard]] std::optional<answer_path> parse_answer_path(std::string_view path);

} // namespace larql::serve
