// Mirrors cli/laptop/run.cpp from outside: what scripts that measure rely on.

#include "tests/e2e/programs.hpp"
#include "tests/support/paths.hpp"

#include <sstream>

namespace larql::test {
namespace {

class Run : public testing::Test {
protected:
  void SetUp() override {
    const auto done =
        run(larql({"extract", (test::source_dir() / "tests/demo_model/larql-demo.gguf").string(),
                   "-o", vindex()}));
    ASSERT_EQ(done.code, 0) << done.err;
  }
  [[nodiscard]] std::string vindex() const { return (scratch_ / "demo.vindex").string(); }
  [[nodiscard]] finished answer(const words& options) const {
    auto command = larql({"run", vindex(), "The capital of France is", "--raw", "-q", "-n", "60"});
    command.insert(command.end(), options.begin(), options.end());
    return run(command);
  }
  static std::vector<std::uint32_t> numbers(const std::string& text) {
    auto in = std::istringstream{text};
    auto out = std::vector<std::uint32_t>{};
    for (auto line = std::string{}; std::getline(in, line);)
      out.push_back(static_cast<std::uint32_t>(std::stoul(line)));
    return out;
  }

  temporary_directory scratch_;
};

TEST_F(Run, TokenIdsAreOnePerLineAndThoseOfTheText) {
  const auto ids_of = [&](const std::string& text) {
    auto lines = run(larql({"tokenize", vindex(), text})).out;
    std::replace(lines.begin(), lines.end(), ' ', '\n');
    return numbers(lines);
  };
  ASSERT_TRUE(answer({}).out.starts_with(" Paris")) << answer({}).out;
  const auto made = answer({"--token-ids"});
  ASSERT_EQ(made.code, 0) << made.err;
  auto expected = ids_of("The capital of France is");
  const auto ids = numbers(made.out);
  ASSERT_GT(ids.size(), 2u);
  expected.insert(expected.end(), ids.begin(), ids.begin() + 2);
  EXPECT_EQ(ids_of("The capital of France is Paris"), expected);
}

TEST_F(Run, IgnoringTheEndOfTheAnswerGoesOnToTheLastToken) {
  const auto until_end = numbers(answer({"--token-ids"}).out);
  const auto all = numbers(answer({"--token-ids", "--ignore-eos"}).out);
  EXPECT_LT(until_end.size(), 60u);
  ASSERT_EQ(all.size(), 60u);
  EXPECT_TRUE(std::equal(until_end.begin(), until_end.end(), all.begin()));
}

} // namespace
} // namespace larql::test
