// The bytes of one answer's stream, kept so that whoever lost the connection reads on where it
// stopped. Of a stream that is longer than the log may be, the oldest bytes go first.
//
// Owner     A value.
// Threads   One.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace larql::serve {

class answer_log {
public:
  /// `most_bytes` are kept at least, and about half as many more at most.
  explicit answer_log(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  /// @pre !ended()
  void append(std::string_view bytes);
  /// Nothing more comes.
  void end() noexcept { ended_ = true; }

  /// The first byte that is still there, and the one behind the last.
  [[nodiscard]] std::uint64_t begin_offset() const noexcept { return begin_; }
  [[nodiscard]] std::uint64_t end_offset() const noexcept { return begin_ + bytes_.size(); }
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  /// Whether the stream can be read from this offset.
  [[nodiscard]] bool has(std::uint64_t offset) const noexcept {
    return offset >= begin_ && offset <= end_offset();
  }

  /// Appends up to `most` bytes from `offset` on and moves it behind them.
  /// @pre has(offset)
  void read(std::uint64_t& offset, std::size_t most, std::string& out) const;

private:
  std::size_t most_bytes_;
  std::string bytes_;
  std::uint64_t begin_ = 0; ///< offset of the first of `bytes_`
  bool ended_ = false;
};

} // namespace larql::serve
