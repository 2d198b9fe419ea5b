// Mirrors runtime/import/gguf.hpp: every kind of damage is an error, and none makes the parser read
// outside the file, loop, or allocate what the file only claims.

#include "runtime/import/gguf.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

namespace larql::import {
namespace {

using test::fails;
using test::gguf_writer;
using test::succeeds;

// Parses bytes in memory of exactly their size, so that a sanitizer sees any read behind them.
result<gguf_head> parse(std::string_view text) {
  const auto exact = std::make_unique<std::byte[]>(text.size());
  std::memcpy(exact.get(), text.data(), text.size());
  auto head = parse_gguf({exact.get(), text.size()}, "F");
  if (head) // views would outlive the bytes
    for (auto& t : head->tensors)
      t.name = {};
  return head;
}
result<gguf_head> parse(const gguf_writer& w) {
  return parse(w.bytes());
}

gguf_writer sample() {
  auto w = gguf_writer{};
  w.string("general.architecture", "gemma4")
      .u32("number", 5)
      .strings("words", {"alpha", "", "gamma"})
      .i32s("numbers", {1, 2, 3})
      .f64("last", 1.0)
      .tensor("first.weight", {8, 2}, 0, std::string(64, '1'))
      .tensor("second.weight", {32}, 8, std::string(34, '2'));
  return w;
}

template <class T>
std::string with(std::string text, std::size_t at, T x) {
  EXPECT_LE(at + sizeof x, text.size());
  std::memcpy(text.data() + at, &x, sizeof x);
  return text;
}

TEST(GgufDamage, EveryTruncationOfTheHeadIsAnErrorThatNamesTheFile) {
  const auto w = sample();
  const auto text = w.bytes();
  for (auto n = std::size_t{0}; n < w.head_bytes(); ++n)
    ASSERT_TRUE(fails(parse(text.substr(0, n)), errc::corrupt, {"F: "})) << n;
  // From there on the head is whole, and gguf_file::data() guards the rest.
  for (auto n = w.head_bytes(); n <= text.size(); ++n)
    ASSERT_TRUE(succeeds(parse(text.substr(0, n)))) << n;
}

TEST(GgufDamage, OtherFilesAndVersionsAreRefused) {
  const auto text = sample().bytes();
  EXPECT_TRUE(fails(parse(with(text, 0, 0x04034b50u)), errc::corrupt, {"not a GGUF", "04034b50"}));
  EXPECT_TRUE(fails(parse(with(text, 0, 0x47475546u)), errc::corrupt, {"not a GGUF"}));
  for (const auto version : {0u, 1u, 4u, 0x03000000u /* big-endian 3 */})
    EXPECT_TRUE(fails(parse(with(text, 4, version)), errc::unsupported,
                      {"version", std::to_string(version), "2 or 3"}));
}

TEST(GgufDamage, CountsThatTheFileCannotHoldAreRefusedAtOnce) {
  const auto text = sample().bytes();
  for (const auto at : {8u, 16u})
    for (const auto count :
         {std::uint64_t{1000}, std::uint64_t{1} << 32, std::uint64_t{1} << 60, ~std::uint64_t{0}})
      EXPECT_TRUE(fails(parse(with(text, at, count)), errc::corrupt,
                        {std::to_string(count), "more than the file can hold"}));
}

TEST(GgufDamage, CountsThatAreALittleWrongAreErrorsToo) {
  const auto text = sample().bytes();
  EXPECT_FALSE(parse(with(text, 16, std::uint64_t{6}))); // reads a tensor as a key
  EXPECT_FALSE(parse(with(text, 16, std::uint64_t{4}))); // reads a key as a tensor
  EXPECT_FALSE(parse(with(text, 8, std::uint64_t{3})));
}

TEST(GgufDamage, LengthsOfKeysAndStringsAreChecked) {
  for (const auto length : {std::uint64_t{100000}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    EXPECT_TRUE(fails(parse(with(sample().bytes(), 24, length)), errc::corrupt,
                      {"truncated: key needs", std::to_string(length)}));
    const auto value = 24 + 8 + std::strlen("general.architecture") + 4;
    EXPECT_TRUE(fails(parse(with(sample().bytes(), value, length)), errc::corrupt,
                      {"general.architecture", std::to_string(length)}));
  }
}

TEST(GgufDamage, UnknownValueTypesAreNamed) {
  for (const auto type : {13u, 255u, ~0u})
    EXPECT_TRUE(fails(parse(gguf_writer{}.raw("k", type, "12345678")), errc::corrupt,
                      {"\"k\"", "type", std::to_string(type)}));
  EXPECT_TRUE(fails(parse(gguf_writer{}.raw("k", 9, std::string("\x63\0\0\0", 4) + "12345678")),
                    errc::corrupt, {"\"k\"", "type 99"}));
}

TEST(GgufDamage, ArraysOfArraysAreUnsupported) {
  auto bytes = std::string("\x09\0\0\0", 4) + std::string("\x01\0\0\0\0\0\0\0", 8);
  EXPECT_TRUE(fails(parse(gguf_writer{}.raw("k", 9, bytes)), errc::unsupported,
                    {"\"k\"", "array of arrays"}));
}

TEST(GgufDamage, ArraysLongerThanTheFileAreRefusedAtOnce) {
  for (const auto element : {0u, 4u, 8u, 12u})
    for (const auto count : {std::uint64_t{1000}, std::uint64_t{1} << 61, ~std::uint64_t{0}}) {
      auto bytes = std::string{};
      bytes.append(reinterpret_cast<const char*>(&element), 4);
      bytes.append(reinterpret_cast<const char*>(&count), 8);
      EXPECT_TRUE(fails(parse(gguf_writer{}.raw("k", 9, bytes)), errc::corrupt,
                        {"\"k\"", std::to_string(count), "more than the file can hold"}));
    }
}

TEST(GgufDamage, DuplicatesAreNamed) {
  EXPECT_TRUE(fails(parse(sample().u32("number", 6)), errc::corrupt, {"\"number\" occurs twice"}));
  EXPECT_TRUE(fails(parse(sample().tensor("first.weight", {8, 2}, 0, std::string(64, '3'))),
                    errc::corrupt, {"\"first.weight\" occurs twice"}));
}

TEST(GgufDamage, DimensionsAreChecked) {
  const auto one = [](std::vector<std::uint64_t> dims) {
    return parse(gguf_writer{}.tensor("t", std::move(dims), 0, "1234"));
  };
  EXPECT_TRUE(fails(one({}), errc::corrupt, {"\"t\"", "0 dimensions"}));
  EXPECT_TRUE(fails(one({1, 1, 1, 1, 1}), errc::corrupt, {"\"t\"", "5 dimensions"}));
  EXPECT_TRUE(fails(one({4, 0}), errc::corrupt, {"\"t\"", "dimension 1 is 0"}));
  EXPECT_TRUE(fails(one({~std::uint64_t{0}}), errc::corrupt, {"\"t\"", "out of range"}));
  // A product that wraps around to 1.
  EXPECT_TRUE(fails(one({std::uint64_t{1} << 32, std::uint64_t{1} << 32}), errc::corrupt,
                    {"\"t\"", "dimension 1", "out of range"}));
  EXPECT_TRUE(fails(one({std::uint64_t{1} << 40, 2}), errc::corrupt, {"out of range"}));
}

TEST(GgufDamage, AlignmentIsChecked) {
  for (const auto alignment : {0u, (1u << 20) + 1, ~0u}) {
    auto w = gguf_writer{};
    w.u32("general.alignment", alignment);
    EXPECT_TRUE(fails(parse(w), errc::corrupt, {"general.alignment", std::to_string(alignment)}));
  }
  auto odd = gguf_writer{};
  odd.alignment = 8; // which the file does not say
  odd.tensor("a", {1}, 0, "1234").tensor("b", {1}, 0, "5678");
  EXPECT_TRUE(fails(parse(odd), errc::corrupt, {"\"b\"", "offset 8", "multiple of 32"}));
}

TEST(GgufDamage, RandomDamageNeverDoesMoreThanFail) {
  const auto text = sample().bytes();
  const auto head = static_cast<std::uint32_t>(sample().head_bytes());
  auto random = test::random_source{99};
  auto failed = 0;
  for (auto round = 0; round < 20000; ++round) {
    auto damaged = text;
    for (auto n = 1 + random.below(4); n > 0; --n)
      damaged[random.below(head)] = static_cast<char>(random.bits());
    if (random.below(4) == 0)
      damaged.resize(random.below(head));
    failed += !parse(damaged);
  }
  EXPECT_GT(failed, 5000);
}

TEST(GgufDamage, MetadataOfADamagedFileIsStillSafeToRead) {
  // Whatever parses can be asked for anything.
  const auto text = sample().bytes();
  const auto head_bytes = static_cast<std::uint32_t>(sample().head_bytes());
  auto random = test::random_source{100};
  auto asked = 0;
  for (auto round = 0; round < 20000; ++round) {
    auto damaged = text;
    damaged[random.below(head_bytes)] = static_cast<char>(random.bits());
    const auto bytes = std::as_bytes(std::span{damaged});
    const auto head = parse_gguf(bytes, "F");
    if (!head)
      continue;
    const auto m = gguf_metadata{*head, "F"};
    for (const auto& [key, value] : head->metadata) {
      asked += static_cast<bool>(m.unsigned_integer(key));
      asked += static_cast<bool>(m.number(key));
      asked += static_cast<bool>(m.boolean(key));
      asked += static_cast<bool>(m.string(key));
      asked += static_cast<bool>(m.strings(key));
      asked += static_cast<bool>(m.integers(key));
    }
  }
  EXPECT_GT(asked, 1000);
}

} // namespace
} // namespace larql::import
