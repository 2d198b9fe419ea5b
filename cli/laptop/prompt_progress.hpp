// Says how far a prompt has been read, if that takes long: over slow nodes a long one takes
// minutes.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace larql::cli {

class prompt_progress {
public:
  using clock = std::chrono::steady_clock;

  /// Nothing is said in the first seconds, nor more often than this.
  static constexpr auto interval = std::chrono::seconds{5};

  /// `tokens`: of the sequence when all of the prompt is read.
  prompt_progress(std::size_t tokens, clock::time_point begin) : tokens_(tokens), last_(begin) {}

  /// What to say when so many tokens have been read.
  [[nodiscard]] std::optional<std::string> text(std::uint32_t read, clock::time_point now);

private:
  std::size_t tokens_;
  clock::time_point last_;
};

/// Says it on standard error.
void say_progress(prompt_progress& p, std::uint32_t read);

} // namespace larql::cli
