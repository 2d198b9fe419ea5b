// Mirrors cli/serve/page/answer_log.hpp and answer_path.hpp.

#include "cli/serve/page/answer_log.hpp"
#include "cli/serve/page/answer_path.hpp"

#include <gtest/gtest.h>

namespace larql::serve {
namespace {

constexpr auto id = "0123456789abcdef0123456789abcdef";

TEST(AnswerLog, IsReadFromAnyOffset) {
  auto log = answer_log{1000};
  log.append("Hello ");
  log.append("world");
  for (auto from = std::uint64_t{0}; from <= 11; ++from) {
    auto offset = from;
    auto out = std::string{};
    log.read(offset, 1000, out);
    EXPECT_EQ(out, std::string{"Hello world"}.substr(from));
    EXPECT_EQ(offset, 11u);
  }
  EXPECT_FALSE(log.has(12));
}

TEST(AnswerLog, IsReadInParts) {
  auto log = answer_log{1000};
  log.append("abcdef");
  auto offset = std::uint64_t{1};
  auto out = std::string{};
  log.read(offset, 2, out);
  EXPECT_EQ(out, "bc");
  log.read(offset, 2, out);
  EXPECT_EQ(out, "bcde");
  EXPECT_EQ(offset, 5u);
}

TEST(AnswerLog, ForgetsTheOldestOfALongStream) {
  auto log = answer_log{100};
  auto all = std::string{};
  for (auto i = 0; i < 1000; ++i) {
    const auto part = std::to_string(i) + "\n";
    all += part;
    log.append(part);
    EXPECT_EQ(log.end_offset(), all.size());
    EXPECT_LE(log.end_offset() - log.begin_offset(), 150u);
  }
  EXPECT_FALSE(log.has(0));
  auto offset = log.end_offset() - 100;
  auto out = std::string{};
  log.read(offset, 1000, out);
  EXPECT_EQ(out, all.substr(all.size() - 100));
}

TEST(AnswerLog, EndsOnce) {
  auto log = answer_log{10};
  EXPECT_FALSE(log.ended());
  log.append("x");
  log.end();
  EXPECT_TRUE(log.ended());
  EXPECT_TRUE(log.has(1));
}

TEST(AnswerPath, SaysWhatIsToBeDone) {
  const auto base = std::string{answer_prefix} + id;
  const auto ask = parse_answer_path(base);
  ASSERT_TRUE(ask);
  EXPECT_EQ(ask->id, id);
  EXPECT_EQ(ask->action, answer_action::ask);
  EXPECT_EQ(parse_answer_path(base + "/stop")->action, answer_action::stop);
  const auto read = parse_answer_path(base + "/18446744073709551615");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->action, answer_action::read);
  EXPECT_EQ(read->offset, UINT64_MAX);
}

TEST(AnswerPath, IsNothingElse) {
  const auto base = std::string{answer_prefix};
  for (const auto& rest :
       {std::string{}, std::string{"x"}, std::string{id} + "0", std::string{id}.substr(1),
        std::string{"0123456789ABCDEF0123456789ABCDEF"}, std::string{id} + "/",
        std::string{id} + "/-1", std::string{id} + "/1/2", std::string{id} + "/0x1",
        std::string{id} + "/18446744073709551616", std::string{id} + "/stopp",
        std::string{"../"} + id})
    EXPECT_FALSE(parse_answer_path(base + rest)) << rest;
  EXPECT_FALSE(parse_answer_path(std::string{"/page/answer/"} + id));
}

} // namespace
} // namespace larql::serve
