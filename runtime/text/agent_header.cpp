#include "runtime/text/agent_header.hpp"

#include <algorithm>
#include <cctype>

namespace larql::text {

namespace {

constexpr std::string_view header = "x-anthropic-billing-header:";

bool begins_with_header(std::string_view text) noexcept {
  return text.size() >= header.size() &&
         std::equal(header.begin(), header.end(), text.begin(), [](char want, char is) {
           return want == std::tolower(static_cast<unsigned char>(is));
         });
}

} // namespace

std::string_view without_agent_header(std::string_view text) noexcept {
  while (begins_with_header(text)) {
    const auto end = text.find('\n');
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    // The blank line that parted it from the text.
    const auto begin = text.find_first_not_of("\r\n");
    text.remove_prefix(begin == std::string_view::npos ? text.size() : begin);
  }
  return text;
}

} // namespace larql::text
