// Mirrors schema/codec.hpp: whatever bytes come, decode() answers a message or an error, and what
// it answers lies inside the bytes that came. Run under ASan and UBSan as well (preset dev).

#include "schema/codec.hpp"
#include "tests/schema/wire_v1.hpp"
#include "tests/support/message_text.hpp"
#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace larql::schema {
namespace {

using words = std::vector<std::uint64_t>; // aligned as decode() wants it

std::span<const char> bytes_of(const words& w) {
  return {reinterpret_cast<const char*>(w.data()), w.size() * 8};
}

words body_of(const message& m) {
  auto frame = std::vector<char>{};
  encode(m, frame);
  auto out = words((frame.size() - frame_header_bytes) / 8);
  std::memcpy(out.data(), frame.data() + frame_header_bytes, out.size() * 8);
  return out;
}

/// Decodes and reads everything that was decoded, so that a sanitizer sees what is out of bounds.
/// Returns whether it was a message.
bool survives(const words& w) {
  const auto m = decode(bytes_of(w));
  if (m)
    return !test::text_of(*m).empty();
  EXPECT_EQ(m.error().code, errc::corrupt);
  EXPECT_TRUE(m.error().text.starts_with("message: ")) << m.error().text;
  return false;
}

TEST(HostileMessages, EveryTruncationIsAnErrorOrAMessage) {
  for (const auto& s : wire_v1::samples()) {
    const auto whole = body_of(s.message);
    for (auto n = std::size_t{0}; n < whole.size(); ++n)
      EXPECT_FALSE(survives({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)}))
          << s.name << " cut to " << n << " words";
  }
}

TEST(HostileMessages, EveryFlippedBitIsAnErrorOrAMessage) {
  for (const auto& s : wire_v1::samples()) {
    auto body = body_of(s.message);
    for (auto bit = std::size_t{0}; bit < body.size() * 64; ++bit) {
      body[bit / 64] ^= std::uint64_t{1} << bit % 64;
      survives(body);
      body[bit / 64] ^= std::uint64_t{1} << bit % 64;
    }
  }
}

// Interesting words: small counts, limits, pointers to oneself, far pointers, huge lists.
std::uint64_t hostile_word(test::random_source& random, std::size_t size) {
  switch (random.below(8)) {
  case 0: return 0;
  case 1: return ~std::uint64_t{0};
  case 2: return random.below(4096);
  case 3: return std::uint64_t{random.below(1u << 29)} << 35 | random.below(64) << 2 | 1; // list
  case 4: return std::uint64_t{random.below(1u << 16)} << 32 | random.below(64) << 2;     // struct
  case 5: return std::uint64_t{random.below(4)} << 32 | random.below(64) << 3 | 2;        // far
  case 6: return 0xfffffffcu | std::uint64_t{random.below(65536)} << 32; // points at itself
  default: return size << 32 | random.below(8);                          // segment table
  }
}

TEST(HostileMessages, AHundredThousandMutationsAreErrorsOrMessages) {
  auto bodies = std::vector<words>{};
  for (const auto& s : wire_v1::samples())
    bodies.push_back(body_of(s.message));
  auto random = test::random_source{2026};
  auto accepted = 0;
  constexpr auto rounds = 100'000;
  for (auto i = 0; i < rounds; ++i) {
    auto w = bodies[random.below(static_cast<std::uint32_t>(bodies.size()))];
    for (auto n = 1 + random.below(3); n != 0; --n) {
      auto& word = w[random.below(static_cast<std::uint32_t>(w.size()))];
      switch (random.below(3)) {
      case 0: word ^= std::uint64_t{1} << random.below(64); break;
      case 1: word = hostile_word(random, w.size()); break;
      default: word = random.bits(); break;
      }
    }
    if (random.below(8) == 0)
      w.resize(random.below(static_cast<std::uint32_t>(w.size()) + 8));
    accepted += survives(w) ? 1 : 0;
    if (HasFailure())
      FAIL() << "mutation " << i;
  }
  // The mutations are neither all harmless nor all fatal.
  EXPECT_GT(accepted, rounds / 20);
  EXPECT_LT(accepted, rounds * 19 / 20);
}

TEST(HostileMessages, RandomWordsAreErrorsOrMessages) {
  auto random = test::random_source{7};
  for (auto i = 0; i < 20'000; ++i) {
    auto w = words(random.below(64));
    for (auto& x : w)
      x = random.below(2) == 0 ? random.bits() : hostile_word(random, w.size());
    survives(w);
  }
}

TEST(HostileMessages, SegmentsThatAreNotThereAreAnError) {
  for (const auto segments : {0u, 1u, 2u, 511u, 512u, 0x7fffffffu, 0xfffffffeu, 0xffffffffu})
    for (const auto size : {0u, 1u, 15u, 16u, 0x10000u, 0x1fffffffu, 0xffffffffu}) {
      auto w = words(16, 0);
      w[0] = std::uint64_t{size} << 32 | segments;
      EXPECT_FALSE(survives(w) && size > 15) << segments << " " << size;
    }
}

TEST(HostileMessages, PiecesBeyondTheirAnswerAreErrors) {
  const auto wrong = std::vector<std::array<std::uint32_t, 3>>{
      {0, 0, 4}, {4, 1, 4}, {3, 2, 4}, {~0u, 1, 4}, {1, ~0u, 4}};
  for (const auto& [first, rows, of] : wrong) {
    auto piece = expert_result{};
    piece.first_row = first;
    piece.rows = rows;
    piece.call_rows = of;
    EXPECT_FALSE(survives(body_of(piece))) << first << " " << rows;
  }
}

TEST(HostileMessages, ManyPointersToTheSameBytesDoNotMultiplyThem) {
  // All five Data fields of a call point at one large blob: reading each once would make five times
  // the message's size, which the traversal limit forbids.
  const auto blob = std::vector<std::byte>(1 << 20);
  auto call = expert_call{};
  call.activations = blob;
  auto w = body_of(call);
  // The five pointers of the call struct are neighbours; repeat the first with adjusted offsets.
  auto at = std::size_t{0};
  for (auto i = std::size_t{1}; i < w.size() && at == 0; ++i)
    if ((w[i] & 3) == 1 && w[i] >> 35 == blob.size())
      at = i;
  ASSERT_NE(at, 0u);
  for (auto i = 1u; i < 5; ++i)
    w[at + i] = w[at] - (std::uint64_t{i} << 2); // offsets count from the pointer's own end
  EXPECT_FALSE(survives(w));
}

TEST(HostileMessages, HugePayloadsAreErrorsOrMessages) {
  auto w = words(max_frame_bytes / 8, 0);
  EXPECT_FALSE(survives(w)); // one segment of no words
  w[0] = std::uint64_t{w.size() - 1} << 32;
  survives(w); // a null root: a message of zeros
  std::fill(w.begin() + 1, w.end(), ~std::uint64_t{0});
  EXPECT_FALSE(survives(w));
}

} // namespace
} // namespace larql::schema
