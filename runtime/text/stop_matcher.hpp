// Finds stop texts in a text that grows, and holds back what may be the beginning of one.
//
// All that append() and flush() return, joined, is the text up to the first stop text, or the whole
// text if there is none. Of stop texts that begin at the same place, any ends the text there.
//
// Owner     A value: it can be copied, put back and compared.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace larql::text {

class stop_matcher {
public:
  /// Empty texts are ignored.
  explicit stop_matcher(std::vector<std::string> stops = {});

  /// The text that is certain to be before any stop text. Empty once one has matched.
  [[nodiscard]] std::string append(std::string_view text);
  /// The text has ended: what was held back.
  [[nodiscard]] std::string flush();

  [[nodiscard]] bool matched() const noexcept { return found_.has_value(); }
  /// The stop text that has matched; null: none has.
  [[nodiscard]] const std::string* found() const noexcept {
    return found_ ? &stops_[*found_] : nullptr;
  }

  friend bool operator==(const stop_matcher&, const stop_matcher&) = default;

private:
  [[nodiscard]] std::size_t held_back() const noexcept;

  std::vector<std::string> stops_;
  std::string held_;
  std::optional<std::size_t> found_; // number of the one that has matched
};

} // namespace larql::text
