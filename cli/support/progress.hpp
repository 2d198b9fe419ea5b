// A progress line for long work: bar, bytes, rate, time left. On a terminal it is redrawn in place;
// elsewhere it prints a line now and then.

#pragma once

#include "runtime/base/format_bytes.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace larql::cli {

/// "1:02:03" or "2:03"
[[nodiscard]] std::string format_duration(std::chrono::seconds time);

/// The line. The rate is that of this run: `already` bytes were done by an earlier one. As long as
/// too little was measured for a rate (half a second, some bytes) the line has neither rate nor
/// time left.
[[nodiscard]] std::string progress_text(std::string_view what, std::uint64_t done,
                                        std::uint64_t total, std::uint64_t already,
                                        std::chrono::duration<double> elapsed,
                                        std::string_view item);

class progress_line {
public:
  explicit progress_line(std::string what);
  ~progress_line();
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  /// `already` bytes were done by an earlier run and do not count for the rate.
  void update(std::uint64_t done, std::uint64_t total, std::uint64_t already,
              std::string_view item);

private:
  using clock = std::chrono::steady_clock;
  std::string what_;
  bool terminal_;
  bool drawn_ = false;
  std::optional<clock::time_point> start_; ///< of the first update: work before has no bytes
  clock::time_point last_{};
};

} // namespace larql::cli
