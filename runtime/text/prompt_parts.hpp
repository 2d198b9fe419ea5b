// A prompt in parts: control tokens by name, and the text between them.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace larql::text {

class prompt_parts {
public:
  struct part {
    std::string text;
    bool control;
  };

  prompt_parts& control(std::string_view token) {
    parts_.push_back({std::string{token}, true});
    return *this;
  }
  /// Neighbouring text is one stretch: merges may go across.
  prompt_parts& text(std::string_view text) {
    if (parts_.empty() || parts_.back().control)
      parts_.push_back({{}, false});
    parts_.back().text += text;
    return *this;
  }
  /// A text between two quotes of Gemma's own.
  prompt_parts& quoted(std::string_view content) {
    return control(quote).text(content).control(quote);
  }
  [[nodiscard]] const std::vector<part>& parts() const noexcept { return parts_; }
  [[nodiscard]] std::size_t size() const noexcept { return parts_.size(); }

private:
  static constexpr std::string_view quote = "<|\"|>";

  std::vector<part> parts_;
};

} // namespace larql::text
