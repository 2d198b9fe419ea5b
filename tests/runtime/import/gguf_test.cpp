// Mirrors runtime/import/gguf.hpp: what a good file gives. Damage is in gguf_damage_test.cpp.

#include "runtime/import/gguf.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql::import {
namespace {

using test::fails;
using test::gguf_writer;
using test::succeeds;

// Parses a writer's bytes; keeps both.
struct parsed {
  explicit parsed(const gguf_writer& w) : text(w.bytes()), head(parse_gguf(bytes(), "F")) {
    EXPECT_TRUE(succeeds(head));
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return std::as_bytes(std::span{text}); }
  [[nodiscard]] gguf_metadata metadata() const { return {*head, "F"}; }

  std::string text;
  result<gguf_head> head;
};

TEST(Gguf, AnEmptyFileOfTheFormatIsFine) {
  for (const auto version : {2u, 3u}) {
    auto w = gguf_writer{};
    w.version = version;
    const auto p = parsed{w};
    EXPECT_TRUE(p.head->metadata.empty());
    EXPECT_TRUE(p.head->tensors.empty());
    EXPECT_EQ(p.head->data_offset, 32u);
  }
}

TEST(Gguf, IntegersOfEveryTypeAreRead) {
  const auto p = parsed{gguf_writer{}
                            .u8("u8", 200)
                            .i8("i8", -100)
                            .u16("u16", 60000)
                            .i16("i16", -30000)
                            .u32("u32", 4000000000)
                            .i32("i32", -2000000000)
                            .u64("u64", 1ull << 62)
                            .i64("i64", -(1ll << 62))
                            .i32("positive", 7)
                            .u64("huge", ~0ull)};
  const auto m = p.metadata();
  EXPECT_EQ(*m.unsigned_integer("u8"), 200u);
  EXPECT_EQ(*m.unsigned_integer("u16"), 60000u);
  EXPECT_EQ(*m.unsigned_integer("u32"), 4000000000u);
  EXPECT_EQ(*m.unsigned_integer("u64"), 1ull << 62);
  EXPECT_EQ(*m.unsigned_integer("positive"), 7u);
  EXPECT_EQ(*m.number("i8"), -100);
  EXPECT_EQ(*m.number("i16"), -30000);
  EXPECT_EQ(*m.number("i32"), -2e9);
  EXPECT_EQ(*m.number("i64"), -0x1p62);
  for (const auto* key : {"i8", "i16", "i32", "i64", "huge"})
    EXPECT_TRUE(fails(m.unsigned_integer(key), errc::corrupt, {"F", key, "non-negative integer"}));
}

TEST(Gguf, FloatsBooleansAndStringsAreRead) {
  const auto p = parsed{gguf_writer{}
                            .f32("f32", 1.5f)
                            .f64("f64", 1e300)
                            .boolean("yes", true)
                            .boolean("no", false)
                            .string("text", "gr\xc3\xbc\xc3\x9f")
                            .string("empty", "")};
  const auto m = p.metadata();
  EXPECT_EQ(*m.number("f32"), 1.5);
  EXPECT_EQ(*m.number("f64"), 1e300);
  EXPECT_TRUE(*m.boolean("yes"));
  EXPECT_FALSE(*m.boolean("no"));
  EXPECT_EQ(*m.string("text"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(*m.string("empty"), "");
  EXPECT_TRUE(m.has("text"));
  EXPECT_FALSE(m.has("absent"));
}

TEST(Gguf, ArraysAreRead) {
  const auto p = parsed{gguf_writer{}
                            .strings("words", {"a", "", "ccc"})
                            .i32s("numbers", {1, -2, 3})
                            .booleans("flags", {true, false})
                            .strings("none", {})
                            .f32s("floats", {1, 2})};
  const auto m = p.metadata();
  EXPECT_EQ(*m.strings("words"), (std::vector<std::string_view>{"a", "", "ccc"}));
  EXPECT_TRUE(m.strings("none")->empty());
  EXPECT_EQ(*m.integers("numbers"), (std::vector<std::int64_t>{1, -2, 3}));
  EXPECT_EQ(*m.integers("flags"), (std::vector<std::int64_t>{1, 0}));
  EXPECT_TRUE(m.is_array("words"));
  EXPECT_FALSE(m.is_array("absent"));
  EXPECT_TRUE(fails(m.strings("numbers"), errc::corrupt, {"F", "numbers", "array of strings"}));
  EXPECT_TRUE(fails(m.integers("words"), errc::corrupt, {"F", "words", "array of integers"}));
  EXPECT_TRUE(fails(m.integers("floats"), errc::corrupt, {"F", "floats", "array of integers"}));
}

TEST(Gguf, AKeyOfAnotherTypeIsNamedWithWhatWasExpected) {
  const auto p = parsed{gguf_writer{}.string("text", "5").u32("number", 1).i32s("array", {1})};
  const auto m = p.metadata();
  EXPECT_TRUE(fails(m.unsigned_integer("text"), errc::corrupt, {"F", "text", "integer"}));
  EXPECT_TRUE(fails(m.unsigned_integer("array"), errc::corrupt, {"F", "array", "integer"}));
  EXPECT_TRUE(fails(m.number("text"), errc::corrupt, {"F", "text", "a number"}));
  EXPECT_TRUE(fails(m.number("array"), errc::corrupt, {"F", "array", "a number"}));
  EXPECT_TRUE(fails(m.boolean("number"), errc::corrupt, {"F", "number", "a boolean"}));
  EXPECT_TRUE(fails(m.string("number"), errc::corrupt, {"F", "number", "a string"}));
  EXPECT_TRUE(fails(m.strings("number"), errc::corrupt, {"F", "number", "array of strings"}));
  EXPECT_TRUE(fails(m.string("absent"), errc::corrupt, {"F", "absent", "missing"}));
  EXPECT_TRUE(fails(m.number("absent"), errc::corrupt, {"F", "absent", "missing"}));
}

TEST(Gguf, TensorsHaveNamesDimensionsTypesAndOffsets) {
  const auto p = parsed{gguf_writer{}
                            .tensor("a", {4, 3}, 0, std::string(48, 'a'))
                            .tensor("b", {2, 2, 2, 2}, 1, std::string(32, 'b'))};
  ASSERT_EQ(p.head->tensors.size(), 2u);
  const auto& b = p.head->tensors[1];
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.type, 1u);
  EXPECT_EQ(b.dims, (std::vector<std::uint64_t>{2, 2, 2, 2}));
  EXPECT_EQ(b.offset, 64u);
  EXPECT_EQ(p.text.substr(p.head->data_offset + b.offset, 32), std::string(32, 'b'));
}

TEST(Gguf, AlignmentIsWhatTheFileSays) {
  for (const auto alignment : {8u, 64u, 4096u}) {
    auto w = gguf_writer{};
    w.u32("general.alignment", alignment).tensor("a", {1}, 0, "1234").tensor("b", {1}, 0, "5678");
    w.alignment = alignment;
    const auto p = parsed{w};
    EXPECT_EQ(p.head->data_offset % alignment, 0u);
    EXPECT_EQ(p.head->tensors[1].offset, alignment);
  }
}

TEST(GgufFile, GivesTheBytesOfTensorsInsideTheFileOnly) {
  const auto dir = test::temporary_directory{};
  const auto path = dir / "x.gguf";
  gguf_writer{}.tensor("a", {3}, 0, "0123456789ab").write(path);
  const auto f = gguf_file::open(path);
  ASSERT_TRUE(succeeds(f));
  const auto& t = f->head().tensors[0];
  const auto data = f->data(t, 12);
  ASSERT_TRUE(succeeds(data));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(data->data()), data->size()), "0123456789ab");
  EXPECT_TRUE(fails(f->data(t, 13), errc::corrupt, {path.string(), "truncated", "\"a\"", "13"}));
  EXPECT_TRUE(fails(f->data(t, ~std::uint64_t{0}), errc::corrupt, {"truncated"}));
  auto far = t;
  for (const auto offset : {std::uint64_t{32}, std::uint64_t{1} << 40, ~std::uint64_t{31}}) {
    far.offset = offset;
    EXPECT_TRUE(fails(f->data(far, 1), errc::corrupt, {path.string(), "truncated"})) << offset;
  }
}

TEST(GgufFile, MayBeMovedWithoutItsViewsGoingStale) {
  const auto dir = test::temporary_directory{};
  const auto path = dir / "x.gguf";
  gguf_writer{}.string("k", "value").tensor("a", {3}, 0, "0123456789ab").write(path);
  auto first = gguf_file::open(path);
  ASSERT_TRUE(succeeds(first));
  const auto moved = *std::move(first);
  EXPECT_EQ(*moved.metadata().string("k"), "value");
  EXPECT_EQ(moved.head().tensors[0].name, "a");
}

TEST(GgufFile, MissingFilesAndDirectoriesAreNamed) {
  const auto dir = test::temporary_directory{};
  EXPECT_TRUE(fails(gguf_file::open(dir / "absent.gguf"), errc::not_found, {"absent.gguf"}));
  EXPECT_TRUE(fails(gguf_file::open(dir.path()), errc::io, {dir.path().string()}));
  test::write_file(dir / "empty.gguf", "");
  EXPECT_TRUE(fails(gguf_file::open(dir / "empty.gguf"), errc::corrupt, {"empty.gguf"}));
}

} // namespace
} // namespace larql::import
