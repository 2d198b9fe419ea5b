// Mirrors runtime/vindex/mapped_parts.hpp and storage.hpp for files that are themselves.

#include "runtime/vindex/mapped_parts.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql::vindex {
namespace {

using test::fails;
using test::succeeds;

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class MappedParts : public testing::Test {
protected:
  stored_file stored(std::string_view name, std::string_view content) {
    test::write_file(dir_ / name, content);
    return *storage::open(dir_.path())->open_file(name);
  }

  result<mapped_parts> map(const std::vector<wanted_part>& parts) {
    return mapped_parts::map(parts, access_pattern::random, page_kind::normal);
  }

  test::temporary_directory dir_;
};

TEST_F(MappedParts, EachPartHasItsBytesInTheOrderAsked) {
  const auto a = stored("a", "0123456789"), b = stored("b", "abcdefghij");
  const auto m =
      map({{*b.find(7, 3), 0}, {*a.find(4, 2), 0}, {*a.find(0, 3), 0}, {*b.find(0, 1), 0}});
  ASSERT_TRUE(succeeds(m));
  EXPECT_EQ(text_of(m->part(0)), "hij");
  EXPECT_EQ(text_of(m->part(1)), "45");
  EXPECT_EQ(text_of(m->part(2)), "012");
  EXPECT_EQ(text_of(m->part(3)), "a");
  EXPECT_EQ(m->runs().size(), 4u);
}

TEST_F(MappedParts, PartsThatTouchOrOverlapShareARunAndEqualOnesAnAddress) {
  const auto a = stored("a", "0123456789");
  const auto m =
      map({{*a.find(3, 2), 0}, {*a.find(1, 2), 0}, {*a.find(2, 2), 0}, {*a.find(3, 2), 0}});
  ASSERT_TRUE(succeeds(m));
  ASSERT_EQ(m->runs().size(), 1u);
  EXPECT_EQ(text_of(m->runs()[0].bytes), "1234");
  EXPECT_EQ(m->runs()[0].path, dir_ / "a");
  EXPECT_EQ(m->part(0).data(), m->part(3).data());
  EXPECT_EQ(text_of(m->part(2)), "23");
}

TEST_F(MappedParts, ALeadIsMappedButDoesNotCountAsWanted) {
  const auto a = stored("a", "0123456789");
  const auto m = map({{*a.find(4, 3), 4}});
  ASSERT_TRUE(succeeds(m));
  EXPECT_EQ(text_of(m->runs()[0].map.bytes()), "0123456");
  EXPECT_EQ(text_of(m->runs()[0].bytes), "456");
  EXPECT_EQ(text_of(m->part(0)), "456");
}

TEST_F(MappedParts, NothingWantedMapsNothing) {
  const auto m = map({});
  ASSERT_TRUE(succeeds(m));
  EXPECT_TRUE(m->runs().empty());
}

TEST_F(MappedParts, WhatIsPastTheEndIsNamedBeforeItIsMapped) {
  const auto a = stored("a", "0123456789");
  EXPECT_TRUE(fails(a.find(8, 3), errc::corrupt, {(dir_ / "a").string(), "truncated", "offset 8"}));
  EXPECT_TRUE(fails(a.find(11, 0), errc::corrupt, {(dir_ / "a").string()}));
  EXPECT_TRUE(fails(a.find(1, ~std::uint64_t{0}), errc::corrupt, {(dir_ / "a").string()}));
  auto three = std::string(3, '\0');
  EXPECT_TRUE(
      fails(a.read(8, std::as_writable_bytes(std::span{three})), errc::corrupt, {"truncated"}));
}

TEST_F(MappedParts, AFileThatIsNotThereIsNamed) {
  const auto s = storage::open(dir_.path());
  ASSERT_TRUE(succeeds(s));
  EXPECT_FALSE(*s->has("a"));
  EXPECT_TRUE(fails(s->open_file("a"), errc::not_found, {(dir_ / "a").string()}));
}

} // namespace
} // namespace larql::vindex
