// SHA-256 of bytes that come in pieces.
//
// Owner     Movable; not shared between threads.

#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace larql {

using sha256_digest = std::array<std::byte, 32>;

class sha256 {
public:
  sha256();
  ~sha256();
  sha256(sha256&&) noexcept;
  sha256& operator=(sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  /// The digest of everything so far. Call once.
  [[nodiscard]] sha256_digest finish();

private:
  struct state;
  std::unique_ptr<state> state_;
};

/// Lower-case hexadecimal.
[[nodiscard]] std::string to_hex(std::span<const std::byte> bytes);

} // namespace larql
