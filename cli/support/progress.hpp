// Progress of long work. On a terminal one line that is drawn again in place and fits its width:
// bar, bytes, rate, time left. Elsewhere a plain line now and then.

#pragma once

#include "runtime/base/format_bytes.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace larql::cli {

/// "1:02:03" or "2:03"
[[nodiscard]] std::string format_duration(std::chrono::seconds time);

/// How fast bytes come now: over the last ten seconds, so that a transfer that has become slow or
/// stands still is seen.
class rate_meter {
public:
  using clock = std::chrono::steady_clock;

  /// `done` bytes at `now`; times must not go back.
  void add(std::uint64_t done, clock::time_point now);

  /// Nothing as long as too little was measured: half a second, some bytes.
  [[nodiscard]] std::optional<double> bytes_per_second() const;

  /// For how long no byte has come.
  [[nodiscard]] clock::duration standstill() const;

private:
  struct sample {
    std::uint64_t done;
    clock::time_point at;
  };
  std::deque<sample> samples_; // oldest first; few, as they are a quarter of a second apart
  sample latest_{};
  clock::time_point last_byte_{};
};

/// What a progress line shows.
struct progress_state {
  std::string_view what; ///< "pull"
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::optional<double> bytes_per_second;
  std::chrono::seconds standstill{0}; ///< shown from five seconds on, in the place of the rate
  std::string_view item;              ///< the file that is worked on
};

/// The line for a terminal of this many columns: what does not fit is left out from the right, then
/// the bar is.
[[nodiscard]] std::string progress_text(const progress_state& p, std::size_t columns);

/// "pull: 62 %, 500.0 MB of 800.0 MB, 50.0 MB/s, 0:06 left": for a log.
[[nodiscard]] std::string plain_progress_text(const progress_state& p);

class progress_line {
public:
  explicit progress_line(std::string what);
  ~progress_line();
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  /// What the first call reports as done has come before, and counts for no rate.
  void update(std::uint64_t done, std::uint64_t total, std::string_view item);

private:
  using clock = std::chrono::steady_clock;
  std::string what_;
  bool terminal_;
  bool drawn_ = false;
  rate_meter rate_;
  clock::time_point last_{};
};

} // namespace larql::cli
