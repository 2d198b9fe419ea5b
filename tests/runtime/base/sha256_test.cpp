// Mirrors runtime/base/sha256.hpp.

#include "runtime/base/sha256.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace larql {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span{text});
}

// FIPS 180-2, appendix B.
TEST(Sha256, GivesThePublishedDigests) {
  const auto digest = [](const std::string& text) {
    auto hash = sha256{};
    hash.update(bytes_of(text));
    return to_hex(hash.finish());
  };
  EXPECT_EQ(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, AnotherGoesOnFromTheMiddle) {
  const auto text = std::string(1'000'000, 'a');
  for (const auto at : {std::size_t{0}, std::size_t{64}, std::size_t{999'936}}) {
    auto first = sha256{};
    first.update(bytes_of(text).first(at));
    auto second = sha256::from_middle(first.middle(), at);
    second.update(bytes_of(text).subspan(at));
    EXPECT_EQ(to_hex(second.finish()),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  }
}

TEST(Sha256, FourGigabytesInTheMiddleAreCounted) {
  // The count of bits needs more than 32 of them; the state itself is any.
  auto hash = sha256{};
  hash.update(bytes_of(std::string(64, 'x')));
  const auto middle = hash.middle();
  auto far = sha256::from_middle(middle, std::uint64_t{5} << 30);
  EXPECT_EQ(far.middle(), middle);
  EXPECT_NE(to_hex(far.finish()),
            to_hex(sha256::from_middle(middle, std::uint64_t{1} << 30).finish()));
}

} // namespace
} // namespace larql
