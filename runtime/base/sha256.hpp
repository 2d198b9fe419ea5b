// SHA-256 of bytes that come in pieces.
//
// Owner     Movable; not shared between threads.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

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

  static constexpr std::uint64_t block_bytes = 64;
  /// What another process needs to go on from here. @pre whole blocks were hashed
  [[nodiscard]] sha256_digest middle() const;
  /// Goes on where `bytes`, whole blocks, had been hashed.
  [[nodiscard]] static sha256 from_middle(const sha256_digest& middle, std::uint64_t bytes);

private:
  struct state;
  std::unique_ptr<state> state_;
};

/// Lower-case hexadecimal.
[[nodiscard]] std::string to_hex(std::span<const std::byte> bytes);

/// 64 lower-case hexadecimal digits as a digest; nothing if the text is anything else.
[[nodiscard]] std::optional<sha256_digest> digest_from_hex(std::string_view text);

} // namespace larql
