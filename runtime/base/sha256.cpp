#include "runtime/base/sha256.hpp"

#include "runtime/base/check.hpp"

// The interface that shows the state between two blocks; it computes what the newer one does.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

namespace larql {

struct sha256::state {
  SHA256_CTX context{};
};

sha256::sha256() : state_(std::make_unique<state>()) {
  LARQL_CHECK(SHA256_Init(&state_->context) == 1);
}
sha256::~sha256() = default;
sha256::sha256(sha256&&) noexcept = default;
sha256& sha256::operator=(sha256&&) noexcept = default;

void sha256::update(std::span<const std::byte> bytes) {
  LARQL_CHECK(SHA256_Update(&state_->context, bytes.data(), bytes.size()) == 1);
}

sha256_digest sha256::finish() {
  auto out = sha256_digest{};
  LARQL_CHECK(SHA256_Final(reinterpret_cast<unsigned char*>(out.data()), &state_->context) == 1);
  return out;
}

sha256_digest sha256::middle() const {
  LARQL_CHECK(state_->context.num == 0);
  auto out = sha256_digest{};
  for (auto i = std::size_t{0}; i < out.size(); ++i)
    out[i] = static_cast<std::byte>(state_->context.h[i / 4] >> (24 - 8 * (i % 4)) & 0xff);
  return out;
}

sha256 sha256::from_middle(const sha256_digest& middle, std::uint64_t bytes) {
  LARQL_CHECK(bytes % block_bytes == 0);
  auto out = sha256{};
  auto& c = out.state_->context;
  for (auto i = std::size_t{0}; i < middle.size(); ++i) {
    auto& word = c.h[i / 4];
    word = word << 8 | static_cast<unsigned>(middle[i]);
  }
  const auto bits = bytes * 8;
  c.Nl = static_cast<SHA_LONG>(bits & 0xffffffff);
  c.Nh = static_cast<SHA_LONG>(bits >> 32);
  return out;
}

std::string to_hex(std::span<const std::byte> bytes) {
  constexpr auto digits = "0123456789abcdef";
  auto out = std::string{};
  for (const auto b : bytes) {
    out += digits[static_cast<unsigned>(b) >> 4];
    out += digits[static_cast<unsigned>(b) & 15];
  }
  return out;
}

std::optional<sha256_digest> digest_from_hex(std::string_view text) {
  constexpr auto digits = std::string_view{"0123456789abcdef"};
  auto out = sha256_digest{};
  if (text.size() != 2 * out.size())
    return std::nullopt;
  for (auto i = std::size_t{0}; i < out.size(); ++i) {
    const auto high = digits.find(text[2 * i]), low = digits.find(text[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos)
      return std::nullopt;
    out[i] = static_cast<std::byte>(high << 4 | low);
  }
  return out;
}

} // namespace larql
