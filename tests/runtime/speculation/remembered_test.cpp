// Mirrors runtime/speculation/remembered.hpp.

#include "runtime/speculation/remembered.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace larql::speculation {
namespace {

class Remembered : public testing::Test {
protected:
  static acceptance some() {
    auto a = acceptance{};
    const auto drafts = generate::draft_tree::chain(std::vector<std::uint32_t>{1, 2, 3});
    for (auto i = 0u; i < 10; ++i)
      a.add(drafts, std::vector<std::uint32_t>{0});
    return a;
  }
  void write(std::string_view text) const { std::ofstream{file_} << text; }

  test::temporary_directory dir_;
  std::filesystem::path file_ = dir_ / "speculation.json";
};

TEST_F(Remembered, GivesBackWhatWasKeptUnderEachName) {
  const auto a = some();
  EXPECT_TRUE(read_seen(file_, "nodes/suffix").empty());
  ASSERT_TRUE(test::succeeds(write_seen(file_, "nodes/suffix", a.cells())));
  ASSERT_TRUE(test::succeeds(write_seen(file_, "local/suffix", acceptance{}.cells())));
  auto b = acceptance{};
  b.restore(read_seen(file_, "nodes/suffix"));
  for (const auto depth : {1u, 2u, 3u})
    EXPECT_NEAR(b.of(1, depth), a.of(1, depth), 1e-5);
  EXPECT_TRUE(read_seen(file_, "nodes/model").empty());
}

TEST_F(Remembered, AFileThatMakesNoSenseIsAsGoodAsNone) {
  for (const auto* text :
       {"", "{", "[]", "{\"version\":2,\"seen\":{}}", "{\"version\":1}",
        "{\"version\":1,\"seen\":{\"a\":7}}", "{\"version\":1,\"seen\":{\"a\":[[1,2]]}}",
        "{\"version\":1,\"seen\":{\"a\":[[2,1]]}}", "{\"version\":1,\"seen\":{\"a\":[[1]]}}"}) {
    write(text);
    EXPECT_TRUE(read_seen(file_, "a").empty()) << text;
    EXPECT_TRUE(test::succeeds(write_seen(file_, "b", some().cells()))) << text;
    EXPECT_FALSE(read_seen(file_, "b").empty()) << text;
  }
}

} // namespace
} // namespace larql::speculation
