// Mirrors runtime/import/gguf_checkpoint.hpp for models in several files.

#include "runtime/import/gguf_checkpoint.hpp"

#include "runtime/base/held_bytes.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/gguf_writer.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace larql::import {
namespace {

using test::fails;
using test::gguf_of;
using test::gguf_parts_of;
using test::gguf_writer;
using test::succeeds;
using test::tiny_model;
using test::tiny_options;

class SplitGguf : public testing::Test {
protected:
  [[nodiscard]] static gguf_writer good() {
    return gguf_of(tiny_model{tiny_options{}}.checkpoint());
  }

  // The good model in three parts; only the first has the numbers.
  std::filesystem::path part(int n) { return dir_ / fmt::format("m-{:05}-of-00003.gguf", n); }

  void write_parts(bool numbered = true) {
    const auto model = tiny_model{tiny_options{}};
    auto parts = gguf_parts_of(model, 3);
    for (auto n = 0u; n < 3; ++n) {
      if (numbered)
        parts[n].u32("split.no", n).u32("split.count", 3);
      parts[n].write(part(static_cast<int>(n) + 1));
    }
  }

  test::temporary_directory dir_;
  std::filesystem::path path_ = dir_ / "model.gguf";
};

TEST_F(SplitGguf, AnyPartLeadsToAllOfThem) {
  for (const auto numbered : {true, false}) {
    write_parts(numbered);
    for (const auto n : {1, 2, 3}) {
      const auto c = open_gguf(part(n));
      ASSERT_TRUE(succeeds(c)) << n;
      EXPECT_EQ(c->tensors.size(), tiny_model{tiny_options{}}.checkpoint().tensors.size());
    }
  }
}

TEST_F(SplitGguf, AMissingPartIsNamed) {
  write_parts();
  std::filesystem::remove(part(2));
  EXPECT_TRUE(fails(open_gguf(part(1)), errc::not_found, {part(2).string()}));
}

TEST_F(SplitGguf, PartsInTheWrongPlaceAreNamed) {
  write_parts();
  std::filesystem::rename(part(2), dir_ / "other");
  std::filesystem::rename(part(3), part(2));
  std::filesystem::rename(dir_ / "other", part(3));
  EXPECT_TRUE(fails(open_gguf(part(1)), errc::corrupt, {part(2).string(), "split.no", "2", "1"}));
}

TEST_F(SplitGguf, ATensorInTwoPartsIsNamed) {
  write_parts();
  std::filesystem::copy_file(part(3), dir_ / "x");
  auto w = gguf_writer{};
  w.tensor("token_embd.weight", {256, 128}, 0, std::string(256 * 128 * 4, 'x'));
  w.write(part(3));
  EXPECT_TRUE(fails(open_gguf(part(1)), errc::corrupt,
                    {part(3).string(), "token_embd.weight", "two parts"}));
}

TEST_F(SplitGguf, ARenamedPartIsRecognised) {
  write_parts();
  std::filesystem::rename(part(1), path_);
  EXPECT_TRUE(fails(open_gguf(path_), errc::corrupt, {path_.string(), "one of 3 parts"}));
}

TEST_F(SplitGguf, NamesThatOnlyLookLikePartsAreWholeFiles) {
  for (const auto* name : {"m-00001-of-0003.gguf", "m-0000x-of-00003.gguf", "m-00000-of-00003.gguf",
                           "m-00004-of-00003.gguf", "-00001-of-00003.gguf"}) {
    good().write(dir_ / name);
    EXPECT_TRUE(succeeds(open_gguf(dir_ / name))) << name;
  }
}

TEST_F(SplitGguf, AFileWithHolesIsForWhoeverKnowsThem) {
  write_parts();
  const auto size = std::filesystem::file_size(part(2));
  ASSERT_TRUE(succeeds(write_held(part(2), interval_set{interval{0, size - 1}}, size)));
  EXPECT_TRUE(fails(open_gguf(part(1)), errc::mismatch, {part(2).string(), "larql pull"}));
  EXPECT_TRUE(succeeds(open_gguf(part(1), {.parts = {part(1), part(2), part(3)}})));
  ASSERT_TRUE(succeeds(write_held(part(2), interval_set{interval{0, size}}, size)));
  EXPECT_TRUE(succeeds(open_gguf(part(1))));
}

} // namespace
} // namespace larql::import
